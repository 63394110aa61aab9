"""The curves of a run as one picture: what was learned, what validation said, and the rate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unmask.training.log import LOG

PICTURE = "curves.png"
Events = list[dict[str, Any]]
NOT_LOSSES = frozenset({"event", "step", "epoch", "lr", "img_per_s", "waited", "grad_norm"})


def draw_curves(folder: Path) -> Path:
    """Draw `log.jsonl` of a run folder into `curves.png`; returns its path.

    Left: losses of training, by part. Middle: validation, the log losses of fakes, of reals and
    their mean (Heo et al. 2021, Fig. 2). Right: validation AUC, and the learning rate.
    """
    lines = (folder / LOG).read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    learned = [event for event in events if event["event"] == "train"]
    valid = [event for event in events if event["event"] == "valid"]
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    _losses(left, learned)
    _log_losses(middle, valid)
    _auc_and_rate(right, valid, learned)
    for axes in (left, middle, right):
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.spines[["top"]].set_visible(False)
    figure.savefig(folder / PICTURE, dpi=110)
    return folder / PICTURE


def _losses(axes: Axes, learned: Events) -> None:
    names = [name for name in (learned[0] if learned else {}) if name not in NOT_LOSSES]
    for name in names:
        points = [(event["step"], event[name]) for event in learned if name in event]
        style = {"color": "black", "linewidth": 1.8} if name == "loss" else {"linewidth": 1}
        axes.plot(*zip(*points, strict=True), label=name, **style)
    axes.set_title("training loss")
    if names:
        axes.legend(frameon=False)


def _log_losses(axes: Axes, valid: Events) -> None:
    steps = [event["step"] for event in valid]
    fake = [event["fake_loss"] for event in valid]
    real = [event["real_loss"] for event in valid]
    mean = [(f + r) / 2 for f, r in zip(fake, real, strict=True)]
    axes.plot(steps, fake, color="#b3261e", marker=".", label="fakes")
    axes.plot(steps, real, color="#1b5e9b", marker=".", label="reals")
    axes.plot(steps, mean, color="black", linestyle="--", label="mean")
    axes.set_title("validation log loss")
    axes.legend(frameon=False)


def _auc_and_rate(axes: Axes, valid: Events, learned: Events) -> None:
    steps, aucs = [event["step"] for event in valid], [event["auc"] for event in valid]
    axes.plot(steps, aucs, color="black", marker=".")
    best = [event for event in valid if event["best"]]
    if best:
        last = best[-1]
        axes.plot(last["step"], last["auc"], "o", color="#b3261e", fillstyle="none", markersize=9)
        axes.set_title(f"validation AUC; kept: {last['auc']:.3f} at step {last['step']}")
    rate = axes.twinx()
    rate.plot(
        [event["step"] for event in learned],
        [event["lr"] for event in learned],
        color="#888888",
        linewidth=0.8,
    )
    rate.set_ylabel("learning rate", color="#666666")
    rate.tick_params(axis="y", colors="#666666")
    rate.spines[["top"]].set_visible(False)
