"""Training by two-way cross-entropy, the objective of every system that has no other.

Systems import `LossConfig` and `Objective` from here under the same names, which is where
`models.create_objective` looks for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from unmask.config import refuse_outside
from unmask.models import base
from unmask.models.base import Network
from unmask.types import Batch, Losses


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Cross-entropy, optionally with smoothed labels or with a weight per class."""

    label_smoothing: float = 0.0
    # (real, fake). Against 4 fakes per real, inverse to frequency with mean 1: (1.6, 0.4).
    class_weights: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        refuse_outside(self, "objective", label_smoothing="[0, 1)", class_weights="(0, inf)")


class Objective(base.Objective):
    """Cross-entropy of `aux["pair"]` (B, 2), the class logits (real, fake).

    With class weights the loss is the weighted mean: the sum of w_y CE over the sum of w_y, so that
    their common scale does not matter.
    """

    class_weights: Tensor

    def __init__(self, model: Network, config: LossConfig | None = None) -> None:
        super().__init__()
        self.model = model
        self.config = config or LossConfig()
        self.register_buffer(
            "class_weights", torch.tensor(self.config.class_weights), persistent=False
        )

    def forward(self, batch: Batch) -> Losses:
        """Losses of a labelled batch; parts: ce."""
        out = self.model(batch)
        ce = F.cross_entropy(
            out.aux["pair"].float(),
            batch.label.long(),
            weight=self.class_weights.float(),
            label_smoothing=self.config.label_smoothing,
        )
        return Losses(total=ce, parts={"ce": ce}, logit=out.logit)
