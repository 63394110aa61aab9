"""Makes the real and the fakes of one source, each at the place it is told, with its record.

All of them leave alike: the same encoder with the same settings, the same frames and times, and
sound decoded and encoded anew as mono AAC, forged or not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from unmask.errors import UnmaskError
from unmask.forge.facepath import FacePath
from unmask.forge.methods import METHODS, ForgeConfig, Forger, Method, PictureMethod, rng_of
from unmask.forge.record import ORIGINAL, Record
from unmask.forge.render import CRF, MASK_CRF, Performance, Take, follow, render
from unmask.forge.sightings import Detector
from unmask.forge.sources import Source
from unmask.forge.still import JPEG_QUALITY, forge_still, read_still, still_ending, write_still
from unmask.forge.twin import Cast, perform
from unmask.forge.voice import Voice, VoiceConfig, forge_voice
from unmask.video.audio import Samples, read_audio
from unmask.video.soundtrack import Recording

_MASK = ".mask"


@dataclass(frozen=True, kw_only=True)
class MakingConfig:
    """What may be drawn, and how clips are encoded."""

    picture: ForgeConfig = field(default_factory=ForgeConfig)
    voice: VoiceConfig = field(default_factory=VoiceConfig)
    crf: int = CRF


def mask_of(fake: Path, ending: str) -> Path:
    """Where the mask of a fake lies."""
    return fake.with_name(f"{fake.stem}{_MASK}{ending}")


class Faces:
    """Where the main faces of files are; each is looked for once."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._known: dict[Path, FacePath] = {}

    def of(self, path: Path) -> FacePath:
        """The path of the main face.

        Raises:
            UnmaskError: there is none.
        """
        if path not in self._known:
            self._known[path] = follow(path, self._detector)
        return self._known[path]


class Maker:
    """Makes the files of one source; see `ClipMaker` and `StillMaker`."""

    def __init__(
        self, source: Source, donor: Source | None, faces: Faces, config: MakingConfig
    ) -> None:
        self.source, self.donor = source, donor
        self._faces, self._config = faces, config

    @property
    def ending(self) -> str:
        """How the names of reals and fakes end."""
        raise NotImplementedError

    def lacks(self, method: Method) -> str | None:
        """Why a method has nothing to work on here; None if it has."""
        raise NotImplementedError

    def real(self, out: Path) -> Record:
        """Write the source as it is, through the encoder of the fakes."""
        raise NotImplementedError

    def fake(self, name: str, seed: int, out: Path) -> Record:
        """Write a fake, and beside it the mask if its picture is forged."""
        raise NotImplementedError

    def _forger(self, picture: PictureMethod, seed: int) -> tuple[FacePath, Forger, dict[str, Any]]:
        donor = self.donor if picture == "swap" else None
        cast = Cast(
            path=self._faces.of(self.source.path),
            donor=donor.path if donor else None,
            donor_path=self._faces.of(donor.path) if donor else None,
        )
        forger, params = perform(picture, seed, self.source.path, cast, self._config.picture)
        return cast.path, forger, params

    def _original(self, out: Path, *, params: dict[str, Any], lost: str | None) -> Record:
        return Record(
            path=out.name,
            label=0,
            method=ORIGINAL,
            source=str(self.source.path),
            params=params,
            lost=lost,
            picture_label=0,
            audio_label=None if self.source.rate_hz is None else 0,
        )

    def _donor_of(self, method: Method) -> str | None:
        return str(self.donor.path) if self.donor and method.needs_donor else None

    def _nothing_seen(self, *written: Path) -> UnmaskError:
        for path in written:
            path.unlink(missing_ok=True)
        return UnmaskError(
            f"{self.source.path}: its face is never turned to the camera for long enough to show "
            "a forgery; give a clip in which it is"
        )


