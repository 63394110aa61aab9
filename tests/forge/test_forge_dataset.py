"""Laws of forged data sets: what is written, and that nothing is lost when a run is interrupted."""

from __future__ import annotations

import csv
import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from talking_people import pictures, talking

from face_clips import portrait, scene
from media import numbered_frames, write_clip, write_still
from unmask.datasets.readers.folder import read_folder
from unmask.datasets.readers.listing import ReadOptions
from unmask.errors import MissingExtraError, UnmaskError, UsageError
from unmask.faces.detect import FaceDetector
from unmask.forge.dataset import Done, Request, forge_dataset
from unmask.forge.sheet import write_sheet

PICTURE = ("self_blend", "swap", "reenact", "resynthesise")
SOUND = ("vocoder", "splice", "pitch_shift", "desync")
METHODS = (*PICTURE, *SOUND, "impersonate")


@pytest.fixture(scope="session")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("sources")
    clips = [
        talking(folder / "ann é.mp4", "ann", 6, 1),
        talking(folder / "bea.mp4", "bea", 7, 2),
    ]
    stills = [
        write_still(folder / "still one.jpg", portrait()[0:260, 80:380]),
        write_still(folder / "still two.png", scene({"bea": (60, 5)}, place=3)),
    ]
    return clips + stills


@pytest.fixture(scope="session")
def made(sources, detector, tmp_path_factory) -> tuple[Path, list[Done]]:
    out = tmp_path_factory.mktemp("forged")
    return out, list(forge_dataset(sources, Request(methods=METHODS, out=out, seed=5), detector))


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_method_is_made_of_every_source_that_it_suits(made, sources):
    out, answers = made
    assert Counter(done.outcome for done in answers) == {"made": 30, "left_out": 10}
    assert len(answers) == len(sources) * (1 + len(METHODS))
    for done in answers:
        if done.outcome == "made":
            assert done.path.is_file()
            assert done.path.with_suffix(".json").is_file()
        else:
            assert done.source.name.startswith("still")
            assert done.reason == "a still has no sound"
    assert not list(out.rglob("*.part*"))
    assert not any((out / ".forging").iterdir())


def test_records_say_what_is_forged_and_how(made):
    out, _ = made
    for path in out.glob("fake/*/*.json"):
        said = json.loads(path.read_text())
        method, still = path.parent.name, path.stem.startswith("still")
        assert (said["schema"], said["label"], said["method"]) == ("unmask.forged/1", 1, method)
        forged_picture = method not in SOUND
        assert said["picture_label"] == forged_picture
        assert said["audio_label"] == (None if still else method in (*SOUND, "impersonate"))
        assert bool(said["spans_s"]) == bool(said["mask"]) == forged_picture
        assert bool(said["sound_spans_s"]) == (said["audio_label"] == 1)
        assert bool(said["donor"]) == (method in ("swap", "splice", "impersonate"))
        assert isinstance(said["seed"], int)
        assert said["params"]


def test_masks_say_where_a_picture_is_forged(made):
    out, _ = made
    for path in out.glob("fake/*/*.json"):
        said = json.loads(path.read_text())
        fake = path.with_name(said["path"])
        real = pictures(out / "real" / fake.name)
        change = np.abs(pictures(fake) - real).mean(axis=-1)
        if said["mask"] is None:
            assert change.max() == 0
            continue
        mask = pictures(path.with_name(said["mask"]))[..., 0]
        assert mask.shape == change.shape
        assert change[mask < 2].mean() < 0.7  # the encoder's share
        assert change[mask > 0.7 * mask.max()].mean() > 2 * change[mask < 2].mean()


def test_forged_sound_differs_and_other_sound_does_not(made):
    out, _ = made

    def sound(path: Path) -> bytes:
        with av.open(str(path)) as container:
            return b"".join(f.to_ndarray().tobytes() for f in container.decode(audio=0))

    for path in out.glob("fake/*/*.mp4"):
        if path.stem.endswith(".mask"):
            continue
        same = sound(path) == sound(out / "real" / path.name)
        assert same == (path.parent.name in PICTURE)


def test_the_reader_of_folders_takes_the_list_as_it_is(made, sources):
    out, answers = made
    listing = read_folder(out / "manifest.csv", ReadOptions())
    videos = {video.path: video for video in listing.manifest.videos}
    assert len(videos) == sum(done.outcome == "made" for done in answers)
    swap = videos["fake/swap/bea.mp4"]
    assert (swap.label, swap.method, swap.picture_label, swap.audio_label) == (1, "swap", 1, 0)
    assert swap.original == videos["real/bea.mp4"].id
    assert set(swap.sources) == {
        source for name in ("bea", "ann é") for source in videos[f"real/{name}.mp4"].sources
    }
    assert swap.mask == "fake/swap/bea.mask.mp4"
    assert videos["fake/vocoder/bea.mp4"].picture_label == 0
    assert videos["fake/vocoder/bea.mp4"].audio_label == 1
    for video in videos.values():
        assert (out / video.path).is_file()
        kin = {v.split for v in videos.values() if set(v.sources) & set(video.sources)}
        assert len(kin) == 1  # kin stay on one side


