"""Sound of a file as mono samples on the picture's clock.

Sample 0 is what is heard when the first frame appears, whatever offsets the container puts on its
streams. What is missing (a late start, a hole, a damaged packet) is silence of the right length,
so that later sound stays beside its picture. No sound at all is None, never silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from unmask.errors import UnreadableMediaError
from unmask.video.container import demuxed, open_container, read_head
from unmask.video.images import image_format
from unmask.video.probe import first_frame_time

Samples = NDArray[np.float32]
Block = tuple[Fraction, Samples]  # container time of its first sample, and the samples

_PREROLL_S = 0.5  # decoded before the start: codecs overlap blocks, resamplers look around
_HOLE_S = 0.02  # time stamps are rounded: only a later one than this means missing sound


def read_audio(
    path: Path, rate_hz: int, start_s: float = 0.0, duration_s: float | None = None
) -> Samples | None:
    """Decode the first sound track from `start_s` on: (S,), mono, full scale = 1.

    S = round(duration_s * rate_hz), or what there is up to the end of the sound. None if the file
    holds no sound (an image, a silent video).

    Raises:
        UnreadableMediaError: if the file cannot be opened, or none of its sound be decoded.
    """
    if image_format(read_head(path)):
        return None
    with open_container(path) as container:
        if sound_stream(container) is None:
            return None
    start = Fraction(start_s) + first_frame_time(path)
    end = None if duration_s is None else start + Fraction(duration_s)
    blocks: list[Block] = []
    if start_s > _PREROLL_S:
        blocks = list(_blocks(path, rate_hz, start - Fraction(_PREROLL_S), end))
    if not blocks or blocks[0][0] > start:  # the seek led nowhere or too far, or sound is late
        blocks = list(_blocks(path, rate_hz, None, end))
    if not blocks:
        raise UnreadableMediaError(f"{path}: none of its sound could be decoded.")
    n_samples = None if duration_s is None else round(duration_s * rate_hz)
    return _laid_out(blocks, rate_hz, start, n_samples)


def sound_stream(container: InputContainer) -> AudioStream | None:
    """Find the first sound track that can be decoded."""
    return next((s for s in container.streams.audio if s.codec_context is not None), None)


def decoded_sound(container: InputContainer, stream: AudioStream) -> Iterator[av.AudioFrame]:
    """Decode what can be decoded; damage leaves a hole."""
    packets = demuxed(container, stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError):  # nothing can be read beyond this point
            return
        if packet is None:
            return
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue


def _blocks(
    path: Path, rate_hz: int, seek_to: Fraction | None, end: Fraction | None
) -> Iterator[Block]:
    """Resampled pieces with their container times, from near `seek_to` or the start to `end`."""
    with open_container(path) as container:
        stream = sound_stream(container)
        assert stream is not None
        assert stream.time_base is not None
        if seek_to is not None:
            try:
                container.seek(int(seek_to / stream.time_base), stream=stream)
            except (av.error.FFmpegError, OSError):  # not every format can
                return
        resampler: av.AudioResampler | None = None
        kind = None
        later: Fraction | None = None
        for frame in decoded_sound(container, stream):
            if end is not None and frame.pts is not None and frame.pts * stream.time_base > end + 1:
                later = frame.pts * stream.time_base
                break
            frame_kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            if resampler is None or kind != frame_kind:
                yield from _resampled(resampler, None)
                resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
                kind = frame_kind
            yield from _resampled(resampler, frame)
        yield from _resampled(resampler, None)
        if later is not None:  # what was asked for may be silent, but the file is not without sound
            yield later, np.zeros(0, np.float32)


def _resampled(resampler: av.AudioResampler | None, frame: av.AudioFrame | None) -> Iterator[Block]:
    """What comes out of the resampler for a frame, or with None at the end."""
    try:
        pieces = resampler.resample(frame) if resampler else []
    except av.error.FFmpegError:  # a damaged frame claims to be what no sound can be
        return
    for piece in pieces:
        if piece is not None and piece.pts is not None and piece.time_base is not None:
            samples = cast(Samples, piece.to_ndarray().reshape(-1))
            yield piece.pts * piece.time_base, samples


def _laid_out(blocks: list[Block], rate_hz: int, start: Fraction, n_samples: int | None) -> Samples:
    """Join blocks into one array that begins at `start`, with silence where none belongs."""
    places: list[tuple[int, Samples]] = []
    at = round((blocks[0][0] - start) * rate_hz)
    for t, samples in blocks:
        hole = round((t - start) * rate_hz) - at
        if hole > _HOLE_S * rate_hz:
            at += hole
        places.append((at, samples))
        at += len(samples)
    sound = np.zeros(max(at, 0) if n_samples is None else n_samples, np.float32)
    for first, samples in places:
        inside = samples[max(0, -first) : max(0, len(sound) - first)]
        sound[max(0, first) : max(0, first) + len(inside)] = inside
    return sound
