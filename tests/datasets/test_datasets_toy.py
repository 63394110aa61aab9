"""Drawn people and their forged twins, as prepared data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unmask.datasets.folders import Folder
from unmask.datasets.manifest import ORIGINAL
from unmask.datasets.prepared import Prepared, open_prepared
from unmask.datasets.splits import check_leaks
from unmask.datasets.toy import COMPRESSIONS, METHODS, ToyConfig, make_toy, toy_manifest
from unmask.datasets.toy_people import Take, draw_person
from unmask.datasets.toy_sound import draw_speech, human_voice, vocoder_voice
from unmask.faces.detect import FaceDetector
from unmask.types import AudioSpec, Face, Frame

SMALL = ToyConfig(people=8, fakes_each=4, n_frames=3)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    make_toy(folder, SMALL)
    return folder


def test_the_same_configuration_gives_the_same_data(small: Path, tmp_path: Path) -> None:
    again = make_toy(tmp_path, SMALL)
    assert again.digest == Folder(str(small)).digest
    assert make_toy(tmp_path, SMALL).n_earlier == len(toy_manifest(SMALL))


def test_another_seed_gives_other_people(small: Path, tmp_path: Path) -> None:
    config = ToyConfig(people=1, fakes_each=1, n_frames=1)
    other = ToyConfig(people=1, fakes_each=1, n_frames=1, seed=1)
    one, two = (make_toy(tmp_path / str(c.seed), c).digest for c in (config, other))
    assert one != two


@pytest.mark.parametrize("config", [SMALL, ToyConfig(), ToyConfig(people=12, fakes_each=4)])
def test_nobody_is_on_two_sides(config: ToyConfig) -> None:
    manifest = toy_manifest(config)
    assert check_leaks(manifest) == []
    assert {video.split for video in manifest.videos} == {"train", "val", "test"}


def test_every_side_has_every_method_at_every_compression() -> None:
    videos = toy_manifest(ToyConfig()).videos
    for side in ("train", "val", "test"):
        for compression in COMPRESSIONS:
            found = {v.method for v in videos if (v.split, v.compression) == (side, compression)}
            assert found == {ORIGINAL, *METHODS}


def rows_of(folder: Path, method: str) -> tuple[Prepared, list[int]]:
    source = open_prepared([str(folder)], part="train")
    return source, [i for i, found in enumerate(source.methods) if found == method]


@pytest.mark.parametrize("method", METHODS)
def test_a_fake_differs_from_its_real_where_its_mask_says(small: Path, method: str) -> None:
    source, fakes = rows_of(small, method)
    reals = {source.rows[i].video.id: i for i in rows_of(small, ORIGINAL)[1]}
    row = next(i for i in fakes if source.rows[i].video.compression == "c23")
    real = reals[str(source.rows[row].video.original)]
    (fake_face,), (real_face,) = source.sights(row, (1,)), source.sights(real, (1,))
    (mask,) = source.masks(row, (1,)) or ()
    assert isinstance(fake_face, Face)
    assert isinstance(real_face, Face)
    apart = np.abs(fake_face.crop.astype(int) - real_face.crop).max(-1)
    assert (mask > 128).mean() > 0.01
    assert apart[mask > 128].mean() > 4 * apart[mask == 0].mean()  # which JPEG alone moves


def test_reals_have_empty_masks(small: Path) -> None:
    source, reals = rows_of(small, ORIGINAL)
    (mask,) = source.masks(reals[0], (0,)) or ()
    assert not mask.any()


def steps_at(frame: np.ndarray) -> float:
    """How much larger steps between columns are where JPEG's blocks meet."""
    steps = np.abs(np.diff(frame.astype(int), axis=1)).mean((0, 2))
    at_blocks = np.arange(len(steps)) % 8 == 7
    return float(steps[at_blocks].mean() / steps[~at_blocks].mean())


def test_strong_compression_leaves_blocks(small: Path) -> None:
    source = open_prepared([str(small)], part="train", view="frame")
    blocks: dict[str | None, list[float]] = {"c23": [], "c40": []}
    for row, entry in enumerate(source.rows):
        (frame,) = source.sights(row, (1,))
        assert isinstance(frame, Frame)
        blocks[entry.video.compression].append(steps_at(frame.rgb))
    assert min(blocks["c40"]) > max(blocks["c23"])


def test_a_vocoder_is_as_loud_as_a_human_and_its_pulses_are_sharper() -> None:
    sharper = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        speech = draw_speech(rng, 0.52)
        human, machine = human_voice(speech, rng), vocoder_voice(speech)
        assert max(np.abs(human).max(), np.abs(machine).max()) <= 1
        assert human.std() == pytest.approx(machine.std(), rel=0.01)
        for voice in (human, machine):
            assert abs(voice.mean()) < 0.01 * voice.std()
        sharp = [np.diff(voice).std() / voice.std() for voice in (human, machine)]
        sharper.append(sharp[1] / sharp[0])
    assert np.mean(sharper) > 1.2


def test_a_fake_is_heard(small: Path) -> None:
    source, fakes = rows_of(small, METHODS[0])
    heard = source.sound(fakes[0], 0.0, AudioSpec(rate_hz=5000, n_samples=500))
    assert heard is not None
    assert heard.std() > 0.01


def test_a_face_detector_finds_drawn_people_where_they_are_drawn() -> None:
    """Their boxes and landmarks are given, not found; so they must be what would be found."""
    rng = np.random.default_rng(0)
    shots = [Take(draw_person(rng), rng).frames([0.2])[0] for _ in range(8)]
    found = FaceDetector().detect([frame.rgb for frame, _ in shots])
    seen = [(there[0], drawn) for there, (_, drawn) in zip(found, shots, strict=True) if there]
    assert len(seen) >= 6  # drawings are not what it learned from
    for there, drawn in seen:
        unit_px = np.linalg.norm(drawn.landmarks_px[1] - drawn.landmarks_px[0])
        apart = np.linalg.norm(there.landmarks_px - drawn.landmarks_px, axis=1)
        assert apart.mean() < 0.25 * unit_px
        assert there.size_px == pytest.approx(drawn.size_px, rel=0.35)


def test_a_real_and_its_fakes_are_of_one_recording(small: Path):
    prepared = open_prepared([str(small)], part="train")
    reals, fakes = (
        {
            name
            for name, label in zip(prepared.originals, prepared.labels, strict=True)
            if label == k
        }
        for k in (0, 1)
    )
    assert fakes <= reals
