"""`unmask forge` and `unmask demo` end to end, on short clips."""

import json
import re
import shutil

import pytest

from face_clips import FPS, walk, write_walk
from media import numbered_frames, write_clip
from unmask.models.checkpoint import packaged


def test_forge_writes_labelled_pairs_and_names_the_fakes_on_stdout(cli, face_clip, tmp_path):
    done = cli("forge", face_clip, "--out", tmp_path, "--method", "all", "--seed", 3)
    assert done.code == 0
    fakes = [tmp_path / "fake" / f"face.{method}.mp4" for method in ("self_blend", "swap")]
    assert done.out.splitlines() == [str(fake) for fake in fakes]
    for fake in fakes:
        label = json.loads(fake.with_suffix(".json").read_text())
        assert (label["label"], label["seed"]) == (1, 3)
        assert fake.with_suffix(".mask.mp4").stat().st_size > 0
    real = json.loads((tmp_path / "real" / "face.json").read_text())
    assert real["label"] == 0
    assert (tmp_path / "real" / "face.mp4").is_file()


def test_a_clip_that_cannot_be_forged_costs_exit_code_1_and_no_other_clip(cli, face_clip, tmp_path):
    wall = write_clip(tmp_path / "wall.mp4", frames=numbered_frames(5), fps=FPS)
    done = cli("forge", wall, face_clip, tmp_path / "gone.mp4", "--out", tmp_path / "out")
    assert done.code == 1
    assert done.out.splitlines() == [str(tmp_path / "out" / "fake" / "face.self_blend.mp4")]
    assert "no face was found" in done.said
    assert "there is no such file" in done.said


def test_clips_of_one_name_are_refused_before_one_replaces_the_other(cli, face_clip, tmp_path):
    other = tmp_path / "other" / face_clip.name
    other.parent.mkdir()
    shutil.copy(face_clip, other)
    done = cli("forge", face_clip, other, "--out", tmp_path / "out")
    assert done.code == 2
    assert "would be called face" in done.said
    assert not (tmp_path / "out").exists()


def test_a_donor_that_no_method_would_use_is_refused(cli, face_clip, tmp_path):
    done = cli("forge", face_clip, "--out", tmp_path / "out", "--donor", face_clip)
    assert done.code == 2
    assert "--method swap" in done.said
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
