"""Does every system learn? `python -m unmask.training.tryout [PAGE]` trains tiny forms and says so.

For one recipe of each kind it measures the AUC on drawn people that were neither learned from nor
chosen on, with its interval over recordings, and writes the table between `<!-- tryout -->` and
`<!-- /tryout -->` in docs/recipes.md. Toy numbers: they say that a recipe, its data and its losses
go together, and nothing about forgeries in the world.
"""

from __future__ import annotations

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
from unmask.training.recipes import find_recipe
from unmask.training.run import run_recipe

PAGE = Path("docs/recipes.md")
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
    why: str = ""  # not
    set: tuple[str, ...] = ()


CONSTANT = (
    "published defect: sound of width 1 becomes a constant, so there is nothing to learn from"
)

TRIALS: tuple[Trial, ...] = (
    Trial(recipe="dtn/paper", steps=120),
    Trial(recipe="dtn/table10-dtn", steps=120),
    Trial(recipe="hosts/table8-vit-mas", steps=400),
    Trial(recipe="hosts/table8-cvit-mas", steps=200),
    Trial(recipe="vit_distill/baseline_b7", steps=200),
    Trial(recipe="vit_distill/full", steps=300),
    Trial(recipe="av_cae/audio_only", steps=200, learns=False, why=CONSTANT),
    Trial(recipe="av_cae/audio_only-embedded", steps=300),
    Trial(recipe="av_cae/face_agg_fixedaudio-joint", steps=300),
    Trial(recipe="long_distance/st", steps=300),
    Trial(recipe="resnet3d/nl1234-scratch-all", steps=300),
    Trial(recipe="timesformer/divided-scratch-all", steps=300),
    Trial(recipe="baselines/xception", steps=200),
    Trial(recipe="baselines/sbi", steps=300),
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What came of a trial."""

    trial: Trial
    auc: Estimate  # on people of the test side
    seconds: float

    @property
    def line(self) -> str:
        """Row of the table."""
        return (
            f"| `{self.trial.recipe}` | {self.trial.steps} | {self.seconds:.0f} s "
            f"| {self.auc} | {self.trial.why} |"
        )


def attempt(trial: Trial, toy: Path) -> Found:
    """Train a trial, and what it begins with, in this folder, and measure it."""
    for name in find_recipe(trial.recipe).after:
        if not (Path("runs/tiny") / name / "best").exists():
            earlier = next((t for t in TRIALS if t.recipe == name), Trial(recipe=name, steps=100))
            attempt(earlier, toy)
    overrides = ["scale=tiny", f"train.steps={trial.steps}", *trial.set]
    started_s = time.monotonic()
    _, folder = run_recipe(trial.recipe, overrides=overrides, data_dir=toy)
    spent_s = time.monotonic() - started_s
    data = with_data(read_recipe(trial.recipe, overrides), toy).data
    return Found(trial=trial, auc=held_out(folder / "best", data), seconds=spent_s)


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


def main(page: Path = PAGE) -> None:
    """Run all trials and write their table into a page."""
    with tempfile.TemporaryDirectory(prefix="unmask-") as folder, chdir(folder):
        make_toy(toy := Path("toy"))
        made = table(attempt(trial, toy) for trial in TRIALS)
    text = page.read_text(encoding="utf-8")
    page.write_text(_MARKED.sub(rf"\g<1>{made}\g<2>", text), encoding="utf-8")


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:2]))
