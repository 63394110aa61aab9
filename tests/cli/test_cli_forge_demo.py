"""`unmask forge` and `unmask demo` end to end, on short clips."""

import json
import re
import shutil

import pytest

from face_clips import FPS, walk, write_walk
from media import numbered_frames, write_clip
from unmask.models.checkpoint import packaged


def test_forge_writes_a_labelled_data_set_and_names_the_fakes_on_stdout(cli, face_clip, tmp_path):
    out, sheet = tmp_path / "out", tmp_path / "sheet.png"
    methods = ("--method", "swap", "--method", "self_blend")
    done = cli("forge", face_clip, "--out", out, *methods, "--seed", 3, "--sheet", sheet)
    assert done.code == 0
    fakes = [out / "fake" / method / "face.mp4" for method in ("self_blend", "swap")]
    assert done.out.splitlines() == [str(fake) for fake in [*fakes, sheet]]
    for fake in fakes:
        assert json.loads(fake.with_suffix(".json").read_text())["label"] == 1
        assert fake.with_suffix(".mask.mp4").stat().st_size > 0
    assert json.loads((out / "real" / "face.json").read_text())["label"] == 0
    assert (out / "manifest.csv").read_text().count("\n") == 4
    assert sheet.stat().st_size > 10_000
    assert "3 files made" in done.said
    again = cli("forge", face_clip, "--out", out, *methods, "--seed", 3)
    assert "3 kept from before" in again.said
    assert again.out.splitlines() == [str(fake) for fake in fakes]


def test_methods_that_suit_no_file_are_told_and_are_no_failure(cli, face_clip, tmp_path):
    done = cli("forge", face_clip, "--out", tmp_path / "out", "--method", "vocoder")
    assert done.code == 0
    assert "1 left out: it has no sound" in done.said


def test_a_folder_is_not_forged_from_what_was_forged_into_it(cli, face_clip, tmp_path):
    shutil.copy(face_clip, tmp_path / "face.mp4")
    for _ in range(2):
        done = cli("forge", tmp_path, "--out", tmp_path / "forged", "--method", "reenact")
        assert done.code == 0
    assert "2 kept from before" in done.said


def test_a_clip_that_cannot_be_forged_costs_exit_code_1_and_no_other_clip(cli, face_clip, tmp_path):
    wall = write_clip(tmp_path / "wall.mp4", frames=numbered_frames(5), fps=FPS)
    done = cli("forge", wall, face_clip, tmp_path / "gone.mp4", "--out", tmp_path / "out")
    assert done.code == 1
    assert done.out.splitlines() == [str(tmp_path / "out" / "fake" / "self_blend" / "face.mp4")]
    assert "no face was found" in done.said
    assert done.said.count("there is no such file") == 1


def test_clips_of_one_name_are_refused_before_one_replaces_the_other(cli, face_clip, tmp_path):
    other = tmp_path / "other" / face_clip.name
    other.parent.mkdir()
    shutil.copy(face_clip, other)
    done = cli("forge", face_clip, other, "--out", tmp_path / "out")
    assert done.code == 2
    assert "would be called face" in done.said
    assert not list((tmp_path / "out").rglob("*.mp4"))


@pytest.mark.parametrize(
    ("option", "value"), [("--donor", "a.mp4"), ("--jitter", "0.02"), ("--sheet", "sheet.gif")]
)
def test_options_without_effect_are_refused(cli, face_clip, tmp_path, option, value):
    done = cli("forge", face_clip, "--out", tmp_path / "out", option, value)
    assert done.code == 2
    assert option in done.said
    assert not (tmp_path / "out").exists()


def test_forge_refuses_a_place_it_cannot_write_to(cli, face_clip, tmp_path):
    (tmp_path / "file").touch()
    done = cli("forge", face_clip, "--out", tmp_path / "file" / "out")
    assert done.code == 2
    assert "cannot be made" in done.said


def test_demo_scans_a_clip_and_its_twin_and_writes_both_reports(
    cli, face_clip, tiny_checkpoint, tmp_path
):
    done = cli("demo", face_clip, "--out", tmp_path / "demo", "--model", tiny_checkpoint)
    assert done.code == 0
    assert len(re.findall(r"(?m)^ (FAKE|REAL|UNDECIDED) ", done.out)) == 2
    for name in ("real", "fake"):
        page = tmp_path / "demo" / f"{name}.html"
        assert str(page) in done.out
        assert "<html" in page.read_text(encoding="utf-8")
    assert max(map(len, (line for line in done.out.splitlines() if "/" not in line))) <= 80


def test_demo_refuses_what_it_cannot_use(cli, tiny_checkpoint, tmp_path):
    gone = cli("demo", tmp_path / "gone.mp4", "--out", tmp_path, "--model", tiny_checkpoint)
    assert gone.code == 1
    assert "there is no such file" in gone.said
    (tmp_path / "file").touch()
    nowhere = cli("demo", "--out", tmp_path / "file", "--model", tiny_checkpoint)
    assert nowhere.code == 2
    own = write_walk(tmp_path / "real.mp4", 4)
    itself = cli("demo", own, "--out", tmp_path, "--model", tiny_checkpoint)
    assert itself.code == 2
    assert "overwrite" in itself.said


@pytest.mark.slow
def test_demo_of_the_portrait_with_the_packaged_detector(cli, tmp_path):
    if packaged("default") is None:
        pytest.skip("the package holds no default detector yet")
    done = cli("demo", "--out", tmp_path)
    assert done.code == 0
    assert (tmp_path / "real.html").is_file()
    assert (tmp_path / "fake.html").is_file()


def test_the_packaged_detector_answers_for_the_portrait(cli, tmp_path):
    if packaged("default") is None:
        pytest.skip("the package holds no default detector yet")
    clip = write_clip(tmp_path / "portrait.mp4", frames=walk(12), fps=FPS)
    done = cli("scan", clip, "--frames", 6, "--json", "-")
    (document,) = done.documents
    assert done.code == 0
    assert document.model.trained
    assert document.model.thresholds.unit == "image"
    assert document.model.licence
    assert len(document.tracks[0].scores) == 6
