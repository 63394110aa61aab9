"""Voices that do not exist: vowels of a source and resonances, and a vocoder's imitation of them.

A human one has a pitch that wanders, soft pulses that are never quite alike, a little breath, and
vowels that glide. The imitation is what a vocoder of the simplest kind says: it was told pitch,
resonances and loudness, and has clicks for a source. So it is as loud at every moment and says the
same vowels, but each click is like the last and sharper than a throat's pulses: a buzz.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE_HZ = 16_000
_VOWELS = ((730.0, 1090.0), (270.0, 2290.0), (300.0, 870.0), (530.0, 1840.0), (570.0, 840.0))
_BANDWIDTH_HZ = 90.0
_RMS = 0.05  # where one vowel jumps to the next there are peaks of fifteen times that
_SYLLABLE_S = (0.12, 0.25)
_OPEN = 0.6  # share of a turn in which the throat lets air through
_BREATH = 0.02  # beside pulses of height 1


@dataclass(frozen=True, kw_only=True)
class Speech:
    """What is said: pitch, the resonances at every sample, and how loud."""

    pitch_hz: float
    formants_hz: NDArray[np.float64]  # (S, 2)
    loudness: NDArray[np.float64]  # (S,), 0 .. 1


def draw_speech(rng: np.random.Generator, seconds: float) -> Speech:
    """Make up a few syllables."""
    n = round(seconds * RATE_HZ)
    formants, loudness = np.empty((n, 2)), np.empty(n)
    start = 0
    while start < n:
        length = round(rng.uniform(*_SYLLABLE_S) * RATE_HZ)
        end = min(start + length, n)
        a, b = (np.array(_VOWELS[int(i)]) for i in rng.integers(0, len(_VOWELS), 2))
        glide = np.linspace(0, 1, length)[: end - start, None]
        formants[start:end] = a + (b - a) * glide
        loudness[start:end] = 0.35 + 0.65 * np.sin(np.pi * np.linspace(0, 1, length))[: end - start]
        start = end
    return Speech(pitch_hz=rng.uniform(95, 240), formants_hz=formants, loudness=loudness)


def human_voice(speech: Speech, rng: np.random.Generator) -> Samples:
    """Say it as people do."""
    n = len(speech.loudness)
    wander = np.interp(np.arange(n), np.linspace(0, n, 24), rng.normal(0, 0.03, 24))
    phase = np.cumsum(speech.pitch_hz * (1 + wander)) / RATE_HZ
    turns = np.floor(phase).astype(np.int64)
    strength = rng.normal(1, 0.15, turns[-1] + 1)[turns]
    openness = np.minimum((phase - turns) / _OPEN, 1)
    pulse = strength * np.sin(np.pi * openness) ** 2
    return _spoken(pulse + rng.normal(0, _BREATH, n), speech)


def vocoder_voice(speech: Speech) -> Samples:
    """Say it as a vocoder does."""
    phase = np.cumsum(np.full(len(speech.loudness), speech.pitch_hz)) / RATE_HZ
    click = np.diff(np.floor(phase), prepend=0.0)
    return _spoken(click, speech)


def loudness_of_frames(speech: Speech, n_frames: int) -> list[float]:
    """How loud it is while each frame is shown."""
    return [float(part.mean()) for part in np.array_split(speech.loudness, n_frames)]


def _spoken(source: NDArray[np.float64], speech: Speech) -> Samples:
    """Send a source through the mouth: two resonances one after the other, then loudness."""
    sound = source - source.mean()
    for formant_hz in speech.formants_hz.T:
        sound = _resonated(sound, formant_hz)
    sound = sound / np.sqrt((sound**2).mean() + 1e-12)
    voiced = sound * speech.loudness
    return np.asarray(voiced * (_RMS / np.sqrt((voiced**2).mean() + 1e-12)), np.float32)


def _resonated(sound: NDArray[np.float64], formant_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two-pole filter whose resonance moves: y_n = x_n + 2 r cos(w_n) y_(n-1) - r^2 y_(n-2)."""
    r = np.exp(-np.pi * _BANDWIDTH_HZ / RATE_HZ)
    swing = 2 * r * np.cos(2 * np.pi * formant_hz / RATE_HZ)
    out = np.empty(len(sound))
    last = before = 0.0
    for n, (x, a) in enumerate(zip(sound.tolist(), swing.tolist(), strict=True)):
        last, before = x + a * last - r * r * before, last
        out[n] = last
    return out
