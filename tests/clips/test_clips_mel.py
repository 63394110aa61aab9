"""Sound as a system hears it, beside scipy's transform and filters drawn by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import stft

from unmask.clips.mel import FLOOR, mel_filters, power_spectra, sound_view
from unmask.types import AudioSpec

RATE_HZ = 5000
RAW = AudioSpec(rate_hz=RATE_HZ, n_samples=500)
SPECTRUM = AudioSpec(rate_hz=RATE_HZ, n_samples=4980, window=166, hop=166)
MEL = AudioSpec(rate_hz=RATE_HZ, n_samples=500, window=128, hop=32, mel_bins=16)


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, n).astype(np.float32)


def sine(n: int, hz: float, amplitude: float = 1.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(n) / RATE_HZ)).astype(np.float32)


def scipy_power(samples: np.ndarray, window: int, hop: int) -> np.ndarray:
    *_, spectra = stft(
        samples.astype(np.float64),
        window="hann",
        nperseg=window,
        noverlap=window - hop,
        boundary=None,
        padded=False,
        scaling="spectrum",
    )
    return np.abs(spectra.T) ** 2


def triangles(bins: int, window: int) -> np.ndarray:
    """Mel filters drawn frequency by frequency."""

    def hz(mel: float) -> float:
        return 700 * (10 ** (mel / 2595) - 1)

    top = 2595 * math.log10(1 + RATE_HZ / 2 / 700)
    drawn = np.zeros((bins, window // 2 + 1))
    for i in range(bins):
        left, middle, right = (hz(top * (i + k) / (bins + 1)) for k in range(3))
        for j in range(window // 2 + 1):
            f = j * RATE_HZ / window
            if left < f <= middle:
                drawn[i, j] = (f - left) / (middle - left)
            elif middle < f < right:
                drawn[i, j] = (right - f) / (right - middle)
    return drawn


@pytest.mark.parametrize("spec", [RAW, SPECTRUM, MEL], ids=["raw", "spectrum", "mel"])
@pytest.mark.parametrize("n", [0, 300, 10_000])
def test_a_clip_sounds_as_long_as_its_spec_says(spec: AudioSpec, n: int) -> None:
    view = sound_view(noise(n), spec)
    assert view.shape == spec.shape
    assert view.dtype == np.float32
    assert np.isfinite(view).all()


def test_raw_samples_are_the_first_ones_then_silence() -> None:
    samples = noise(300)
    view = sound_view(samples, RAW)
    np.testing.assert_array_equal(view[0, :300], samples)
    assert not view[0, 300:].any()
    np.testing.assert_array_equal(sound_view(noise(900), RAW)[0], noise(900)[:500])


def test_gain_turns_full_scale_into_the_authors_sixteen_bits_over_2_to_the_14() -> None:
    sixteen_bits = np.array([-32768, 16384, 1], np.int16)
    spec = AudioSpec(rate_hz=RATE_HZ, n_samples=3, gain=2.0)
    view = sound_view((sixteen_bits / np.float32(2**15)).astype(np.float32), spec)
    np.testing.assert_array_equal(view[0], sixteen_bits / 2**14)


@pytest.mark.parametrize(("window", "hop"), [(128, 32), (166, 166), (99, 40)])
def test_spectra_are_those_of_scipy(window: int, hop: int) -> None:
    samples = noise(700)
    ours = power_spectra(samples, window, hop)
    np.testing.assert_allclose(ours, scipy_power(samples, window, hop), rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize(("bins", "window"), [(16, 128), (5, 99), (40, 512)])
def test_mel_filters_are_triangles_drawn_by_hand(bins: int, window: int) -> None:
    np.testing.assert_allclose(
        mel_filters(bins, window, RATE_HZ), triangles(bins, window), atol=1e-9
    )


def test_log_mel_is_the_log_of_filtered_power() -> None:
    samples = noise(500)
    power = scipy_power(samples, 128, 32) @ triangles(16, 128).T
    slow = np.log10(np.maximum(power, FLOOR)).T
    np.testing.assert_allclose(sound_view(samples, MEL), slow, rtol=1e-5)


@pytest.mark.parametrize("amplitude", [1.0, 0.1])
def test_a_sine_has_a_quarter_of_its_squared_amplitude_in_its_bin(amplitude: float) -> None:
    spec = AudioSpec(rate_hz=RATE_HZ, n_samples=500, window=100, hop=50)
    view = sound_view(sine(500, 20 * RATE_HZ / 100, amplitude), spec)
    assert (view.argmax(0) == 20).all()
    np.testing.assert_allclose(10 ** view[20], amplitude**2 / 4, rtol=1e-4)


def test_a_higher_tone_lies_in_a_higher_mel_bin() -> None:
    places = [int(sound_view(sine(500, hz), MEL).mean(1).argmax()) for hz in (100, 400, 1000, 2200)]
    assert places == sorted(set(places))


def test_silence_is_the_floor() -> None:
    assert (sound_view(np.zeros(500, np.float32), MEL) == np.float32(math.log10(FLOOR))).all()


def test_one_spectrum_stands_beside_each_of_thirty_frames() -> None:
    assert SPECTRUM.shape == (84, 30)


def test_too_many_mel_bins_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="too many for windows of 64 samples"):
        mel_filters(64, 64, RATE_HZ)


@pytest.mark.parametrize("wrong", [{"window": 10}, {"hop": 10}, {"mel_bins": 4}])
def test_a_spec_that_contradicts_itself_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="spectra need"):
        AudioSpec(rate_hz=RATE_HZ, n_samples=500, **wrong)
