"""`unmask prepare`, as a person runs it."""

import os
import signal
import subprocess
import sys

import pytest

from face_clips import walk, wall, write_walk
from media import write_clip


@pytest.fixture
def videos(tmp_path):
    root = tmp_path / "my videos"
    for kind in ("real", "fake"):
        (root / kind).mkdir(parents=True)
    for name, crf in (("a", "20"), ("b", "30")):
        write_walk(root / "real" / f"{name}.mp4", 4, options={"crf": crf})
    write_clip(root / "fake" / "a.swap.mp4", frames=(f[..., ::-1] for f in walk(4)))
    write_clip(root / "real" / "wall.mp4", frames=(wall() for _ in range(4)))
    return root


def test_a_folder_is_prepared_with_its_coverage_and_gone_on_with(cli, videos, tmp_path):
    (videos / "real" / "broken.mp4").write_bytes(b"")
    out = tmp_path / "out"
    command = ("prepare", "folder", videos, "--out", out, "--frames", 3, "--workers", 1)
    first = cli(*command)
    assert first.code == 1  # a file could not be read
    lines = first.out.splitlines()
    assert lines[0] == f"3 of 5 videos prepared, 9 faces: {out}"
    assert "  1 no face" in lines
    assert "  1 unreadable" in lines
    assert "    1 x is empty (0 bytes). Copy or download it again." in lines
    assert "with 1 workers; decode" in lines[-1]
    again = cli(*command)
    assert again.out.splitlines()[-1] == "  nothing was left to do"
    write_walk(videos / "real" / "broken.mp4", 4, options={"crf": "10"})
    mended = cli(*command)
    assert mended.code == 0
    assert "  1 files had changed since the last run and were read again" in mended.out
    assert "  4 were prepared by an earlier run" in mended.out


def test_what_cannot_be_prepared_is_said_before_work_begins(cli, videos, tmp_path):
    out = tmp_path / "out"
    for wrong, named in (
        (("prepare", "fodler", videos, "--out", out), "folder"),
        (("prepare", "folder", videos / "none", "--out", out), "none"),
        (("prepare", "folder", videos, "--out", out, "--sampling", "clips"), "clips"),
        (("prepare", "folder", videos, "--out", out, "--split", "odd"), "odd"),
        (("prepare", "folder", videos), "--out"),
    ):
        ended = cli(*wrong)
        assert ended.code in (1, 2)
        assert named in ended.said
        assert not out.exists()


def test_other_settings_for_the_same_folder_are_refused(cli, videos, tmp_path):
    command = ("prepare", "folder", videos, "--out", tmp_path / "out", "--workers", 1)
    assert cli(*command, "--frames", 1).code == 0
    refused = cli(*command, "--frames", 2, "--lossless")
    assert refused.code == 2
    assert "settings.lossless: False -> True" in refused.said
    assert "choose another --out" in refused.said


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_an_interrupted_run_says_how_to_go_on(videos, tmp_path):
    for k in range(30):  # no two alike: copies on two sides would be refused
        write_walk(videos / "real" / f"{k}.mp4", 5, options={"crf": str(k + 10)})
    command = ["prepare", "folder", videos, "--out", tmp_path / "out", "--workers", "2"]
    child = subprocess.Popen(
        [sys.executable, "-m", "unmask", *map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list((tmp_path / "out").glob("journal/*.json")):
        assert child.poll() is None, child.stderr.read()
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert said.strip() == "interrupted; the same command goes on from here"
