"""Laws of forged sound, on tones and noise of known pitch and time."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.errors import UnmaskError
from unmask.forge.spectra import (
    hop_of,
    piecewise,
    resampled_to,
    sound_of,
    sound_of_magnitude,
    spectra_of,
    stretched,
)
from unmask.forge.voice import VoiceConfig, forge_voice

RATE = 16_000
METHODS = ("vocoder", "splice", "pitch_shift", "desync")
FEW_ROUNDS = VoiceConfig(rounds=4)


def vowel(pitch_hz: float, seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    """Harmonics under two formants, with syllables."""
    t = np.arange(round(seconds * RATE)) / RATE
    sound = np.zeros_like(t)
    for k in range(1, 30):
        f = k * pitch_hz
        weight = np.exp(-(((f - 700) / 300) ** 2)) + 0.5 * np.exp(-(((f - 1800) / 400) ** 2))
        sound += weight * np.sin(2 * np.pi * f * t + k)
    syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * t + seed)
    return (0.1 * sound * syllables).astype(np.float32)


def rms(sound: np.ndarray) -> float:
    return float(np.sqrt((sound.astype(np.float64) ** 2).mean()))


def pitch_of(sound: np.ndarray) -> float:
    """Independent truth: the lag at which the sound is most like itself."""
    middle = sound[RATE // 2 : RATE // 2 + 4096].astype(np.float64)
    like = np.correlate(middle, middle, "full")[len(middle) - 1 :]
    lags = np.arange(RATE // 400, RATE // 60)
    return RATE / lags[like[lags].argmax()]


def forge(method: str, seed: int = 0, sound: np.ndarray | None = None):
    given = vowel(120) if sound is None else sound
    return forge_voice(
        given,
        RATE,
        method,
        np.random.default_rng(seed),
        donor=vowel(210, seed=2),
        config=FEW_ROUNDS,
    )


@pytest.mark.parametrize("method", METHODS)
def test_length_and_loudness_stay_and_the_sound_does_not(method):
    before = vowel(120)
    voice = forge(method)
    assert len(voice.samples) == len(before)
    assert voice.samples.dtype == np.float32
    assert np.abs(voice.samples).max() <= 1
    assert rms(voice.samples) == pytest.approx(rms(before), rel=0.15)
    assert np.abs(voice.samples - before).mean() > 0.1 * rms(before)
    assert voice.spans_s
    assert all(0 <= a < b <= len(before) / RATE for a, b in voice.spans_s)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_makes_the_same_voice_and_another_seed_another(method):
    first, again, other = (forge(method, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.samples, again.samples)
    assert first.params == again.params
    assert not np.array_equal(first.samples, other.samples)


@pytest.mark.parametrize("seed", range(4))
def test_pitch_moves_by_the_semitones_drawn(seed):
    voice = forge("pitch_shift", seed)
    wanted = 120 * 2 ** (voice.params["semitones"] / 12)
    assert 2 <= abs(voice.params["semitones"]) <= 5
    assert pitch_of(voice.samples) == pytest.approx(wanted, rel=0.03)


def test_a_splice_is_the_other_speaker_there_and_untouched_elsewhere():
    before = vowel(120)
    voice = forge("splice", 3)
    inside = np.zeros(len(before), bool)
    for first_s, last_s in voice.spans_s:
        inside[round(first_s * RATE) : round(last_s * RATE)] = True
    np.testing.assert_array_equal(voice.samples[~inside], before[~inside])
    assert inside.mean() == pytest.approx(voice.params["share"], abs=0.01)
    first = round(voice.spans_s[0][0] * RATE) + 500
    spliced = voice.samples[first : first + 4096]
    power = np.abs(np.fft.rfft(spliced * np.hanning(4096)))
    peak_hz = power.argmax() * RATE / 4096
    assert min(peak_hz % 210, 210 - peak_hz % 210) < 8  # a harmonic of the donor's


def test_desync_moves_a_click_by_the_time_drawn():
    before = 0.01 * np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32)
    before[RATE : RATE + 20] = 0.9
    voice = forge("desync", 0, before)
    late_s = voice.params["late_s"]
    assert 0.25 <= abs(late_s) <= 0.8
    assert np.abs(voice.samples).argmax() / RATE == pytest.approx(1 + late_s, abs=0.005)


def test_a_vocoder_keeps_what_is_said_and_loses_the_phases():
    before = vowel(150)
    voice = forge("vocoder", 0, before)
    hop = hop_of(RATE)
    there, here = (np.abs(spectra_of(sound, hop)) for sound in (before, voice.samples))
    assert np.corrcoef(np.log(there + 1e-3).ravel(), np.log(here + 1e-3).ravel())[0, 1] > 0.8
    assert abs(np.corrcoef(before, voice.samples)[0, 1]) < 0.9


@pytest.mark.parametrize("sound", [np.zeros(2 * RATE, np.float32), vowel(120, 0.5)])
def test_silence_and_scraps_are_refused(sound):
    with pytest.raises(UnmaskError, match="audible sound"):
        forge("vocoder", 0, sound)


def test_a_splice_without_a_donor_is_refused():
    with pytest.raises(UnmaskError, match="second clip"):
        forge_voice(vowel(120), RATE, "splice", np.random.default_rng(0))


@pytest.mark.parametrize("n_samples", [1, 159, 160, 16_001])
def test_spectra_of_a_sound_give_it_back(n_samples):
    sound = np.random.default_rng(1).standard_normal(n_samples)
    np.testing.assert_allclose(sound_of(spectra_of(sound, 160), 160, n_samples), sound, atol=1e-9)


def test_griffin_lim_comes_closer_with_every_few_rounds():
    magnitude = np.abs(spectra_of(vowel(120, 0.6), 160))
    errors = []
    for rounds in (0, 4, 16):
        found = sound_of_magnitude(magnitude, 160, 9600, np.random.default_rng(0), rounds)
        errors.append(np.abs(np.abs(spectra_of(found, 160)) - magnitude).mean())
    assert errors[2] < errors[1] < errors[0]


def test_stretching_keeps_the_pitch():
    long = sound_of(stretched(spectra_of(vowel(120), 160), 1.5, 160), 160, 3 * RATE)
    assert pitch_of(long) == pytest.approx(120, rel=0.02)
    assert pitch_of(resampled_to(long, 2 * RATE)) == pytest.approx(180, rel=0.02)


def test_work_in_pieces_is_work_on_the_whole():
    sound = np.random.default_rng(0).standard_normal(20 * RATE).astype(np.float32)
    np.testing.assert_allclose(
        piecewise(sound, RATE, lambda chunk: 2 * chunk), 2 * sound, rtol=1e-6
    )
