"""Forged sound: a voice made anew, another's voice, a changed voice, a voice at the wrong time.

vocoder      the sound is reduced to loudness in mel bands and made into sound again without its
             phases (Griffin-Lim): the metallic traces of a vocoder
splice       parts are replaced by another speaker's, made equally loud, with short fades
pitch_shift  pitch and, apart from it, formants are moved: another throat (phase vocoder, cepstrum)
desync       the sound is moved against the picture; what leaves at one end comes in at the other

Length and loudness stay, so that neither tells. Everything is drawn by (seed, method) and recorded.
Sound is mono, as it leaves in real and fake alike. Differs from neural vocoders: 24 rounds of
Griffin-Lim sound rougher than a trained network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.clips.mel import mel_filters
from unmask.errors import UnmaskError
from unmask.forge.methods import SoundMethod
from unmask.forge.spectra import (
    Sound,
    envelopes,
    hop_of,
    piecewise,
    resampled_to,
    sound_of,
    sound_of_magnitude,
    spectra_of,
    stretched,
)

Span = tuple[float, float]

LEAST_S = 1.0  # shorter sound is not forged
SILENCE = 1e-4  # rms below which there is nothing to forge
_OVERLAP = 4
_MOST_GAIN = 4.0  # of a formant's shift, and of making a donor as loud


@dataclass(frozen=True, kw_only=True)
class VoiceConfig:
    """What may be drawn; all of it ours. A pair is (least, most)."""

    mel_bins: tuple[int, ...] = (40, 64, 80)  # bands of the vocoder
    rounds: int = 24  # of Griffin-Lim
    spliced: tuple[float, float] = (0.3, 0.7)  # share of the clip
    splices: tuple[int, ...] = (1, 2, 3)
    fade_s: float = 0.015  # of a splice
    semitones: tuple[float, float] = (2.0, 5.0)  # up or down
    formants: tuple[float, float] = (1.05, 1.2)  # ratio, or its inverse, the same way as pitch
    tract_s: float = 0.0015  # quefrencies below it are the vocal tract's
    late_s: tuple[float, float] = (0.25, 0.8)  # of desync, early or late


@dataclass(frozen=True, kw_only=True, eq=False)
class Voice:
    """Forged sound, as long as the original, and what was done."""

    samples: Sound
    spans_s: list[Span]
    params: dict[str, Any]


def forge_voice(
    sound: Sound,
    rate_hz: int,
    method: SoundMethod,
    rng: np.random.Generator,
    *,
    donor: Sound | None = None,
    config: VoiceConfig | None = None,
) -> Voice:
    """Forge mono sound; `donor`, at the same rate, is another speaker's, for `splice`.

    Raises:
        UnmaskError: there is too little sound, or too quiet.
    """
    config = config or VoiceConfig()
    for heard, whose in ((sound, "the clip"), (donor, "the donor")):
        if heard is not None and (len(heard) < LEAST_S * rate_hz or _rms(heard) < SILENCE):
            raise UnmaskError(f"{whose} has less than {LEAST_S:g} s of audible sound to forge with")
    if method == "splice":
        if donor is None:
            raise UnmaskError("splice needs a second clip whose speaker can be heard")
        return _splice(sound, rate_hz, donor, rng, config)
    if method == "desync":
        return _desync(sound, rate_hz, rng, config)
    change = {"vocoder": _vocoder, "pitch_shift": _pitch_shift}[method]
    changed, params = change(sound, rate_hz, rng, config)
    return Voice(
        samples=as_loud_as(sound, changed),
        spans_s=[(0.0, len(sound) / rate_hz)],
        params=params,
    )


def as_loud_as(sound: Sound, other: NDArray[np.floating]) -> Sound:
    """`other` at the loudness of `sound`, within full scale."""
    gain = _rms(sound) / max(_rms(other), 1e-9)
    return np.asarray(np.clip(gain * other, -1, 1), np.float32)


def _vocoder(
    sound: Sound, rate_hz: int, rng: np.random.Generator, config: VoiceConfig
) -> tuple[NDArray[np.floating], dict[str, Any]]:
    hop = hop_of(rate_hz)
    bins = int(rng.choice(config.mel_bins))
    filters = mel_filters(bins, _OVERLAP * hop, rate_hz)
    back = np.linalg.pinv(filters)

    def work(chunk: Sound) -> NDArray[np.floating]:
        heard = np.abs(spectra_of(chunk, hop)) @ filters.T
        magnitude = np.maximum(heard @ back.T, 0)
        return sound_of_magnitude(magnitude, hop, len(chunk), rng, config.rounds)

    return piecewise(sound, rate_hz, work), {"mel_bins": bins, "rounds": config.rounds}


def _pitch_shift(
    sound: Sound, rate_hz: int, rng: np.random.Generator, config: VoiceConfig
) -> tuple[NDArray[np.floating], dict[str, Any]]:
    up = rng.random() < 0.5
    semitones = rng.uniform(*config.semitones) * (1 if up else -1)
    formants = rng.uniform(*config.formants) ** (1 if up else -1)
    pitch = 2 ** (semitones / 12)
    hop = hop_of(rate_hz)
    keep = max(2, round(config.tract_s * rate_hz))

    def work(chunk: Sound) -> NDArray[np.floating]:
        longer = stretched(spectra_of(chunk, hop), pitch, hop)
        slow = sound_of(longer, hop, round(len(chunk) * pitch))
        spectra = spectra_of(resampled_to(slow, len(chunk)), hop)
        # Pitch took the formants along; they are to go their own way.
        return sound_of(_tract_moved(spectra, formants / pitch, keep), hop, len(chunk))

    return piecewise(sound, rate_hz, work), {"semitones": semitones, "formants": formants}


def _tract_moved(spectra: NDArray[np.complex128], ratio: float, keep: int) -> Any:
    tract = envelopes(np.abs(spectra), keep)
    bins = np.arange(tract.shape[1])
    wanted = np.stack([np.interp(bins / ratio, bins, row) for row in tract])
    return spectra * np.clip(wanted / np.maximum(tract, 1e-9), 1 / _MOST_GAIN, _MOST_GAIN)


def _splice(
    sound: Sound, rate_hz: int, donor: Sound, rng: np.random.Generator, config: VoiceConfig
) -> Voice:
    n_splices = int(rng.choice(config.splices))
    share = rng.uniform(*config.spliced)
    length = int(len(sound) * share / n_splices)
    # One splice somewhere in each of so many equal parts of the clip.
    room = len(sound) // n_splices - length
    starts = [k * (len(sound) // n_splices) + int(rng.integers(room + 1)) for k in range(n_splices)]
    made = sound.astype(np.float64)
    for start in starts:
        piece = _donated(donor, length, rng)
        gain = min(_rms(sound) / max(_rms(piece), 1e-9), _MOST_GAIN)
        weight = _faded(length, round(config.fade_s * rate_hz))
        part = slice(start, start + length)
        made[part] = (1 - weight) * made[part] + weight * gain * piece
    spans = [(start / rate_hz, (start + length) / rate_hz) for start in starts]
    return Voice(
        samples=np.clip(made, -1, 1).astype(np.float32),
        spans_s=spans,
        params={"share": share, "splices": n_splices},
    )


def _donated(donor: Sound, length: int, rng: np.random.Generator) -> Sound:
    """A piece of the donor's sound where there is something to hear; repeated if it is short."""
    repeated = np.tile(donor, -(-length // len(donor)) + 1)
    starts = rng.integers(0, len(donor), 8)
    pieces = [repeated[start : start + length] for start in starts]
    return max(pieces, key=_rms)


def _faded(length: int, fade: int) -> NDArray[np.float64]:
    """1 with a rise at the start and a fall at the end."""
    edge = np.minimum(np.arange(length) + 1, np.arange(length)[::-1] + 1)
    return np.clip(edge / max(1, fade), 0, 1)


def _desync(sound: Sound, rate_hz: int, rng: np.random.Generator, config: VoiceConfig) -> Voice:
    most_s = len(sound) / rate_hz / 3  # in a short clip the sound is moved less
    late_s = min(rng.uniform(*config.late_s), most_s) * (1 if rng.random() < 0.5 else -1)
    shift = round(late_s * rate_hz)
    moved = np.roll(sound, shift)
    joint, fade = shift % len(sound), round(config.fade_s * rate_hz)
    around = np.abs(
        (np.arange(len(sound)) - joint + len(sound) // 2) % len(sound) - len(sound) // 2
    )
    return Voice(
        samples=(moved * np.clip(around / fade, 0, 1)).astype(np.float32),
        spans_s=[(0.0, len(sound) / rate_hz)],
        params={"late_s": late_s},
    )


def _rms(sound: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0
