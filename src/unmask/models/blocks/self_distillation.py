"""The objective of DTN, shared with all that Zhang et al. 2024 train beside it.

Cross-entropy, the contrastive-centre loss on two-dimensional logits, and distillation from the
previous generation (eq. 2-7). Systems import `LossConfig` and `Objective` from here under the same
names, which is where `models.create_objective` looks for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.models import base
from unmask.models.base import Network, freeze
from unmask.types import Batch, Losses, Output


def contrastive_centre(
    points: Tensor, label: Tensor, centres: Tensor, *, eps: float = 1.0, squared: bool = True
) -> Tensor:
    """Pull points (B, D) to their class centre and away from the other (eq. 3), mean over B.

    1/2 |x - c_y|^2 / (|x - c_(1-y)|^2 + eps). Eq. 3 prints the denominator unsquared; the loss it
    cites squares both, the default here (`squared=False` is eq. 3 to the letter).
    """
    distance = (points[:, None] - centres).square().sum(-1)  # (B, 2)
    y = label.long()[:, None]
    own, other = distance.gather(1, y), distance.gather(1, 1 - y)
    return (0.5 * own / ((other if squared else other.sqrt()) + eps)).mean()


def distillation(student: Tensor, teacher: Tensor, temperature: float, *, t2: bool) -> Tensor:
    """KL(teacher || student) of class logits (B, 2) softened by a temperature, mean over B.

    Eq. 4-6. `t2` multiplies by T^2, without which the term's gradient shrinks with the temperature;
    eq. 6 to the letter is `t2=False`.
    """
    log_student = F.log_softmax(student / temperature, -1)
    log_teacher = F.log_softmax(teacher / temperature, -1)
    loss = F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return loss * temperature**2 if t2 else loss


def class_pair(output: Output) -> Tensor:
    """Class logits (B, 2) of any system: its own pair, or (0, z) for a single logit."""
    if "pair" in output.aux:
        return output.aux["pair"]
    return torch.stack([torch.zeros_like(output.logit), output.logit], -1)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights and readings of eq. 2-7. The paper gives the weights for eq. 7 only."""

    alpha: tuple[float, float, float] = (4.0, 0.4, 0.6)  # CE, Ct-c, KD (eq. 7)
    centre_on: Literal["logits", "probs", "features"] = "logits"  # features = vanilla Ct-c, Fig. 6b
    centre_squared: bool = True
    centre_eps: float = 1.0  # ours; also bounds the loss
    temperature: float = 4.0  # T in eq. 4-5; ours, not given
    t2: bool = True
    feature_dim: int = 512  # for centre_on="features"


class Objective(base.Objective):
    """L_init = a1 CE + a2 Ct-c, and with a teacher L_DSD = L_init + a3 KD (eq. 7).

    Fits every system whose output is a pair or a single logit: DTN and the hosts of its Table 8.
    Centres are parameters of the criterion, without weight decay; students begin with fresh ones.
    """

    def __init__(
        self, model: Network, config: LossConfig | None = None, teacher: Network | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config or LossConfig()
        self.teacher = None if teacher is None else freeze(teacher)
        dim = self.config.feature_dim if self.config.centre_on == "features" else 2
        self.centres = nn.Parameter(torch.randn(2, dim))

    def forward(self, batch: Batch) -> Losses:
        """Losses of a labelled batch; parts: ce, centre, and kd with a teacher."""
        out = self.model(batch)
        pair, y = class_pair(out).float(), batch.label.long()
        a_ce, a_centre, a_kd = self.config.alpha
        parts = {
            "ce": F.cross_entropy(pair, y),  # eq. 2
            "centre": contrastive_centre(  # eq. 3
                self._points(out, pair),
                y,
                self.centres.float(),
                eps=self.config.centre_eps,
                squared=self.config.centre_squared,
            ),
        }
        total = a_ce * parts["ce"] + a_centre * parts["centre"]
        if self.teacher is not None:
            with torch.no_grad():
                soft = class_pair(self.teacher(batch)).float()
            parts["kd"] = distillation(pair, soft, self.config.temperature, t2=self.config.t2)
            total = total + a_kd * parts["kd"]
        return Losses(total=total, parts=parts, logit=out.logit)

    def _points(self, out: Output, pair: Tensor) -> Tensor:
        match self.config.centre_on:
            case "logits":
                return pair
            case "probs":
                return pair.softmax(-1)
        return out.aux["feature"].float()

    def param_groups(self) -> list[dict[str, Any]]:
        """The model's parameters, and the centres without weight decay."""
        return [*super().param_groups(), {"params": [self.centres], "weight_decay": 0.0}]
