"""What a missing number needs: the commands that would give it, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from unmask.evaluation.collected import GENERATION, Recipes, detector_of
from unmask.evaluation.published import Column, Row, Table, data_sides

SCORES = Path("evaluation")  # where `unmask evaluate` puts what it makes, too


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where prepared data and scores lie, or are to lie."""

    scores: Path = SCORES
    data: Mapping[str, Path] = field(default_factory=dict)  # by side (ffpp-c23) or data set (ffpp)
    scale: str = "full"  # of the recipes that would be run

    def folder(self, side: str) -> Path | None:
        """Where a side of a data set lies, as far as somebody has said."""
        return self.data.get(side) or self.data.get(data_sides()[side].dataset)


@dataclass(frozen=True, kw_only=True)
class Need:
    """What is to be done for one number."""

    prepare: tuple[str, ...]  # commands
    recipes: tuple[str, ...]  # to be trained, the first one first
    options: str  # of training
    learned_on: str  # side whose data set is learned from
    detector: str  # name that its scores will have
    checkpoint: Path
    on: str  # side to be scored; "" = the run itself is the answer
    data: str  # where that lies
    out: str

    @property
    def commands(self) -> tuple[str, ...]:
        """All of them, in order."""
        return tuple(commands_of([self]))


def commands_of(needs: Iterable[Need]) -> Iterator[str]:
    """Commands for many numbers: what several of them need is there once."""
    wanted = list(needs)
    yield from dict.fromkeys(command for need in wanted for command in need.prepare)
    yield from dict.fromkeys(
        f"unmask train {recipe}{need.options}" for need in wanted for recipe in need.recipes
    )
    scored: dict[tuple[str, str], dict[str, None]] = {}
    for need in (need for need in wanted if need.on):
        scored.setdefault((need.checkpoint.as_posix(), need.out), {})[need.data] = None
    for (checkpoint, out), data in scored.items():
        named = " ".join(f"--data {folder}" for folder in data)
        yield f"unmask evaluate {checkpoint} {named} --out {out}"


def need_of(
    name: str, row: Row, table: Table, column: Column, *, recipes: Recipes, place: Place
) -> Need:
    """Say what the number of one recipe in one column needs."""
    detector = detector_of(name, place.scale, recipes)
    sampling = row.sampling or table.sampling
    learned_on = table.learned_on(column)
    trained = recipes.done(detector, place.scale)
    base = name.partition(GENERATION)[0]
    sides = dict.fromkeys([*([] if trained else [learned_on]), *([column.on] if column.on else [])])
    drawn = {learned_on} if place.scale == "tiny" else set()  # tiny runs draw the toy data set
    return Need(
        prepare=tuple(
            _prepare(side, sampling, table)
            for side in sides
            if place.folder(side) is None and side not in drawn
        ),
        recipes=() if trained else (*_before(base, recipes, place), base),
        options=_options(learned_on, sampling, place),
        learned_on=learned_on,
        detector=detector,
        checkpoint=recipes.run(detector, place.scale) / "best",
        on=column.on,
        data=str(place.folder(column.on) or _prepared(column.on, sampling)) if column.on else "",
        out=place.scores.as_posix(),
    )


def _before(name: str, recipes: Recipes, place: Place) -> Iterator[str]:
    """Recipes that a recipe begins with and that have not been run, the first one first."""
    for one in recipes.after(name):
        if not recipes.done(detector_of(one, place.scale, recipes), place.scale):
            yield from _before(one, recipes, place)
            yield one


def _options(side: str, sampling: str, place: Place) -> str:
    """What `unmask train` is told beside the recipe."""
    if place.scale == "tiny":
        known = place.folder(side)
        return (f" --data {known}" if known else "") + " --set scale=tiny"
    return f" --data {place.folder(side) or _prepared(side, sampling)}"


def _prepared(side: str, sampling: str) -> str:
    """Folder that a prepared side is put into unless somebody says otherwise."""
    return f"prepared/{side}-{sampling}"


def _prepare(side: str, sampling: str, table: Table) -> str:
    known = data_sides()[side]
    target = f"{known.dataset} ROOT --out {_prepared(side, sampling)} --sampling {sampling}"
    return " ".join(filter(None, ("unmask prepare", target, known.prepare, table.prepare)))
