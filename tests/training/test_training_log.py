"""What is written can be parsed, cut back, and averages what it says."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import pytest
import tiny_training
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from unmask.training.curves import draw_curves
from unmask.training.log import Display, RunLog, Window, duration


def test_the_log_is_cut_back_to_where_the_state_was_saved(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    log.write("train", step=1, loss=0.5)
    saved = log.length
    log.write("train", step=2, loss=0.4)
    log.close()
    resumed = RunLog(tmp_path / "log.jsonl")
    resumed.cut(saved)
    resumed.write("train", step=2, loss=0.3)
    resumed.close()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(1, 0.5), (2, 0.3)]


def test_cutting_behind_the_end_keeps_everything(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    log.write("start", step=0)
    length = log.length
    log.cut(10_000)
    assert log.length == length
    log.close()


def test_a_value_that_is_no_number_never_reaches_the_log(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    with pytest.raises(ValueError, match="not JSON compliant"):
        log.write("train", loss=float("nan"))
    log.close()


def test_a_window_means_values_and_times() -> None:
    window = Window()
    for loss in (1.0, 2.0, 6.0):
        window.add({"loss": torch.tensor(loss, dtype=torch.bfloat16)}, seconds=0.5, waited_s=0.1)
    assert window.means() == {"loss": 3.0}
    assert window.steps_per_s == pytest.approx(2.0)
    assert window.waited == pytest.approx(0.2)


def test_without_a_terminal_figures_come_as_plain_lines_now_and_then() -> None:
    out = io.StringIO()
    with Display(10, 0, console=Console(file=out)) as display:
        for step in range(1, 6):
            display.step(step)
            display.text(step, f"loss {step}")
        display.say("done [bold]as is[/bold]")
    assert out.getvalue() == "step 1: loss 1\ndone [bold]as is[/bold]\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (99, "99 s"), (100, "2 min"), (3570, "1 h 00 min"), (86_400 * 2, "2 d 0 h")],
)
def test_durations_read_at_a_glance(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_tensorboard_has_every_logged_number_once_after_a_resume(tmp_path: Path) -> None:
    tiny_training.fit(tmp_path, steps=4, valid_every=2, save_every=4)
    tiny_training.fit(tmp_path, steps=6, valid_every=2, resume=True)
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    for event, name in (("train", "loss"), ("train", "bce"), ("valid", "auc"), ("valid", "bce")):
        expected = {
            e["step"]: {**e, **e.get("parts", {})}[name] for e in logged if e["event"] == event
        }
        shown = {point.step: point.value for point in board.Scalars(f"{event}/{name}")}
        assert shown == pytest.approx(expected, rel=1e-6)


def test_curves_are_drawn_of_any_run(tmp_path: Path) -> None:
    tiny_training.fit(tmp_path, steps=4, valid_every=2)
    picture = cv2.imread(str(draw_curves(tmp_path)))
    assert picture.shape[1] > picture.shape[0] > 300
    assert picture.std() > 10
    (tmp_path / "log.jsonl").write_text("")  # stopped before its first line
    draw_curves(tmp_path)
