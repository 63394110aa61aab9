"""The sound of one file laid under the new picture of another."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from unmask.video.audio import decoded_sound, sound_stream
from unmask.video.container import open_container
from unmask.video.probe import first_frame_time

# What MP4 carries as it is; other sound (PCM, Vorbis, ...) is encoded anew as AAC.
_COPIED = {"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"}
_AAC_SAMPLES = 1024  # of one packet


class Soundtrack:
    """Packets of a source's first sound track, timed from the first frame of its picture."""

    def __init__(self, source: Path, output: OutputContainer) -> None:
        """Add a stream to `output` if `source` has sound; before the first packet is written."""
        self._input = open_container(source)
        self._shift = Fraction(0)
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        self._held: Packet[AudioStream] | None = None
        sound = sound_stream(self._input)
        if sound is None:
            return
        self._shift = first_frame_time(source)
        if sound.codec_context.codec.canonical_name in _COPIED:
            self._stream: AudioStream = output.add_stream_from_template(sound)
            self._packets = (p for p in self._input.demux(sound) if p.dts is not None)
        else:
            layout = "mono" if sound.codec_context.layout.nb_channels == 1 else "stereo"
            self._stream = output.add_stream("aac", rate=sound.rate, layout=layout)
            self._packets = self._encoded(sound)

    def until(self, t: Fraction) -> Iterator[Packet[AudioStream]]:
        """Give the packets that start before `t` seconds and were not given yet."""
        while (packet := self._held or next(self._packets, None)) is not None:
            self._held = packet
            stamp = packet.dts or 0  # of sound, the same as its pts
            start = stamp * packet.time_base - self._shift
            if start >= t:
                return
            self._held = None
            if start + (packet.duration or 0) * packet.time_base > 0:
                packet.pts = packet.dts = stamp - round(self._shift / packet.time_base)
                packet.stream = self._stream
                yield packet

    def close(self) -> None:
        """Let go of the source."""
        self._input.close()

    def _encoded(self, sound: AudioStream) -> Iterator[Packet[AudioStream]]:
        context = self._stream.codec_context
        resampler = av.AudioResampler(
            format=context.format, layout=context.layout, rate=sound.rate, frame_size=_AAC_SAMPLES
        )
        for frame in decoded_sound(self._input, sound):
            for piece in resampler.resample(frame):
                yield from self._stream.encode(piece)
        for piece in resampler.resample(None):
            yield from self._stream.encode(piece)
        yield from self._stream.encode(None)
