"""The objective of DTN, shared with all that Zhang et al. 2024 train beside it.

Cross-entropy, the contrastive-centre loss on two-dimensional logits, and distillation from the
previous generation (eq. 2-7). Systems import `LossConfig` and `Objective` from here under the same
names, which is where `models.create_objective` looks for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.config import refuse_outside
from unmask.errors import UsageError
from unmask.models import base
from unmask.models.base import Network, freeze
from unmask.models.blocks.disturbed_copies import unsure, with_copies
from unmask.types import Batch, Losses, Output


def contrastive_centre(
    points: Tensor, label: Tensor, centres: Tensor, *, eps: float = 1.0, squared: bool = True
) -> Tensor:
    """Pull points (B, D) to their class centre and away from the other (eq. 3), (B,).

    1/2 |x - c_y|^2 / (|x - c_(1-y)|^2 + eps). Eq. 3 prints the denominator unsquared; the loss it
    cites squares both, the default here (`squared=False` is eq. 3 to the letter).
    """
    distance = (points[:, None] - centres).square().sum(-1)  # (B, 2)
    y = label.long()[:, None]
    own, other = distance.gather(1, y), distance.gather(1, 1 - y)
    return 0.5 * own[:, 0] / ((other if squared else other.sqrt())[:, 0] + eps)


def distillation(student: Tensor, teacher: Tensor, temperature: float, *, t2: bool) -> Tensor:
    """KL(teacher || student) of class logits (B, 2) softened by a temperature, (B,).

    Eq. 4-6. `t2` multiplies by T^2, without which the term's gradient shrinks with the temperature;
    eq. 6 to the letter is `t2=False`.
    """
    log_student = F.log_softmax(student / temperature, -1)
    log_teacher = F.log_softmax(teacher / temperature, -1)
    loss = F.kl_div(log_student, log_teacher, reduction="none", log_target=True).sum(-1)
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
    # Two ideas of the paper's limitations, off; amounts are ours. In training with a teacher only.
    reweight: float = 1.0  # weight of an item that the teacher gets wrong, beside 1 of the others
    augment_ambiguous: int = 0  # disturbed copies of each item of which the teacher is not sure

    def __post_init__(self) -> None:
        refuse_outside(self, "objective", alpha="[0, inf)", augment_ambiguous="[0, inf)")
        positive = ("centre_eps", "temperature", "reweight")
        refuse_outside(self, "objective", **dict.fromkeys(positive, "(0, inf)"))
        refuse_outside(self, "objective", feature_dim="[1, inf)")


@dataclass(kw_only=True)
class Lesson:
    """What one step learns from: clips, and what a teacher says of them."""

    batch: Batch  # with disturbed copies behind it where they are asked for
    weight: Tensor  # (B,) of each item in the loss
    soft: Tensor | None = None  # (B, 2) class logits of the teacher
    shares: dict[str, Tensor] = field(default_factory=dict)  # for the log


class Objective(base.Objective):
    """L_init = a1 CE + a2 Ct-c, and with a teacher L_DSD = L_init + a3 KD (eq. 7).

    Fits every system whose output is a pair or a single logit: DTN, the hosts of its Table 8,
    Xception. Centres are parameters of the criterion, without weight decay; students begin with
    fresh ones.
    """

    teacher: Network | None

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
        """Losses of a labelled batch; parts: ce, centre.

        With a teacher also kd, and the shares of items that the teacher gets `wrong` and of which
        it is `unsure`.
        """
        lesson = self._lesson(batch)
        out = self.model(lesson.batch)
        weight = lesson.weight / lesson.weight.sum()
        parts = {name: (weight * loss).sum() for name, loss in self._each(out, lesson).items()}
        total = sum(a * part for a, part in zip(self.config.alpha, parts.values(), strict=False))
        return Losses(total=total, parts=parts | lesson.shares, logit=out.logit[: batch.size])

    def _each(self, out: Output, lesson: Lesson) -> dict[str, Tensor]:
        """Losses (B,) of every item, in the order of `alpha`."""
        config, pair, y = self.config, class_pair(out).float(), lesson.batch.label.long()
        each = {
            "ce": F.cross_entropy(pair, y, reduction="none"),  # eq. 2
            "centre": contrastive_centre(  # eq. 3
                self._points(out, pair),
                y,
                self.centres.float(),
                eps=config.centre_eps,
                squared=config.centre_squared,
            ),
        }
        if lesson.soft is not None:  # eq. 4-6
            each["kd"] = distillation(pair, lesson.soft, config.temperature, t2=config.t2)
        return each

    @torch.no_grad()
    def _lesson(self, batch: Batch) -> Lesson:
        """Ask the teacher, if there is one; in training act on what it does not know."""
        if self.teacher is None:
            return Lesson(batch=batch, weight=torch.ones_like(batch.label))
        soft = class_pair(self.teacher(batch)).float()
        doubtful, wrong = _judged(soft, batch.label)
        shares = {"wrong": wrong.float().mean(), "unsure": doubtful.float().mean()}
        if self.training and self.config.augment_ambiguous:
            batch = with_copies(batch, doubtful, self.config.augment_ambiguous)
            soft = class_pair(self.teacher(batch)).float()
            _, wrong = _judged(soft, batch.label)
        weight = 1 + wrong * (self.config.reweight - 1 if self.training else 0.0)
        return Lesson(batch=batch, weight=weight, soft=soft, shares=shares)

    def _points(self, out: Output, pair: Tensor) -> Tensor:
        match self.config.centre_on:
            case "logits":
                return pair
            case "probs":
                return pair.softmax(-1)
        feature = out.aux.get("feature")
        width = None if feature is None else feature.shape[-1]
        if feature is None or width != self.config.feature_dim:
            raise UsageError(
                f"objective.centre_on = features, objective.feature_dim = "
                f"{self.config.feature_dim}: the network's features have the width {width}"
            )
        return feature.float()

    def param_groups(self) -> list[dict[str, Any]]:
        """The model's parameters, and the centres without weight decay."""
        return [*super().param_groups(), {"params": [self.centres], "weight_decay": 0.0}]


def _judged(soft: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Where a teacher's pairs (B, 2) are unsure, and where they are wrong: (B,) bool each."""
    p_fake = soft.softmax(-1)[:, 1]
    return unsure(p_fake), (p_fake >= 0.5) != (label > 0.5)
