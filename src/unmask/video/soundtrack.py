"""Sound laid under a new picture: that of another file, or samples made by us."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from unmask.video.audio import Samples, decoded_sound, sound_stream
from unmask.video.container import open_container
from unmask.video.probe import first_frame_time

# What MP4 carries as it is; other sound (PCM, Vorbis, ...) is encoded anew as AAC.
_COPIED = {"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"}
_AAC_SAMPLES = 1024  # of one packet
_AAC_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_BITS_PER_SAMPLE, _MOST_BITS_PER_S = 6, 96_000  # most that AAC allows a channel, and that we spend


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """Mono sound that begins with the first frame of the picture."""

    samples: Samples  # (S,), full scale = 1
    rate_hz: int


def recordable_rate(rate_hz: int) -> int:
    """The lowest rate of AAC that loses nothing of a recording; its highest for higher ones."""
    return next((rate for rate in _AAC_RATES_HZ if rate >= rate_hz), _AAC_RATES_HZ[-1])


class Soundtrack:
    """Packets of sound, timed from the first frame of its picture.

    Of a file, its first sound track is taken over as it is wherever MP4 can carry it. A `Recording`
    is encoded as AAC, always with the same settings.
    """

    def __init__(self, source: Path | Recording, output: OutputContainer) -> None:
        """Add a stream to `output` if `source` has sound; before the first packet is written."""
        self._input: InputContainer | None = None
        self._shift = Fraction(0)
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        self._held: Packet[AudioStream] | None = None
        if isinstance(source, Recording):
            self._stream: AudioStream = output.add_stream("aac", rate=source.rate_hz, layout="mono")
            bits_per_s = min(_MOST_BITS_PER_S, _BITS_PER_SAMPLE * source.rate_hz)
            self._stream.codec_context.bit_rate = bits_per_s
            self._packets = self._recorded(source)
        else:
            self._take_over(source, output)

    def _take_over(self, source: Path, output: OutputContainer) -> None:
        self._input = open_container(source)
        sound = sound_stream(self._input)
        if sound is None:
            return
        self._shift = first_frame_time(source)
        if sound.codec_context.codec.canonical_name in _COPIED:
            self._stream = output.add_stream_from_template(sound)
            self._packets = (p for p in self._input.demux(sound) if p.dts is not None)
        else:
            layout = "mono" if sound.codec_context.layout.nb_channels == 1 else "stereo"
            self._stream = output.add_stream("aac", rate=sound.rate, layout=layout)
            self._packets = self._encoded(self._input, sound)

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
        if self._input is not None:
            self._input.close()

    def _recorded(self, recording: Recording) -> Iterator[Packet[AudioStream]]:
        samples = np.ascontiguousarray(recording.samples, np.float32)
        for first in range(0, len(samples), _AAC_SAMPLES):
            block = samples[None, first : first + _AAC_SAMPLES]
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.rate = recording.rate_hz
            frame.time_base = Fraction(1, recording.rate_hz)
            frame.pts = first
            yield from self._stream.encode(frame)
        yield from self._stream.encode(None)

    def _encoded(self, source: InputContainer, sound: AudioStream) -> Iterator[Packet[AudioStream]]:
        context = self._stream.codec_context
        resampler = av.AudioResampler(
            format=context.format, layout=context.layout, rate=sound.rate, frame_size=_AAC_SAMPLES
        )
        for frame in decoded_sound(source, sound):
            for piece in resampler.resample(frame):
                yield from self._stream.encode(piece)
        for piece in resampler.resample(None):
            yield from self._stream.encode(piece)
        yield from self._stream.encode(None)
