"""Deep self-distillation: a row of students, each taught by the one before (Algorithm 1).

Zhang et al. 2024, section III-D. Every generation is a run of its own in `generation-<n>/`, so that
an interruption anywhere, in the middle of a student too, is resumed as any run is. The printed
algorithm never computes the student's loss anew inside its inner loop and calls one module by two
names; here the monitored value is the mean over the validation set after every epoch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from unmask.errors import UsageError
from unmask.training.crew import Crew
from unmask.training.engine import Outcome
from unmask.training.fit import Say, fit
from unmask.training.folder import CONFIG
from unmask.training.recipe import DsdConfig, Recipe
from unmask.training.validation import Monitor

MONITORS: dict[str, Monitor] = {"dsd": "loss", "ce": "ce", "auc": "auc"}
SUMMARY = "generations.json"


def fit_generations(
    recipe: Recipe, dsd: DsdConfig, folder: Path, *, fabric: Fabric, resume: bool, say: Say
) -> tuple[Outcome, Path]:
    """Train a teacher and its students; returns the selected one and its folder.

    `train.max_hours` is the budget of each generation. Where a run ends early, by the budget of its
    hours or by hand, it is the last: what follows would learn from an unfinished teacher.
    """
    crew = Crew(fabric)
    if crew.leads:
        refuse_other_regime(folder, resume=resume)
    crew.wait()
    outcomes: list[Outcome] = []
    for generation in range(dsd.generations + 1):
        place = folder_of(folder, generation)
        say(f"generation {generation} of {dsd.generations}: {place}")
        plan = recipe_of(recipe, dsd, folder, generation)
        begun = crew.agreed(resume and (place / CONFIG).exists())
        outcome = fit(plan, place, fabric=fabric, resume=begun, say=say)
        outcomes.append(outcome)
        if outcome.stopped == "interrupted":
            return outcome, place
        if is_last(outcomes, dsd):
            break
    chosen = select(outcomes, dsd)
    if crew.leads:
        write_summary(folder, outcomes, chosen)
    if dsd.select is not None and chosen != dsd.select:
        say(f"dsd.select asks for generation {dsd.select}, but the row ended before it was trained")
    say(f"generation {chosen} is the result")
    return outcomes[chosen], folder_of(folder, chosen)


def folder_of(folder: Path, generation: int) -> Path:
    """Where a generation's run is."""
    return folder / f"generation-{generation}"


def recipe_of(recipe: Recipe, dsd: DsdConfig, folder: Path, generation: int) -> Recipe:
    """Say how one generation is trained.

    A student starts from its teacher's best weights, with fresh centres, optimizer and schedule.
    """
    name = f"{recipe.name}/generation-{generation}"
    if generation == 0:
        return replace(recipe, name=name, dsd=None)
    teacher = str(folder_of(folder, generation - 1) / "best")
    train = replace(recipe.train, monitor=MONITORS[dsd.monitor], patience=dsd.patience)
    return replace(
        recipe, name=name, dsd=None, init=None, init_from=teacher, teacher=teacher, train=train
    )


def is_last(outcomes: list[Outcome], dsd: DsdConfig) -> bool:
    """Whether the row ends here: out of hours, or Algorithm 1's student that is no better."""
    if outcomes[-1].stopped == "budget":
        return True
    if dsd.stop == "fixed" or len(outcomes) < 3:
        return False
    return cost(outcomes[-1], dsd) >= cost(outcomes[-2], dsd)


def select(outcomes: list[Outcome], dsd: DsdConfig) -> int:
    """Say which generation is the result.

    The teacher's loss has no distillation in it, so by `dsd` only students compare. Where the row
    ended before the student that was asked for, the best of those there are takes its place.
    """
    if dsd.select is not None and dsd.select < len(outcomes):
        return dsd.select
    if len(outcomes) == 1:
        return 0
    return min(range(1, len(outcomes)), key=lambda n: cost(outcomes[n], dsd))


def cost(outcome: Outcome, dsd: DsdConfig) -> float:
    """What the generations are compared by, lower is better."""
    assert outcome.best is not None, "a run validates before it ends, unless it is interrupted"
    return outcome.best.cost(MONITORS[dsd.monitor])


def write_summary(folder: Path, outcomes: list[Outcome], chosen: int) -> None:
    """Write every generation's scores and the choice to `generations.json`."""
    rows: list[dict[str, Any]] = [
        {"generation": n, **asdict(outcome)} for n, outcome in enumerate(outcomes)
    ]
    document = {"selected": chosen, "generations": rows}
    (folder / SUMMARY).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def refuse_other_regime(folder: Path, *, resume: bool) -> None:
    """Refuse a folder that holds a run, unless it is this one to be resumed."""
    begun = folder_of(folder, 0).exists()
    if begun and not resume:
        raise UsageError(
            f"{folder}: holds generations already; go on with --resume, or choose another --out"
        )
    if resume and not begun:
        raise UsageError(f"{folder}: holds no generations to resume; leave --resume out")