class ClipMaker(Maker):
    """Makes the files of one clip."""

    @property
    def ending(self) -> str:
        """How the names of reals and fakes end."""
        return ".mp4"

    def lacks(self, method: Method) -> str | None:
        """Why a method has nothing to work on here; None if it has."""
        if method.sound and self.source.rate_hz is None:
            return "it has no sound"
        if method.sound == "splice" and self.donor is None:
            return "there is no second clip whose speaker could be heard"
        if method.sound == "splice" and self.donor and self.donor.rate_hz is None:
            return f"its donor {self.donor.path} has no sound"
        return None

    def real(self, out: Path) -> Record:
        """Write the clip as it is, through the encoder of the fakes."""
        take = Take(path=out, crf=self._config.crf, sound=self._recording(None))
        lost = render(self.source.path, [take], lambda frame: [frame.rgb])
        return self._original(out, params={"crf": self._config.crf}, lost=lost)

    def fake(self, name: str, seed: int, out: Path) -> Record:
        """Write a fake, and beside it the mask if its picture is forged."""
        method = METHODS[name]
        voice = self._voice(method, seed)
        take = Take(path=out, crf=self._config.crf, sound=self._recording(voice))
        params: dict[str, Any] = {"crf": self._config.crf}
        if voice:
            params["sound"] = voice.params
        mask, spans_s = None, []
        if method.picture is None:
            lost = render(self.source.path, [take], lambda frame: [frame.rgb])
        else:
            path, forger, params["picture"] = self._forger(method.picture, seed)
            act = Performance(path, forger)
            mask = mask_of(out, self.ending)
            lost = render(self.source.path, [take, Take(path=mask, crf=MASK_CRF)], act)
            spans_s = act.spans_s
            if not spans_s:
                raise self._nothing_seen(out, mask)
        return Record(
            path=out.name,
            label=1,
            method=name,
            source=str(self.source.path),
            params=params,
            seed=seed,
            mask=mask.name if mask else None,
            spans_s=spans_s,
            sound_spans_s=voice.spans_s if voice else [],
            donor=self._donor_of(method),
            picture_label=1 if mask else 0,
            audio_label=1 if voice else (None if self.source.rate_hz is None else 0),
            lost=lost,
        )

    @cached_property
    def _sound(self) -> Samples | None:
        rate_hz = self.source.rate_hz
        return None if rate_hz is None else read_audio(self.source.path, rate_hz)

    def _voice(self, method: Method, seed: int) -> Voice | None:
        rate_hz, sound = self.source.rate_hz, self._sound
        if method.sound is None or sound is None or rate_hz is None:
            return None
        donated = None
        if method.sound == "splice" and self.donor:
            donated = read_audio(self.donor.path, rate_hz)
        rng = rng_of(seed, method.sound)
        return forge_voice(
            sound, rate_hz, method.sound, rng, donor=donated, config=self._config.voice
        )

    def _recording(self, voice: Voice | None) -> Recording | None:
        samples = voice.samples if voice else self._sound
        if samples is None or self.source.rate_hz is None:
            return None
        return Recording(samples=samples, rate_hz=self.source.rate_hz)


class StillMaker(Maker):
    """Makes the files of one still."""

    @property
    def ending(self) -> str:
        """How the names of reals and fakes end."""
        return still_ending(self.source.path)

    def lacks(self, method: Method) -> str | None:
        """Why a method has nothing to work on here; None if it has."""
        if method.sound:
            return "a still has no sound"
        if method.needs_donor and self.donor is None:
            return "there is no second still whose face could be put in"
        return None

    def real(self, out: Path) -> Record:
        """Write the picture as it is, through the encoder of the fakes."""
        write_still(out, read_still(self.source.path))
        return self._original(out, params=self._encoding, lost=None)

    def fake(self, name: str, seed: int, out: Path) -> Record:
        """Write a fake and its mask."""
        method = METHODS[name]
        assert method.picture is not None
        path, forger, params = self._forger(method.picture, seed)
        fake, mask, seen = forge_still(read_still(self.source.path), path, forger)
        if not seen:
            raise self._nothing_seen()
        write_still(out, fake)
        write_still(mask_of(out, ".png"), mask)
        return Record(
            path=out.name,
            label=1,
            method=name,
            source=str(self.source.path),
            params=self._encoding | {"picture": params},
            seed=seed,
            mask=mask_of(out, ".png").name,
            spans_s=[(0.0, 0.0)],
            donor=self._donor_of(method),
            picture_label=1,
        )

    @property
    def _encoding(self) -> dict[str, Any]:
        return {"jpeg_quality": JPEG_QUALITY} if self.ending == ".jpg" else {}


def maker_of(
    source: Source, donor: Source | None, faces: Faces, config: MakingConfig
) -> ClipMaker | StillMaker:
    """The maker for a source's kind."""
    kind = StillMaker if source.still else ClipMaker
    return kind(source, donor, faces, config)
