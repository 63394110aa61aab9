"""Scores a model on examples it does not learn from, to choose among candidates."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import nn

from unmask.errors import DataError, UsageError
from unmask.models.base import to_tensors
from unmask.types import Batch, Losses

# auc: of the logits. loss: the objective's own. ce: its part of that name, without what other terms
# add. balanced: mean of the log losses of fakes and reals (Heo et al. choose by it).
Monitor = Literal["auc", "loss", "ce", "balanced"]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What a pass over the validation set found."""

    auc: float
    loss: float  # the objective's, in evaluation mode
    parts: dict[str, float]  # of the loss
    fake_loss: float  # log loss of the fakes' logits, and of the reals'
    real_loss: float
    n: int
    n_fake: int
    n_called_fake: int  # logit above 0

    @property
    def one_class_called(self) -> bool:
        """Whether every example was called the same."""
        return self.n_called_fake in {0, self.n}

    def better_than(self, other: Scores | None, monitor: Monitor) -> bool:
        """Whether to prefer this candidate; equal is not better, so that the earliest is kept."""
        return other is None or self.cost(monitor) < other.cost(monitor)

    def cost(self, monitor: Monitor) -> float:
        """What is to be minimised.

        Raises:
            UsageError: the objective has no part `ce`.
        """
        match monitor:
            case "auc":
                return -self.auc
            case "loss":
                return self.loss
            case "balanced":
                return (self.fake_loss + self.real_loss) / 2
            case "ce":
                if "ce" not in self.parts:
                    raise UsageError(
                        f"train.monitor = ce: this objective has the parts {', '.join(self.parts)}"
                    )
                return self.parts["ce"]


def validate(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    device: torch.device,
    interrupted: Callable[[], bool] = lambda: False,
) -> Scores | None:
    """Score an objective in evaluation mode; None if interrupted.

    Random states are put back afterwards: how often one validates changes nothing in training.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    logits: list[NDArray[np.float64]] = []
    labels: list[NDArray[np.float64]] = []
    devices = [device] if device.type == "cuda" else []
    model.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        for batch in batches:
            if interrupted():
                model.train()
                return None
            on_device = to_tensors(batch, device)
            losses: Losses = model(on_device)
            for name, value in {"loss": losses.total, **losses.parts}.items():
                sums[name] += float(value) * on_device.size
            logits.append(losses.logit.double().cpu().numpy())
            labels.append(on_device.label.double().cpu().numpy())
    model.train()
    if not labels:
        raise DataError("the validation set is empty; check the split")
    label = np.concatenate(labels)
    means = {name: total / len(label) for name, total in sums.items()}
    return summarise(np.concatenate(logits), label, means)


def summarise(
    logit: NDArray[np.float64], label: NDArray[np.float64], means: dict[str, float]
) -> Scores:
    """Turn logits (N,), labels (N,) and mean losses into scores.

    Raises:
        DataError: when the AUC is undefined because the labels are all of one class.
    """
    n, n_fake = len(label), int(label.sum())
    if n_fake in {0, n}:
        found = f"{n_fake} fakes and {n - n_fake} reals"
        raise DataError(f"the validation set holds {found}: AUC needs both; check the split")
    usable = bool(np.isfinite(logit).all())
    log_loss = np.logaddexp(0, np.where(label == 1, -logit, logit))  # -log of p(own class)
    return Scores(
        auc=float(roc_auc_score(label, logit)) if usable else math.nan,
        loss=means["loss"],
        parts={name: value for name, value in means.items() if name != "loss"},
        fake_loss=float(log_loss[label == 1].mean()),
        real_loss=float(log_loss[label == 0].mean()),
        n=n,
        n_fake=n_fake,
        n_called_fake=int((logit > 0).sum()),
    )
