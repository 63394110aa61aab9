"""Sound as spectra and back: what the forging of voices is built from. Numpy alone.

Windows of 40 ms every 10 ms, weighted by a periodic Hann window on the way there and back. Spectra
that belong to a sound give it back exactly; others give the sound whose spectra are nearest
(Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Sound = NDArray[np.float32]  # (S,), full scale = 1
Spectra = NDArray[np.complex128]  # (T, window // 2 + 1)

_HOP_S = 0.01
_OVERLAP = 4  # hops to a window
_MOMENTUM = 0.99  # of the fast Griffin-Lim (Perraudin et al., 2013)
_CHUNK_S, _JOINT_S = 8.0, 0.5  # long sound is worked on piece by piece


def hop_of(rate_hz: int) -> int:
    """Samples from one window to the next."""
    return max(1, round(rate_hz * _HOP_S))


def spectra_of(sound: NDArray[np.floating], hop: int) -> Spectra:
    """Windows centred on every hop, from the first sample to the last or beyond."""
    window = _OVERLAP * hop
    padded = np.pad(sound.astype(np.float64), (window // 2, window))
    pieces = sliding_window_view(padded, window)[::hop][: -(-len(sound) // hop) + 1]
    return np.fft.rfft(pieces * _hann(window), axis=1)


def sound_of(spectra: Spectra, hop: int, n_samples: int) -> NDArray[np.float64]:
    """Overlap and add, back to `n_samples`."""
    window = _OVERLAP * hop
    weight = _hann(window)
    pieces = np.fft.irfft(spectra, n=window, axis=1) * weight
    n = len(pieces)
    total, share = np.zeros((n + _OVERLAP, hop)), np.zeros((n + _OVERLAP, hop))
    for k in range(_OVERLAP):
        part = slice(k * hop, (k + 1) * hop)
        total[k : k + n] += pieces[:, part]
        share[k : k + n] += weight[part] ** 2
    joined = (total / np.maximum(share, 1e-3)).ravel()[window // 2 :]
    return np.pad(joined[:n_samples], (0, max(0, n_samples - len(joined))))


def sound_of_magnitude(
    magnitude: NDArray[np.floating], hop: int, n_samples: int, rng: np.random.Generator, rounds: int
) -> NDArray[np.float64]:
    """A sound with about these magnitudes; its phases are found, not known."""
    phases = np.exp(2j * np.pi * rng.random(magnitude.shape))
    before = np.zeros_like(phases)
    for _ in range(rounds):
        now = spectra_of(sound_of(magnitude * phases, hop, n_samples), hop)
        ahead = now + _MOMENTUM * (now - before)
        before = now
        phases = ahead / np.maximum(np.abs(ahead), 1e-12)
    return sound_of(magnitude * phases, hop, n_samples)


def stretched(spectra: Spectra, factor: float, hop: int) -> Spectra:
    """The same sound, `factor` times as long at the same pitch (phase vocoder).

    Phases go on from window to window as fast as they did between the windows around.
    """
    times = np.arange(0, len(spectra) - 1, 1 / factor)
    first, share = times.astype(int), (times % 1)[:, None]
    magnitude = np.abs(spectra)
    between = (1 - share) * magnitude[first] + share * magnitude[first + 1]
    usual = 2 * np.pi * hop * np.arange(spectra.shape[1]) / (_OVERLAP * hop)
    turned = np.angle(spectra[first + 1]) - np.angle(spectra[first]) - usual
    turned = usual + turned - 2 * np.pi * np.rint(turned / (2 * np.pi))
    phase = np.angle(spectra[0]) + np.concatenate(
        [np.zeros_like(turned[:1]), np.cumsum(turned, axis=0)[:-1]]
    )
    return np.asarray(between * np.exp(1j * phase), np.complex128)


def resampled_to(sound: NDArray[np.floating], n_samples: int) -> NDArray[np.float64]:
    """Play a sound faster or slower, band-limited, until it has `n_samples`."""
    spectrum = np.fft.rfft(sound)
    kept = np.zeros(n_samples // 2 + 1, complex)
    n = min(len(kept), len(spectrum))
    kept[:n] = spectrum[:n]
    return np.asarray(np.fft.irfft(kept, n=n_samples) * (n_samples / len(sound)))


def envelopes(magnitude: NDArray[np.floating], keep: int) -> NDArray[np.float64]:
    """How each spectrum's loudness goes up and down with frequency: the vocal tract.

    The slowest `keep` waves of the logarithm along frequency (cepstrum).
    """
    cepstra = np.fft.irfft(np.log(np.maximum(magnitude, 1e-7)), axis=1)
    cepstra[:, keep : cepstra.shape[1] - keep + 1] = 0
    return np.asarray(np.exp(np.fft.rfft(cepstra, axis=1).real))


def piecewise(
    sound: Sound, rate_hz: int, work: Callable[[Sound], NDArray[np.floating]]
) -> NDArray[np.float64]:
    """Work on long sound in overlapping chunks and join them; `work` keeps the length."""
    joint = round(_JOINT_S * rate_hz)
    step = round(_CHUNK_S * rate_hz)
    total = np.zeros(len(sound))
    for first in range(0, len(sound), step):
        chunk = sound[first : first + step + joint]
        if first and len(chunk) <= joint:  # the last chunk reached to the end
            break
        worked = np.array(work(chunk), np.float64)
        fade = np.linspace(0, 1, joint)
        if first:
            worked[:joint] *= fade
        if first + step + joint < len(sound):
            worked[-joint:] *= fade[::-1]
        total[first : first + len(worked)] += worked
    return total


def _hann(window: int) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
