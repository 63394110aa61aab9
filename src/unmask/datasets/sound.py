"""The sound of prepared videos: FLAC in memory, mono, at the file's own rate, 16 bits.

What decodes to more than 16 bits or beyond full scale is rounded and clipped; beside that nothing
is lost. Systems ask for other rates; those are made on reading, by the resampler that a scan uses.
"""

from __future__ import annotations

import io
import math
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]  # (S,), full scale = 1

_BLOCK = 4096  # samples encoded at once
_AROUND_S = 0.5  # heard before and after a piece: a resampler looks around, as a scan's does


def encode_flac(samples: Samples, rate_hz: int) -> bytes:
    """Encode mono sound, full scale = 1. The same sound gives the same bytes."""
    pcm = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    buffer = io.BytesIO()
    exact = {"flags": "+bitexact"}
    with av.open(buffer, "w", format="flac", container_options={"fflags": "+bitexact"}) as out:
        stream = out.add_stream("flac", rate=rate_hz, layout="mono", options=exact)
        for first in range(0, len(pcm), _BLOCK):
            out.mux(stream.encode(_frame(pcm[None, first : first + _BLOCK], "s16", rate_hz, first)))
        out.mux(stream.encode(None))
    return buffer.getvalue()


def decode_flac(data: bytes) -> Samples:
    """Decode all of a sound at its own rate."""
    with av.open(io.BytesIO(data), "r") as container:
        blocks = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    pcm = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
    return pcm.astype(np.float32) / np.float32(32768)


def piece(sound: Samples, rate_hz: int, wanted_hz: int, start_s: float, n_samples: int) -> Samples:
    """Give `n_samples` at `wanted_hz` from `start_s` on; silence where the sound has ended.

    They are those of the whole sound resampled: the piece begins where samples of both rates meet.
    """
    step = rate_hz // math.gcd(rate_hz, wanted_hz)
    first = max(0, int((start_s - _AROUND_S) * rate_hz) // step * step)
    heard = sound[first : int((start_s + n_samples / wanted_hz + _AROUND_S) * rate_hz)]
    place = first * wanted_hz // rate_hz - round(start_s * wanted_hz)
    out = np.zeros(n_samples, np.float32)
    if len(heard):
        resampler = av.AudioResampler(format="flt", layout="mono", rate=wanted_hz)
        frames = [*resampler.resample(_frame(heard[None], "flt", rate_hz, first))]
        frames += resampler.resample(None)
        made = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
        inside = made[max(0, -place) : max(0, n_samples - place)]
        out[max(0, place) : max(0, place) + len(inside)] = inside
    return out


def _frame(samples: NDArray[np.generic], kind: str, rate_hz: int, pts: int) -> av.AudioFrame:
    """Samples (1, S) as FFmpeg has them."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), kind, "mono")  # type: ignore[arg-type]
    frame.sample_rate, frame.pts, frame.time_base = rate_hz, pts, Fraction(1, rate_hz)
    return frame
