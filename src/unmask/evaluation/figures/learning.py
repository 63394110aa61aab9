"""How runs learned, from the logs in their folders.

Validation losses of fakes, of reals and their mean are Fig. 2 of Heo et al. 2021, who keep the
weights with the lowest mean. Hours are those of training steps, from the speed that the log tells;
validating and saving are not in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from unmask.errors import DataError
from unmask.evaluation.figures import Asked, canvas

LOG, CONFIG = "log.jsonl", "config.json"  # of a run folder
Event = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run's log: every validation, and how fast it went."""

    name: str
    folder: Path
    valid: Sequence[Event]
    learned: Sequence[Event]
    batch: int
    data_digest: str

    @property
    def kept(self) -> Event:
        """The validation whose weights were kept."""
        return [event for event in self.valid if event["best"]][-1]

    def hours(self, step: int) -> float:
        """Hours of training until a step."""
        at, total_s = 0, 0.0
        for event in self.learned:
            to = min(event["step"], step)
            total_s += max(0, to - at) * self.batch / event["img_per_s"]
            at = max(at, to)
        if at < step and self.learned:
            total_s += (step - at) * self.batch / self.learned[-1]["img_per_s"]
        return total_s / 3600


def draw_losses(asked: Asked) -> canvas.Picture:
    """Validation log loss of fakes, of reals, and their mean, a line for each run."""
    runs = read_runs(asked.runs)
    figure = canvas.figure_of(height_in=3.6)
    panels = figure.subplots(1, 3, sharey=True)
    numbers: dict[str, Any] = {}
    for i, run in enumerate(runs):
        steps = [event["step"] for event in run.valid]
        for axes, values in zip(panels, _losses(run), strict=True):
            colour = canvas.colour_of(i)
            axes.plot(steps, values, color=colour, linewidth=1.5)
            at = steps.index(run.kept["step"])
            axes.plot(steps[at], values[at], canvas.marker_of(i), color=colour, markersize=7,
                      markerfacecolor="white", markeredgewidth=1.5)  # fmt: skip
        numbers[run.name] = _loss_numbers(run)
    for axes, what in zip(panels, ("fakes", "reals", "mean of both"), strict=True):
        axes.set(title=what, xlabel="step")
        axes.set_ylim(bottom=0)
    panels[0].set_ylabel("log loss")
    ends = [(_losses(run)[2][-1], run.name, canvas.colour_of(i)) for i, run in enumerate(runs)]
    canvas.label_ends(panels[2], ends)
    canvas.title(figure, "Validation loss", "Marked: where the kept weights were validated")
    return canvas.Picture(figure=figure, numbers=numbers, inputs=_inputs(runs))


def draw_training(asked: Asked) -> canvas.Picture:
    """Validation AUC of several runs, against steps and against hours."""
    runs = read_runs(asked.runs)
    for run in runs:
        if not run.learned:
            raise DataError(f"{run.name}: the log tells no speed, so there are no hours to draw "
                            "over; runs shorter than train.log_every say none")  # fmt: skip
    figure = canvas.figure_of(height_in=3.6)
    left, right = figure.subplots(1, 2, sharey=True)
    ends, numbers = [], {}
    for i, run in enumerate(runs):
        steps = [event["step"] for event in run.valid]
        hours = [run.hours(step) for step in steps]
        aucs = [event["auc"] for event in run.valid]
        colour, at = canvas.colour_of(i), steps.index(run.kept["step"])
        for axes, along in ((left, steps), (right, hours)):
            axes.plot(along, aucs, color=colour, linewidth=1.5)
            axes.plot(along[at], aucs[at], canvas.marker_of(i), color=colour, markersize=7,
                      markerfacecolor="white", markeredgewidth=1.5)  # fmt: skip
        ends.append((aucs[-1], f"{run.name}: {aucs[at]:.3f}", colour))
        numbers[run.name] = {
            "kept": {"step": steps[at], "hours": hours[at], "auc": aucs[at]},
            "last": {"step": steps[-1], "hours": hours[-1], "auc": aucs[-1]},
            "steps": steps,
            "hours": hours,
            "auc": aucs,
        }
    left.set(xlabel="step", ylabel="validation AUC")
    right.set(xlabel="hours of training steps")
    canvas.label_ends(right, ends)
    canvas.title(figure, "What runs learned, by steps and by hours",
                 "Marked, with its AUC: the kept weights. They were chosen on these very "
                 "examples, so the AUC flatters them a little")  # fmt: skip
    return canvas.Picture(figure=figure, numbers=numbers, inputs=_inputs(runs))


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read the logs of run folders.

    Raises:
        DataError: no log, or nothing was validated yet.
    """
    return _named_apart([_read(folder) for folder in folders])


def _read(folder: Path) -> Run:
    try:
        lines = (folder / LOG).read_text(encoding="utf-8").splitlines()
        record = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        events = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder}: no run of `unmask train` can be read there ({error})"
        ) from error
    valid = [event for event in events if event["event"] == "valid"]
    if not valid:
        raise DataError(f"{folder}: nothing was validated in this run yet, so it has no curve")
    return Run(
        name=record["recipe"]["name"],
        folder=folder,
        valid=valid,
        learned=[event for event in events if event["event"] == "train"],
        batch=record["recipe"]["train"]["batch"],
        data_digest=record.get("data_digest", ""),
    )


def _named_apart(runs: Sequence[Run]) -> list[Run]:
    """Runs of one recipe are called by their folders."""
    names = [run.name for run in runs]
    return [
        run if names.count(run.name) == 1 else replace(run, name=run.folder.as_posix())
        for run in runs
    ]


def _losses(run: Run) -> tuple[list[float], list[float], list[float]]:
    """Validation losses of fakes, of reals, and their mean.

    Raises:
        DataError: the log does not tell them apart.
    """
    if any("fake_loss" not in event or "real_loss" not in event for event in run.valid):
        raise DataError(f"{run.folder}: its log does not tell the losses of fakes and of reals "
                        "apart; runs of this version do")  # fmt: skip
    fake = [float(event["fake_loss"]) for event in run.valid]
    real = [float(event["real_loss"]) for event in run.valid]
    return fake, real, [(f + r) / 2 for f, r in zip(fake, real, strict=True)]


def _loss_numbers(run: Run) -> dict[str, Any]:
    fake, real, mean = _losses(run)
    steps = [event["step"] for event in run.valid]
    at, lowest = steps.index(run.kept["step"]), int(np.argmin(mean))
    return {
        "kept": {"step": steps[at], "fake": fake[at], "real": real[at], "mean": mean[at],
                 "fake_less_real": fake[at] - real[at]},
        "lowest_mean": {"step": steps[lowest], "mean": mean[lowest]},
        "steps": steps, "fake": fake, "real": real, "mean": mean,
    }  # fmt: skip


def _inputs(runs: Sequence[Run]) -> list[dict[str, Any]]:
    return [{"run": run.name, "data_digest": run.data_digest, "batch": run.batch} for run in runs]
