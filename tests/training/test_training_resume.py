"""A run that was killed and resumed ends exactly where an uninterrupted one does."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_training
import torch

from unmask.training.optim import snapshot
from unmask.training.state import read_state

# Validation every 5 steps, epochs of 7 and states every 3: kills fall between all of them.
EXACT: dict[str, Any] = {
    "steps": 24,
    "valid_every": 5,
    "save_every": 3,
    "ema_decay": 0.9,
    "clip_norm": 1.0,
    "accumulate": 2,
    "schedule": "cosine",
    "warmup_steps": 4,
    "weight_decay": 0.01,
    "channels_last": True,
}


def train_lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "log.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    events = [json.loads(line) for line in lines]
    return [event for event in events if event["event"] == "train"]


def killed_at(folder: Path, step: int, changes: dict[str, Any], *, resume: bool) -> int:
    """Train in another process until the log shows `step`, then SIGKILL; returns the step seen."""
    context = multiprocessing.get_context("forkserver")
    victim = context.Process(target=tiny_training.fit_slowly, args=(folder, resume, changes))
    victim.start()
    deadline = time.monotonic() + 300
    while not ((seen := train_lines(folder)) and seen[-1]["step"] >= step):
        assert victim.is_alive(), "the victim ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    assert victim.exitcode == -signal.SIGKILL
    return int(seen[-1]["step"])


def tensors(value: Any, path: str = "") -> dict[str, Any]:
    """All leaves of a nested state, by path."""
    if isinstance(value, dict):
        return {k: v for key in value for k, v in tensors(value[key], f"{path}/{key}").items()}
    if isinstance(value, list | tuple):
        return {k: v for i, x in enumerate(value) for k, v in tensors(x, f"{path}/{i}").items()}
    return {path: value}


def assert_same_state(a: Path, b: Path) -> None:
    ignored = ("/progress/elapsed_s", "/log_length")
    one, two = tensors(read_state(a / "state.pt")), tensors(read_state(b / "state.pt"))
    assert one.keys() == two.keys()
    for path in one:
        if isinstance(one[path], torch.Tensor):
            assert torch.equal(one[path], two[path]), path
        elif path not in ignored:
            assert one[path] == two[path], path


@pytest.mark.parametrize(
    "precision",
    [
        "32-true",
        *(pytest.param(half, marks=pytest.mark.slow) for half in ("bf16-mixed", "bf16-true")),
    ],
)
def test_killed_and_resumed_equals_uninterrupted_bit_for_bit(
    tmp_path: Path, precision: str
) -> None:
    changes = {**EXACT, "precision": precision}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = tiny_training.fit(whole, **changes)
    first = killed_at(broken, random.randint(1, 8), changes, resume=False)
    second = killed_at(broken, random.randint(first + 1, 17), changes, resume=True)
    found = tiny_training.fit(broken, resume=True, **changes)
    print(f"killed at steps {first} and {second}")  # noqa: T201 - for whoever sees this fail
    assert found == expected
    assert_same_state(whole, broken)
    losses = [[(e["step"], e["loss"]) for e in train_lines(folder)] for folder in (whole, broken)]
    assert losses[0] == losses[1]
    assert [step for step, _ in losses[1]] == list(range(1, 25))


def test_resuming_before_the_first_save_begins_anew(tmp_path: Path) -> None:
    expected = tiny_training.fit(tmp_path / "whole", steps=4)
    assert tiny_training.fit(tmp_path / "empty", steps=4, resume=True) == expected


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    first = tiny_training.fit(tmp_path, steps=6)
    before = (tmp_path / "state.pt").read_bytes()
    assert tiny_training.fit(tmp_path, steps=6, resume=True) == first
    assert (tmp_path / "state.pt").read_bytes() == before


def test_the_best_is_handed_over_again_after_a_kill_before_it_was(tmp_path: Path) -> None:
    """The state is saved first, then the checkpoint is written; a kill may fall between."""
    kept: list[tuple[dict[str, Any], Any]] = []

    def killed(network: Any, scores: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny_training.fit(tmp_path, steps=7, ema_decay=0.9, keep_best=killed)
    expected = read_state(tmp_path / "state.pt")["progress"]
    outcome = tiny_training.fit(
        tmp_path,
        steps=7,
        ema_decay=0.9,
        resume=True,
        keep_best=lambda network, scores: kept.append((snapshot(network), scores)),
    )
    ((weights, scores),) = kept
    assert scores == outcome.best
    assert outcome.best_step == expected["best_step"] == 7
    assert all(torch.equal(weights[k], v) for k, v in expected["best_weights"].items())


def test_states_are_saved_by_the_clock_too(tmp_path: Path) -> None:
    def spoil(batch: Any, epoch: int, place: int) -> None:
        if place == 4:
            raise RuntimeError("the machine is gone")

    with pytest.raises(RuntimeError, match="gone"):
        tiny_training.fit(tmp_path, loader=tiny_training.TinyLoader(spoil), save_every_s=0.0)
    assert read_state(tmp_path / "state.pt")["progress"]["step"] == 4


@pytest.mark.parametrize("steps", [10, 5])
def test_an_interrupted_validation_is_done_again(tmp_path: Path, steps: int) -> None:
    """A signal during validation, the last, too, must cost neither candidate nor exactness."""
    expected = tiny_training.fit(tmp_path / "whole", steps=steps, valid_every=5)

    class Impatient(tiny_training.TinyLoader):
        def ordered(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
            for batch in super().ordered(*args, **kwargs):
                os.kill(os.getpid(), signal.SIGTERM)
                yield batch

    folder = tmp_path / "broken"
    stopped = tiny_training.fit(folder, steps=steps, valid_every=5, loader=Impatient())
    assert (stopped.stopped, stopped.step, stopped.best) == ("interrupted", 5, None)
    assert tiny_training.fit(folder, steps=steps, valid_every=5, resume=True) == expected
    assert_same_state(tmp_path / "whole", folder)
