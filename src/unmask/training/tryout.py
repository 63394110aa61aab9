"""Does every system learn? `python -m unmask.training.tryout [PAGE]` trains tiny forms and says so.

For one recipe of each kind it measures the AUC on drawn people that were neither learned from nor
chosen on, with its interval over recordings, and writes the table between `<!-- tryout -->` and
`<!-- /tryout -->` in docs/recipes.md. Toy numbers: they say that a recipe, its data and its losses
go together, and nothing about forgeries in the world.
"""

from __future__ import annotations

import logging
import re
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from unmask.datasets.dataconfig import DataConfig
from unmask.datasets.toy import make_toy
from unmask.evaluation.intervals import Estimate, interval
from unmask.evaluation.metrics import auc
from unmask.evaluation.predict import predict
from unmask.evaluation.scores import Row
from unmask.training.recipe import read_recipe, with_data
from unmask.training.recipes import find_recipe, run_folder
from unmask.training.run import run_recipe

log = logging.getLogger(__name__)

PAGE = Path("docs/recipes.md")
LEARNED = 0.9  # AUC
CLIPS = 4  # of every video, where AUC is measured
_MARKED = re.compile(r"(<!-- tryout -->\n).*?(<!-- /tryout -->)", re.DOTALL)
_HEAD = (
    "| recipe | steps | training | AUC, unseen people (95 % interval) | |\n|---|--:|--:|---|---|\n"
)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One recipe's tiny form, long enough to learn."""

    recipe: str
    steps: int
    learns: bool = True  # to an AUC above .9
    why: str = ""  # not, or not more
    set: tuple[str, ...] = ()

    @property
    def overrides(self) -> list[str]:
        """What is laid over the recipe."""
        return ["scale=tiny", f"train.steps={self.steps}", *self.set]


CONSTANT = (
    "published defect: sound of width 1 becomes a constant, so there is nothing to learn from"
)
ONE = "of one method: without convolutions, four at once take longer than a tryout"
FAITHFUL = "as published: the same constant sound, and a code that was made to rebuild, not to tell"

# So few people to choose on are soon all told apart, and then the loss alone says which weights are
# better; averaged weights err less on others.
AVERAGED = ("train.ema_decay=0.99", "train.monitor=loss")

TRIALS: tuple[Trial, ...] = (
    Trial(recipe="dtn/paper", steps=120),
    Trial(recipe="dtn/table10-dtn", steps=120),
    Trial(recipe="hosts/table8-vit-mas", steps=400, why=ONE, set=('data.methods=["Deepfakes"]',)),
    Trial(recipe="hosts/table8-cvit-mas", steps=200),
    Trial(recipe="vit_distill/baseline_b7", steps=300),
    Trial(recipe="vit_distill/full", steps=600),
    Trial(recipe="av_cae/face_last", steps=200, learns=False, why=FAITHFUL),
    Trial(recipe="av_cae/audio_only", steps=200, learns=False, why=CONSTANT),
    Trial(recipe="av_cae/audio_only-embedded", steps=500, set=("train.lr=2e-3",)),
    Trial(
        recipe="av_cae/face_agg_fixedaudio-joint",
        steps=600,
        set=("train.lr=3e-3", "train.monitor=auc"),
    ),
    Trial(recipe="long_distance/st", steps=200),
    Trial(recipe="resnet3d/nl1234-scratch-all", steps=400, set=AVERAGED),
    Trial(
        recipe="timesformer/divided-scratch-single_df",
        steps=800,
        why=ONE,
        set=("train.batch=8", *AVERAGED),
    ),
    Trial(recipe="baselines/xception", steps=300, set=AVERAGED),
    Trial(recipe="baselines/sbi", steps=300, set=AVERAGED),
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What came of a trial."""

    trial: Trial
    auc: Estimate  # on people of the test side
    seconds: float

    @property
    def falls_short(self) -> bool:
        """Whether it should have learned and did not."""
        return self.trial.learns and not self.auc.value > LEARNED

    @property
    def line(self) -> str:
        """Row of the table."""
        return (
            f"| `{self.trial.recipe}` | {self.trial.steps} | {self.seconds:.0f} s "
            f"| {self.auc} | {self.trial.why} |"
        )


def attempt(trial: Trial, toy: Path) -> Found:
    """Train a trial, and what it begins with, in this folder, and measure it."""
    folder, spent_s = learned(trial, toy)
    data = with_data(read_recipe(trial.recipe, trial.overrides), toy).data
    return Found(trial=trial, auc=held_out(folder / "best", data), seconds=spent_s)


def learned(trial: Trial, toy: Path) -> tuple[Path, float]:
    """Train a trial after what it begins with; returns its checkpoint's folder and the seconds."""
    for name in find_recipe(trial.recipe).after:
        if not (run_folder(name, "tiny") / "best").exists():
            learned(
                next((t for t in TRIALS if t.recipe == name), Trial(recipe=name, steps=100)), toy
            )
    started_s = time.monotonic()
    _, folder = run_recipe(trial.recipe, overrides=trial.overrides, data_dir=toy)
    return folder, time.monotonic() - started_s


def held_out(checkpoint: Path, data: DataConfig) -> Estimate:
    """AUC of a checkpoint on the test side, with its interval over recordings."""
    (toy,) = data.paths
    scores = predict(checkpoint, toy, checkpoint.parent / "test.parquet", clips=CLIPS)
    learned = scores.where_video(lambda row: is_chosen(data, row)).at("clip")
    return interval(auc, learned.label.tolist(), learned.p_fake, learned.source)


def is_chosen(data: DataConfig, row: Row) -> bool:
    """Whether a recipe learned from videos of this kind."""
    method = not data.methods or row.label == 0 or row.method in data.methods
    return method and (not data.compressions or row.compression in data.compressions)


def table(found: Iterable[Found]) -> str:
    """Markdown table of what came of trials."""
    return _HEAD + "".join(f"{one.line}\n" for one in found)


def main(page: Path = PAGE) -> str | None:
    """Run all trials and write their table into a page; returns which fell short, if any did."""
    found: list[Found] = []
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with tempfile.TemporaryDirectory(prefix="unmask-") as folder, chdir(folder):
        make_toy(toy := Path("toy"))
        for trial in TRIALS:
            found.append(attempt(trial, toy))
            log.info(found[-1].line)
    text = page.read_text(encoding="utf-8")
    page.write_text(_MARKED.sub(rf"\g<1>{table(found)}\g<2>", text), encoding="utf-8")
    short = [one.trial.recipe for one in found if one.falls_short]
    return f"AUC of {LEARNED} or less: {', '.join(short)}" if short else None


if __name__ == "__main__":
    sys.exit(main(*(Path(word) for word in sys.argv[1:2])))
