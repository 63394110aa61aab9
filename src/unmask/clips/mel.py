"""Samples -> what a system hears: raw samples, log power spectra, or log-mel of them.

Numpy only, written once for training and scanning. A spectrum is that of one window, weighted by a
periodic Hann window and scaled so that a sine of amplitude a has power a^2 / 4 in its bin, however
long the window. There is no padding: every window lies inside the clip's own sound.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from unmask.types import AudioSpec

Sound = NDArray[np.float32]

FLOOR = 1e-6  # of power, -60 dB: what is quieter is silence


def sound_view(samples: Sound, spec: AudioSpec) -> Sound:
    """Make the sound of one clip: samples (n,) at `spec.rate_hz` -> (F, S), `spec.shape`.

    The first sample is heard with the clip's first frame; what is missing at the end is silence,
    as in a file whose sound ends before its picture.
    """
    heard = np.zeros(spec.n_samples, np.float32)
    kept = samples[: spec.n_samples]
    heard[: len(kept)] = kept * np.float32(spec.gain)
    if not spec.window:
        return heard[None]
    power = power_spectra(heard, spec.window, spec.hop)  # (S, n_frequencies)
    if spec.mel_bins:
        power = power @ mel_filters(spec.mel_bins, spec.window, spec.rate_hz).T
    return np.log10(np.maximum(power, FLOOR)).T.astype(np.float32)


def power_spectra(samples: Sound, window: int, hop: int) -> NDArray[np.float64]:
    """Power of every frequency from 0 to half the rate, window by window: (S, window // 2 + 1)."""
    weight = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    pieces = sliding_window_view(samples.astype(np.float64), window)[::hop]
    spectra = np.fft.rfft(pieces * weight, axis=-1) / weight.sum()
    return np.asarray(np.abs(spectra) ** 2, np.float64)


@lru_cache(maxsize=8)
def mel_filters(bins: int, window: int, rate_hz: int) -> NDArray[np.float64]:
    """Triangles of height 1 over the frequencies of a spectrum: (bins, window // 2 + 1).

    Their corners are evenly spaced from 0 to half the rate on the mel scale 2595 log10(1 + f/700).

    Raises:
        ValueError: where a triangle falls between two frequencies of so short a window.
    """
    frequency_hz = np.fft.rfftfreq(window, 1 / rate_hz)
    top_mel = 2595 * np.log10(1 + rate_hz / 2 / 700)
    corner_hz = 700 * (10 ** (np.linspace(0, top_mel, bins + 2) / 2595) - 1)
    left, middle, right = (corner_hz[i : bins + i, None] for i in range(3))
    rising = (frequency_hz - left) / (middle - left)
    falling = (right - frequency_hz) / (right - middle)
    filters = np.maximum(0.0, np.minimum(rising, falling))
    if not filters.any(1).all():
        raise ValueError(
            f"{bins} mel bins are too many for windows of {window} samples at {rate_hz} Hz: some "
            "would hear nothing; take fewer, or a longer window"
        )
    filters.flags.writeable = False  # it is shared by all callers
    return filters
