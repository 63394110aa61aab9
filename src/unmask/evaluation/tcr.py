"""TCR, the true classification rate of Das et al.: the share of test videos called right at 0.5.

Their leave-one-out table fits 140 + 140 videos, their table of four methods 140 x 5, each real
once; fakes are not weighted down, so whoever calls everything fake reaches .8 on four methods.
(Their tables II and IV fit neither.) What the paper leaves open, and how it is counted here: a
score of exactly 0.5 is "fake"; a video that could not be scored is left out of `of_scored`, as the
paper had none, and is wrong in `of_all`; in the field's other convention (`with_reals`) every real
counts once for each method. A video's score is the mean over its clips (rule "mean").
"""

from __future__ import annotations

from dataclasses import dataclass

from unmask.errors import DataError
from unmask.evaluation.metrics import EVEN
from unmask.evaluation.scores import Scored


@dataclass(frozen=True, kw_only=True)
class Tcr:
    """Videos called right at 0.5, as counts."""

    fakes_right: int
    fakes: int  # with a score
    reals_right: int
    reals: int
    missed: int  # videos without a score

    @property
    def right(self) -> int:
        """Videos called right."""
        return self.fakes_right + self.reals_right

    @property
    def of_scored(self) -> float:
        """The rate as the paper has it: of the videos that have a score."""
        return self.right / (self.fakes + self.reals)

    @property
    def of_all(self) -> float:
        """The rate of all videos, where one without a score is not right."""
        return self.right / (self.fakes + self.reals + self.missed)

    @property
    def balanced(self) -> float:
        """Mean of the rates among fakes and among reals.

        Raises:
            DataError: there are none of one of them.
        """
        if not self.fakes or not self.reals:
            missing = "fakes" if not self.fakes else "reals"
            raise DataError(f"no {missing} were scored, so the balanced rate is undefined")
        return (self.fakes_right / self.fakes + self.reals_right / self.reals) / 2

    def with_reals(self, times: int) -> float:
        """Return the rate when every real counts several times, once for each method."""
        right = self.fakes_right + times * self.reals_right
        return right / (self.fakes + times * self.reals)


def tcr(scored: Scored) -> Tcr:
    """Count videos called right at 0.5.

    Raises:
        DataError: no video was scored, or these are not scores of videos.
    """
    if scored.level != "video":
        raise DataError(f"TCR counts videos, and these are scores of {scored.level}s")
    if not len(scored):
        raise DataError(f"none of {scored.n_videos} videos was scored, so there is no TCR")
    fake = scored.label == 1
    called = scored.p_fake >= EVEN
    return Tcr(
        fakes_right=int((called & fake).sum()),
        fakes=int(fake.sum()),
        reals_right=int((~called & ~fake).sum()),
        reals=int((~fake).sum()),
        missed=sum(scored.missed.values()),
    )
