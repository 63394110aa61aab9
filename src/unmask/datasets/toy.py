"""A small prepared data set of drawn people and their forged twins, to try recipes out on.

    unmask train dtn/table9-L5 --set scale=tiny

needs no --data: this data set is made first. It has FaceForensics++'s four methods and two
compressions by name, so that every recipe finds what it asks for; what stands behind the names are
our own forgeries (`forge`), drawn strongly so that small networks learn them in a minute. Fakes
have a vocoder's voice. Nobody is on two sides of the split. Numbers measured on it say that
something learns, and nothing about forgeries in the world.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from unmask.datasets.extract import Kept, Settings
from unmask.datasets.manifest import ORIGINAL, Manifest, Split, Video
from unmask.datasets.prepare import Result, prepare
from unmask.datasets.shelf import Row, Shelf
from unmask.datasets.sound import encode_flac
from unmask.datasets.toy_people import FPS, Take, draw_person
from unmask.datasets.toy_sound import (
    RATE_HZ,
    Samples,
    Speech,
    draw_speech,
    human_voice,
    loudness_of_frames,
    vocoder_voice,
)
from unmask.faces.align import cut_face
from unmask.faces.detect import Detection
from unmask.forge.canvas import Canvas
from unmask.forge.donor import ToAndFro, collect_donor
from unmask.forge.facepath import FacePath, Whereabouts
from unmask.forge.masks import SeamConfig
from unmask.forge.methods import ForgeConfig, Forger, forger_of
from unmask.forge.reenact import ReenactConfig
from unmask.forge.resynthesise import ResynthesiseConfig
from unmask.forge.selfblend import Mask, SelfBlendConfig
from unmask.forge.swap import SwapConfig, Swapper, draw_swap
from unmask.types import Frame, Image
from unmask.video.distort import recompress

DATASET = "toy"
VERSION = 2  # raise whenever a picture or a sound changes

SETTINGS = Settings(sampling="every", people="main", whole_frames=True, boxes="own")
COMPRESSIONS = {"c23": None, "c40": 40}  # JPEG quality of the frame
SHARES: dict[Split, float] = {"train": 0.6, "val": 0.15, "test": 0.25}
METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")

Shots = tuple[tuple[Frame, Detection], ...]


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """How much of it."""

    people: int = 80  # one video each, every other one strongly compressed
    fakes_each: int = 2  # of the methods; the next person by others
    n_frames: int = 13  # of a video: half a second
    seed: int = 0


# Stronger than `unmask forge` draws them.
_FORGERIES = ForgeConfig(
    self_blend=SelfBlendConfig(
        augment_target=0.0,
        p_rgb_shift=1.0,
        rgb_shift=40.0,
        hue_deg=25.0,
        saturation=0.5,
        brightness=0.15,
        ratios=(1.0,),
        regions=(("below_forehead", 0.5), ("inner", 0.5)),
    ),
    reenact=ReenactConfig(open=(0.25, 0.4), smile=(0.1, 0.2), soften=(0.03, 0.06)),
    resynthesise=ResynthesiseConfig(
        bottleneck_px=(24,), doublings=(2,), uneven=(0.03, 0.08), sharpen=(0.5, 1.5), levels=(12,)
    ),
    swap=SwapConfig(
        blends=("feather",), colour=(0.2, 0.5), face_px=(64,), jitter=0.03, seam=SeamConfig()
    ),
)


def make_toy(
    folder: Path, config: ToyConfig | None = None, *, told: Callable[[int, int], None] | None = None
) -> Result:
    """Draw the data set into a folder, or go on with it; the same configuration gives the same.

    `told` hears how many videos are done, and of how many.
    """
    config = config or ToyConfig()
    manifest = toy_manifest(config)
    done = 0

    def count(_: object) -> None:
        nonlocal done
        done += 1
        if told is not None:
            told(done, len(manifest))

    filming = Filming(manifest, config)
    return prepare(manifest, str(folder), SETTINGS, n_workers=0, extractor=filming, told=count)


def toy_manifest(config: ToyConfig) -> Manifest:
    """Every video, with its people and its side."""
    videos = []
    for number in range(config.people):
        compression = tuple(COMPRESSIONS)[number % 2]
        turn = number // 2
        fakes = [METHODS[(turn + n) % len(METHODS)] for n in range(config.fakes_each)]
        videos += [_video(number, method, compression, config) for method in (ORIGINAL, *fakes)]
    # Its paths name what is drawn; there are no files.
    return Manifest(dataset=DATASET, root="drawn", videos=tuple(videos), split_rule="drawn")


def _video(number: int, method: str, compression: str, config: ToyConfig) -> Video:
    """Say everything of one video but what it shows."""
    person, fake = f"p{number:03}", int(method != ORIGINAL)
    swapped = method == "FaceSwap"
    people = (person, f"p{_donor_of(number, config):03}") if swapped else (person,)
    name = f"{method}/{compression}/{person}"
    return Video(
        id=f"{DATASET}/{name}",
        path=f"drawn-{VERSION}-{config.seed}-{config.n_frames}/{name}",
        dataset=DATASET,
        method=method,
        label=fake,
        compression=compression,
        split=_side_of(number, config),
        split_reason="drawn for it",
        original=f"{DATASET}/{ORIGINAL}/{compression}/{person}" if fake else None,
        sources=tuple(f"{DATASET}/{who}" for who in people),
        identities=people,
        picture_label=fake,
        audio_label=fake,
    )


def _side_of(number: int, config: ToyConfig) -> Split:
    reached = 0.0
    for side, share in SHARES.items():
        reached += share
        if (number + 0.5) / config.people < reached:
            return side
    return "test"


def _donor_of(number: int, config: ToyConfig) -> int:
    """Number of the next person on the same side."""
    side = _side_of(number, config)
    company = [n for n in range(config.people) if _side_of(n, config) == side]
    return company[(company.index(number) + 1) % len(company)]


class Filming:
    """Takes the place of the extractor that looks at files: makes what would be seen in them."""

    def __init__(self, manifest: Manifest, config: ToyConfig) -> None:
        self.settings = SETTINGS
        self._videos = {video.id: video for video in manifest.videos}
        self._config = config
        # Videos of one person follow one another, and the next one is whose face is lent.
        self._filmed = lru_cache(maxsize=4)(self._film)

    def __call__(
        self, video: str, path: Path, *, mask: Path | None = None, borrowed: object = None
    ) -> Kept:
        """Make one video."""
        del path, mask, borrowed  # of files, of which there are none
        wanted = self._videos[video]
        shots, masks, voice = self._forge(wanted.method, *map(_number, wanted.identities))
        quality = COMPRESSIONS[str(wanted.compression)]
        if quality is not None:
            shots = tuple((_squeezed(frame, quality), found) for frame, found in shots)
        shelf = Shelf(video, lossless=False, whole_frames=True)
        faces = []
        for frame, found in shots:
            shelf.watch(frame)
            faces.append(shelf.put(cut_face(frame.rgb, found, frame.t_s)))
        rows = shelf.faces(faces, 1, None)
        for row, forged in zip(rows, masks, strict=True):
            shelf.add_masks([row], forged)
        for table in (rows, shelf.frames):
            for number, row in enumerate(table):
                row["frame"] = number
        return Kept(
            outcome="prepared",
            tracks=(rows,),
            frames=tuple(shelf.frames),
            sound=_sound_row(video, voice),
        )

    def _film(self, number: int) -> tuple[Shots, Speech, np.random.Generator]:
        """Film a person as they are."""
        rng = np.random.default_rng((self._config.seed, number))
        take = Take(draw_person(rng), rng)
        speech = draw_speech(rng, self._config.n_frames / FPS)
        loudness = loudness_of_frames(speech, self._config.n_frames)
        return tuple(take.frames(loudness)), speech, rng

    def _forge(
        self, method: str, number: int, donor: int | None = None
    ) -> tuple[Shots, Sequence[Image], Samples]:
        """Film a person and forge what was filmed; masks are pictures, white = forged."""
        shots, speech, _ = self._filmed(number)
        rng = np.random.default_rng((self._config.seed, number, *method.encode()))
        if method == ORIGINAL:
            return shots, [np.zeros_like(f.rgb) for f, _ in shots], human_voice(speech, rng)
        forger = _forger(method, rng, None if donor is None else self._filmed(donor)[0])
        made = [forger(f, Whereabouts(landmarks_px=d.landmarks_px, presence=1.0)) for f, d in shots]
        forged = tuple(
            (replace(frame, rgb=fake), found)
            for (frame, found), (fake, _) in zip(shots, made, strict=True)
        )
        return forged, [_picture_of(mask) for _, mask in made], vocoder_voice(speech)


def _forger(method: str, rng: np.random.Generator, donor: Shots | None) -> Forger:
    """What stands behind the name of a method."""
    if donor is not None:
        plan = draw_swap(rng, _FORGERIES.swap)
        times = np.array([frame.t_s for frame, _ in donor])
        points = np.stack([found.landmarks_px for _, found in donor])
        path = FacePath(times, points, looked_s=(float(times[0]), float(times[-1])))
        cuts = collect_donor((f for f, _ in donor), path, Canvas(side_px=plan.face_px))
        assert cuts is not None
        return Swapper(plan, ToAndFro(cuts))
    if method == "Face2Face":
        return forger_of("reenact", rng, _FORGERIES)[0]
    if method == "NeuralTextures":
        return forger_of("self_blend", rng, _FORGERIES)[0]
    return forger_of("resynthesise", rng, _FORGERIES)[0]


def _number(person: str) -> int:
    return int(person.removeprefix("p"))


def _squeezed(frame: Frame, quality: int) -> Frame:
    return replace(frame, rgb=recompress(frame.rgb, quality))


def _picture_of(mask: Mask) -> Image:
    grey = np.rint(255 * mask).astype(np.uint8)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)


def _sound_row(video: str, voice: Samples) -> Row:
    return {
        "video": video,
        "rate_hz": RATE_HZ,
        "n_samples": len(voice),
        "sound": encode_flac(voice, RATE_HZ),
    }
