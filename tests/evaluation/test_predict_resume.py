"""Laws of stopping: a run that was killed goes on, its result is that of one that was not."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import replace

import pytest
from exam_data import predict_slowly

from unmask.errors import UsageError
from unmask.evaluation import chunks
from unmask.evaluation import predict as module
from unmask.evaluation.exam import Wanted
from unmask.evaluation.open_exam import open_exam
from unmask.evaluation.predict import predict
from unmask.types import InputSpec
from unmask.video.corrupt import Corruption


class Stopped(BaseException):
    """What no `except` of the code under test may catch, like a kill."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "CLIPS_EACH", 4)


@pytest.fixture
def scored(monkeypatch):
    """How many videos have been scored so far; stops before those of chunk `at`."""
    counts = {"videos": 0, "chunks": 0, "at": None}
    score = module.score_cases

    def counting(cases, *args, **options):
        if counts["chunks"] == counts["at"]:
            raise Stopped
        counts["chunks"] += 1
        counts["videos"] += len(cases)
        return score(cases, *args, **options)

    monkeypatch.setattr(module, "score_cases", counting)
    return counts


def same(one, other):
    """Every row, and all of the header but the moment it was made."""
    assert one.rows == other.rows
    assert replace(one.header, made="") == replace(other.header, made="")


@pytest.fixture
def run(crops, tiny_checkpoint):
    """Score the crops' validation side into a file."""
    return lambda file, **options: predict(
        tiny_checkpoint, crops, file, **{"part": "val", **options}
    )


@pytest.fixture
def whole(run, tmp_path):
    return run(tmp_path / "whole.parquet")


@pytest.mark.parametrize("at", [0, 1, 5, 9])
def test_stopped_before_any_chunk_nothing_is_scored_twice(at, whole, scored, run, tmp_path):
    file = tmp_path / "s.parquet"
    scored["at"] = at
    with pytest.raises(Stopped):
        run(file)
    assert not file.exists()
    done, scored["at"] = scored["videos"], None
    seen = []
    scores = run(file, watch=lambda *at: seen.append(at))
    same(scores, whole)
    assert scored["videos"] == 20
    assert seen[0] == (0, 20)
    assert seen[-1] == (20, 20)
    assert (done, 20) in seen
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.parquet", "whole.parquet"]


@pytest.fixture
def victim(crops, tiny_checkpoint, tmp_path):
    """A process that scores slowly."""
    context = multiprocessing.get_context("forkserver")
    given = tiny_checkpoint, crops, tmp_path / "s.parquet"
    process = context.Process(target=predict_slowly, args=given)
    process.start()
    return process


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
def test_killed_in_the_middle_nothing_is_lost(whole, scored, run, victim, tmp_path):
    file = tmp_path / "s.parquet"
    parts = tmp_path / "s.parquet.parts"
    deadline = time.monotonic() + 300
    while len(list(parts.glob("[0-9]*.parquet"))) < 3:
        assert victim.is_alive(), "the victim ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    assert victim.exitcode == -signal.SIGKILL
    kept = len(list(parts.glob("[0-9]*.parquet")))
    assert not file.exists()
    scored["videos"] = 0
    same(run(file), whole)
    assert scored["videos"] == 20 - 2 * kept
    assert not parts.exists()


def test_what_is_finished_is_not_scored_again(whole, scored, run, tmp_path):
    again = run(tmp_path / "whole.parquet")
    same(again, whole)
    assert scored["videos"] == 0


@pytest.mark.parametrize("is_finished", [False, True])
def test_scores_of_something_else_are_never_mixed_in(is_finished, scored, run, tmp_path):
    file = tmp_path / "s.parquet"
    scored["at"] = None if is_finished else 2
    try:
        run(file)
    except Stopped:
        scored["at"] = None
    for change in (
        {"corruption": Corruption(kind="blur", level=1)},
        {"clips": 1},
        {"part": "train"},
        {"limit": 5},
        {"backend": "torch"},
    ):
        with pytest.raises(UsageError, match=r"(?s)s\.parquet.*[Dd]elete"):
            run(file, **change)


def test_a_chunk_that_the_disk_spoiled_is_scored_again(whole, scored, run, tmp_path):
    file = tmp_path / "s.parquet"
    scored["at"] = 3
    with pytest.raises(Stopped):
        run(file)
    (tmp_path / "s.parquet.parts" / "00001.parquet").write_bytes(b"PAR1")
    scored["at"] = None
    same(run(file), whole)


def test_chunks_hold_every_case_once_in_order_whatever_their_size(crops):
    cases = open_exam(crops, Wanted(spec=InputSpec(size_px=64), part="val")).cases
    made = chunks.make_chunks(cases)
    assert [case for some in made for case in some] == list(cases)
    assert {len(some) for some in made} == {2}
    assert chunks.make_chunks([]) == []
