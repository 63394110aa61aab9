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
from unmask.video.container import open_container, read_head
from unmask.video.images import image_format
from unmask.video.probe import first_frame_time

Samples = NDArray[np.float32]

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
        stream = next((s for s in container.streams.audio if s.codec_context is not None), None)
        if stream is None:
            return None
        start = Fraction(start_s) + first_frame_time(path)
        end = None if duration_s is None else start + Fraction(duration_s)
        blocks = list(_blocks(container, stream, rate_hz, start, end))
        if not blocks or blocks[0][0] > start:  # the seek led nowhere or too far, or sound is late
            blocks = list(_blocks(container, stream, rate_hz, Fraction(0), end))
    if not blocks:
        raise UnreadableMediaError(f"{path}: none of its sound could be decoded.")
    n_samples = None if duration_s is None else round(duration_s * rate_hz)
    return _laid_out(blocks, rate_hz, start, n_samples)


def _blocks(
    container: InputContainer,
    stream: AudioStream,
    rate_hz: int,
    start: Fraction,
    end: Fraction | None,
) -> Iterator[tuple[Fraction, Samples]]:
    """Resampled pieces with their container times, from a little before `start` to `end`."""
    time_base = stream.time_base or Fraction(1, stream.rate)
    container.seek(max(int((start - Fraction(_PREROLL_S)) / time_base), 0), stream=stream)
    resampler, kind = None, None
    for frame in _frames(container, stream):
        if end is not None and frame.pts is not None and frame.pts * time_base > end + 1:
            break
        if resampler is None or kind != (frame.format.name, frame.layout.name, frame.sample_rate):
            yield from _timed(resampler.resample(None) if resampler else [])
            kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
        yield from _timed(resampler.resample(frame))
    yield from _timed(resampler.resample(None) if resampler else [])


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[av.AudioFrame]:
    """Whatever can be decoded; damage leaves a hole."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue
        except (av.error.FFmpegError, OSError):  # nothing can be read beyond this point
            return


def _timed(frames: list[av.AudioFrame]) -> Iterator[tuple[Fraction, Samples]]:
    for frame in frames:
        if frame is not None and frame.pts is not None and frame.time_base is not None:
            yield frame.pts * frame.time_base, cast(Samples, frame.to_ndarray().reshape(-1))


def _laid_out(
    blocks: list[tuple[Fraction, Samples]], rate_hz: int, start: Fraction, n_samples: int | None
) -> Samples:
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
