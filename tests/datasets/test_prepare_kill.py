"""Laws of stopping: whatever happens when, the finished result is that of a run never stopped."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prepared_clips import contents, only, prepared

from unmask.datasets import crew
from unmask.datasets.extract import Extractor, Kept
from unmask.datasets.manifest import Manifest, Video
from unmask.errors import DataError

CHILD = """
import os, sys
from unmask.datasets.extract import Settings
from unmask.datasets.manifest import read_manifest
from unmask.datasets.prepare import prepare

if __name__ == "__main__":
    manifest, out, n_workers = read_manifest(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    def told(done):
        print("done", flush=True)
    print("begun", flush=True)
    prepare(manifest, out, Settings(sampling="every"), n_workers=n_workers, told=told)
"""


@pytest.fixture
def manifest(drawn_set):
    return drawn_set


@pytest.fixture(scope="module")
def uninterrupted(drawn_set, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    prepared(drawn_set, folder, sampling="every")
    return contents(folder)


def kill_at_random_moments(manifest, out, *, n_kills, n_workers, seed):
    """Run again and again, each time killed with all its workers after a random while."""
    from unmask.datasets.manifest import write_manifest

    rng = np.random.default_rng(seed)
    script, listed = out.parent / "child.py", out.parent / "list.parquet"
    script.write_text(CHILD)
    write_manifest(manifest, listed)
    command = [sys.executable, str(script), str(listed), str(out), str(n_workers)]
    n_killed = 0
    for _ in range(50):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        if n_killed < n_kills:
            for _ in range(1 + int(rng.integers(0, 4))):  # begun, and up to three videos
                child.stdout.readline()
            time.sleep(float(rng.uniform(0, 0.1)))
        if n_killed < n_kills and child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            n_killed += 1
        child.communicate()
        if child.returncode == 0:
            return n_killed
    raise AssertionError("never finished")


needs_sigkill = pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")


@needs_sigkill
def test_killed_three_times_the_result_is_the_same(manifest, uninterrupted, tmp_path):
    out = tmp_path / "out"
    assert kill_at_random_moments(manifest, out, n_kills=3, n_workers=0, seed=1) == 3
    assert contents(out) == uninterrupted


@pytest.mark.slow
@needs_sigkill
@pytest.mark.parametrize("n_workers", [0, 2])
def test_killed_ten_times_the_result_is_the_same(manifest, tmp_path, n_workers):
    videos = [  # the same files under other names, so that ten runs do not finish them
        replace(video, id=f"{k}/{video.id}", original=video.original and f"{k}/{video.original}")
        for k in range(8)
        for video in manifest.videos
    ]
    many, out = replace(manifest, videos=tuple(videos)), tmp_path / "out"
    n_kills = kill_at_random_moments(many, out, n_kills=10, n_workers=n_workers, seed=n_workers)
    assert n_kills == 10
    prepared(many, tmp_path / "whole", sampling="every")
    assert contents(out) == contents(tmp_path / "whole")


class Stopped(BaseException):
    """What no `except` of the code under test may catch, like a kill."""


@pytest.fixture
def canned(monkeypatch):
    """An extractor that needs no video, so that every single moment can be tried."""

    class Canned(Extractor):
        def __call__(self, video, path, *, mask=None, borrowed=None):
            if not path.exists():
                return Kept(outcome="missing", reason="there is no such file")
            row = {"video": video, "rate_hz": 8000, "n_samples": 1, "sound": path.read_bytes()}
            return Kept(outcome="no_face", reason="no face was found", sound=row)

    monkeypatch.setattr(crew, "Extractor", Canned)


def notes(folder, n):
    """A data set of `n` files that are no videos."""
    folder.mkdir(exist_ok=True)
    videos = []
    for k in range(n):
        (folder / f"{k}.mp4").write_bytes(b"%d" % k)
        video = Video(id=f"n/{k}", path=f"{k}.mp4", dataset="n", method="original", label=0)
        videos.append(video)
    return Manifest(dataset="n", root=str(folder), videos=tuple(videos))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_stopped_at_every_single_renaming_the_result_is_the_same(
    canned, tmp_path, monkeypatch, moment
):
    manifest = notes(tmp_path / "notes", 3)
    prepared(manifest, tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    rename, counts = Path.replace, {"left": 0}

    def stopping(self, target):
        counts["left"] -= 1
        if counts["left"] == 0 and moment == "before":
            raise Stopped
        rename(self, target)
        if counts["left"] == 0:
            raise Stopped
        return target

    monkeypatch.setattr(Path, "replace", stopping)
    monkeypatch.setattr(Path, "unlink", lambda *args, **kwargs: None)  # a kill cleans nothing up
    n_renamings = len(whole) + 1  # prepare.json is written twice
    for n in range(1, n_renamings + 1):
        out = tmp_path / f"stopped-{n}"
        counts["left"] = n
        with pytest.raises(Stopped):
            prepared(manifest, out)
        counts["left"] = -1
        prepared(manifest, out)
        left = {name: data for name, data in contents(out).items() if not name.endswith(".part")}
        assert left == whole
    assert counts["left"] < 0


def test_half_written_files_of_a_killed_run_are_removed(canned, tmp_path):
    manifest = notes(tmp_path / "notes", 2)
    prepared(manifest, tmp_path / "whole")
    out = tmp_path / "out"
    (out / "faces").mkdir(parents=True)
    for name in (".prepare.json.77.part", "faces/.00000.parquet.77.part"):
        (out / name).write_bytes(b"half")
    prepared(manifest, out)
    assert contents(out) == contents(tmp_path / "whole")


def test_a_shard_whose_file_is_not_whole_is_made_again(canned, tmp_path):
    manifest, out = notes(tmp_path / "notes", 3), tmp_path / "out"
    prepared(manifest, out)
    whole = contents(out)
    (out / "audio/00001.parquet").write_bytes(b"")
    result = prepared(manifest, out)
    assert result.n_earlier == 2
    assert contents(out) == whole


@pytest.mark.parametrize("change", ["longer", "touched", "gone", "new"])
def test_a_changed_file_is_noticed_and_read_again(canned, tmp_path, change):
    manifest, out = notes(tmp_path / "notes", 4), tmp_path / "out"
    file = tmp_path / "notes" / "2.mp4"
    if change == "new":
        file.unlink()
    first = prepared(manifest, out)
    assert prepared(manifest, out).n_changed == 0
    if change == "touched":
        later = file.stat().st_mtime_ns + 10**9
        os.utime(file, ns=(later, later))
    elif change == "gone":
        file.unlink()
    else:
        file.write_bytes(b"another video")
    second = prepared(manifest, out)
    assert (second.n_changed, second.n_earlier) == (1, 3)
    assert (second.digest == first.digest) == (change == "touched")
    fresh = tmp_path / "fresh"
    prepared(manifest, fresh)
    assert contents(out) == contents(fresh)


def test_a_fake_is_made_again_when_its_real_has_changed(manifest, tmp_path):
    import shutil

    from media import write_clip

    two = only(manifest, "ann", "ann_fake")
    root, out = tmp_path / "copy", tmp_path / "out"
    shutil.copytree(two.root, root)
    two = Manifest(dataset=two.dataset, root=str(root), videos=two.videos)
    prepared(two, out)
    write_clip(root / "ann.mp4", 3)  # nobody is in it any more
    result = prepared(two, out)
    assert result.n_changed == 1
    assert result.n_earlier == 0
    assert result.coverage.n_borrowed == 0


def test_the_number_of_workers_changes_nothing(manifest, uninterrupted, tmp_path):
    prepared(manifest, tmp_path, n_workers=2, sampling="every")
    assert contents(tmp_path) == uninterrupted


def dies(pipe, url, settings):
    """A worker that a video kills: the one with an odd name."""
    while True:
        job = pipe.recv()
        if any(task.id == "n/1" and task.crashed is None for task in job.tasks):
            os.kill(os.getpid(), int(url[-2:]))
        pipe.send(crew.make_shard(job, crew.Store(url), CANNED(settings), lambda _: None))


class CANNED:
    def __init__(self, settings):
        self.settings = settings

    def __call__(self, video, path, *, mask=None, borrowed=None):
        return Kept(outcome="no_face", reason="no face was found")


@needs_sigkill
def test_a_video_that_crashes_its_reader_is_marked_and_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(crew, "_work", dies)
    manifest = notes(tmp_path / "notes", 3)
    out = tmp_path / f"signal-{int(signal.SIGSEGV):02}"
    coverage = prepared(manifest, out, n_workers=1).coverage
    assert coverage.outcomes == {"no_face": 2, "unreadable": 1}
    assert coverage.reasons["unreadable"] == {"reading it ends the process (SIGSEGV)": 1}


@pytest.mark.slow
@needs_sigkill
def test_a_worker_killed_by_the_system_is_not_blamed_on_its_video(tmp_path, monkeypatch):
    monkeypatch.setattr(crew, "_work", dies)
    manifest = notes(tmp_path / "notes", 3)
    out = tmp_path / f"signal-{int(signal.SIGKILL):02}"
    with pytest.raises(DataError, match="fewer --workers"):
        prepared(manifest, out, n_workers=1)