def test_a_second_run_keeps_everything(made, sources, detector):
    out, _ = made
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")}
    again = list(forge_dataset(sources, Request(methods=METHODS, out=out, seed=5), detector))
    assert {done.outcome for done in again} == {"kept", "left_out"}
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")} == before


def test_an_interrupted_run_goes_on_where_it_stopped(sources, detector, tmp_path):
    request = Request(methods=("vocoder",), out=tmp_path / "a", seed=2)
    steps = 0

    def stop_at_three() -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(forge_dataset(sources[:2], request, detector, stop_at_three))
    first = tmp_path / "a" / "real" / "ann é.mp4"
    stamp = first.stat().st_mtime_ns
    assert not (tmp_path / "a" / "real" / "bea.mp4").exists()  # a source is there whole or not
    assert len(rows_of(tmp_path / "a")) == 2
    answers = list(forge_dataset(sources[:2], request, detector))
    assert [done.outcome for done in answers] == ["kept"] * 2 + ["made"] * 2
    assert first.stat().st_mtime_ns == stamp
    whole = Request(methods=request.methods, out=tmp_path / "b", seed=2)
    list(forge_dataset(sources[:2], whole, detector))
    for path in (tmp_path / "b").rglob("*.mp4"):
        resumed = tmp_path / "a" / path.relative_to(tmp_path / "b")
        assert resumed.read_bytes() == path.read_bytes()


def test_another_method_joins_and_all_stay_equally_large(sources, detector, tmp_path):
    for methods in (("self_blend",), ("self_blend", "pitch_shift")):
        list(forge_dataset(sources[:1], Request(methods=methods, out=tmp_path), detector))
    sizes = {path.stat().st_size for path in tmp_path.rglob("ann é.mp4")}
    assert len(list(tmp_path.rglob("ann é.mp4"))) == 3
    assert len(sizes) == 1
    assert len(rows_of(tmp_path)) == 3


def test_bad_files_cost_no_others(sources, detector, tmp_path):
    wall = write_clip(tmp_path / "wall.mp4", frames=numbered_frames(5), fps=Fraction(5))
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(sources[0].read_bytes()[:2000])
    request = Request(methods=("self_blend", "swap"), out=tmp_path / "out")
    paths = [wall, torn, tmp_path / "gone.mp4", sources[1]]
    answers = list(forge_dataset(paths, request, detector))
    by_source: dict[str, list[str]] = {}
    for done in answers:
        by_source.setdefault(done.source.name, []).append(done.outcome)
    assert by_source["torn.mp4"] == by_source["gone.mp4"] == ["failed"] * 3
    assert by_source["wall.mp4"] == ["made", "failed", "failed"]  # a real all the same
    assert by_source["bea.mp4"][:2] == ["made", "made"]
    assert {row["file"] for row in rows_of(tmp_path / "out")} >= {"fake/self_blend/bea.mp4"}
    assert all(done.reason for done in answers if done.outcome == "failed")


def test_names_that_would_collide_are_refused(sources, detector, tmp_path):
    with pytest.raises(UsageError, match="would be called bea"):
        list(
            forge_dataset(
                [sources[1], tmp_path / "bea.jpg"],
                Request(methods=("swap",), out=tmp_path / "out"),
                detector,
            )
        )


def test_a_build_without_x264_is_told_before_anything_is_made(
    sources, detector, tmp_path, monkeypatch
):
    real = av.Codec

    def without(name: str, mode: str = "r") -> object:
        return real("no such encoder" if name == "libx264" else name, mode)

    monkeypatch.setattr("unmask.video.encode.av.Codec", without)
    request = Request(methods=("self_blend",), out=tmp_path / "out")
    with pytest.raises(MissingExtraError, match="libx264"):
        list(forge_dataset(sources, request, detector))
    assert not (tmp_path / "out").exists()
    stills = [done.outcome for done in forge_dataset(sources[2:], request, detector)]
    assert stills == ["made"] * 4  # pictures need no x264


def test_a_sheet_shows_every_forged_picture(made, tmp_path):
    out, _ = made
    file = write_sheet(out, tmp_path / "sheet.png")
    sheet = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape[0] == 176 * (2 * (1 + 2 * 5) + 2)  # two clips of five methods, two stills
    assert sheet.std() > 20


def test_a_sheet_of_nothing_is_refused(tmp_path):
    with pytest.raises(UnmaskError, match="no forged pictures"):
        write_sheet(tmp_path, tmp_path / "sheet.png")
