"""Finds recipes by name and resolves them to plain tables. Imports no torch: they list at once.

A file holds a base recipe, rows that differ from it by a few values, and a tiny form in which all
of them can be tried out in a minute:

    name = "dtn/paper"                      # the base; without a name there are only its rows
    [about]                                 # of the publication, see `About`
    [model] [objective] [data] [train] ...  # the recipe itself, see `Recipe` in training/run.py
    [[row]]                                 # see `Row`
    [axes.NAME.CHOICE]                      # values that rows go through, see `Choice`
    [tiny]                                  # what `--set scale=tiny` lays over base and row

Precedence: class default < base < row < tiny form (the file's, then the row's) < `--set`; nothing
else. Where a recipe begins with the checkpoint of another one, it says `recipe:NAME`: the best
checkpoint in that recipe's own run folder, of the same scale. An empty string takes such a key's
value in the base away.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial, reduce
from importlib.resources import files
from pathlib import Path
from typing import Any

from unmask.config import REFERRING, Table, build, merge, parse_overrides, read_toml, suggestion
from unmask.errors import ConfigError, UsageError

RUNS = Path("runs")
SCALES = ("full", "tiny")
REFERENCE = "recipe:"
_AXIS = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class About:
    """What is known of a published run. Nothing here changes what is computed."""

    publication: str
    where: str = ""  # in the publication
    data: str = ""  # what the published run learned from, and what --data must hold
    result: str = ""  # published, with its source
    cost: str = ""  # time and hardware, published or measured, and by whom
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One value of an axis."""

    set: Table = field(default_factory=dict)
    tiny: Table = field(default_factory=dict)
    table: str = ""  # of the publication; replaces that of the row
    row: str = ""  # said after that of the row


@dataclass(frozen=True, kw_only=True)
class Row:
    """A recipe that differs from the base by a few values.

    `{axis}` in the name makes it a family, one recipe for every choice of that axis. What the row
    itself sets is laid over what the choices set.
    """

    name: str
    table: str = ""  # of the publication, e.g. "Table 9"
    row: str = ""  # as it is called there
    result: str = ""  # published
    # Published, of a family: by how names go on after the fixed part, or how that begins.
    results: dict[str, str] = field(default_factory=dict)
    set: Table = field(default_factory=dict)
    tiny: Table = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A recipe as its file has it."""

    path: Path
    about: About | None
    said: Row  # of it alone; the base's has only a name
    values: Table  # base and row
    tiny: Table | None  # None = it has no tiny form

    @property
    def name(self) -> str:
        """What it is run by."""
        return self.said.name

    @property
    def family(self) -> str:
        """First part of the name."""
        return self.name.partition("/")[0]

    @property
    def after(self) -> tuple[str, ...]:
        """Recipes whose checkpoints it begins with."""
        return tuple(dict.fromkeys(_referred(self.values)))


def run_folder(name: str, scale: str) -> Path:
    """Where a recipe's run lies unless somebody says otherwise: tiny ones out of the way."""
    return (RUNS if scale == "full" else RUNS / scale) / name


def recipe_files() -> tuple[Path, ...]:
    """Files of the recipes that come with unmask."""
    package = Path(str(files("unmask")))
    # In a wheel they lie inside the package, in a checkout at its root.
    folders = [package / "recipes", package.parents[1] / "recipes"]
    folder = next((f for f in folders if f.is_dir()), folders[0])
    return tuple(sorted(folder.rglob("*.toml")))


def known_recipes() -> dict[str, Entry]:
    """Recipes that come with unmask, by name.

    Raises:
        ConfigError: a file is not as it should be, or two recipes have one name.
    """
    known: dict[str, Entry] = {}
    for path in recipe_files():
        for entry in read_recipes(path):
            if entry.name in known:
                raise ConfigError(f"{path}: {entry.name} is a recipe of {known[entry.name].path}")
            known[entry.name] = entry
    return known


def find_recipe(name: str) -> Entry:
    """Recipe by name: one that comes with unmask, the base of `FILE.toml`, or `FILE.toml:ROW`.

    Raises:
        UsageError: with the nearest name when there is none.
    """
    file, suffix, row = name.partition(".toml")
    if suffix and (not row or row.startswith(":")):
        path = Path(file + suffix)
        known = {entry.name: entry for entry in read_recipes(path)}
        wanted = row[1:] or next(iter(known), "")
    else:
        known, wanted = known_recipes(), name
    if wanted not in known:
        hint = suggestion(wanted, list(known)) if len(known) < 20 else _nearest(wanted, known)
        ended = hint if hint.endswith("?") else f"{hint}."
        raise UsageError(
            f"{name}: no recipe of that name; {ended} `unmask recipes` lists them; a file's name "
            "ends in .toml"
        )
    return known[wanted]


def read_recipes(path: Path) -> Iterator[Entry]:
    """Read the base of a file, if it has a name, and its rows.

    Raises:
        ConfigError: the file cannot be read, or about, rows or tiny have keys they must not.
    """
    values = read_toml(path)
    about = values.pop("about", None)
    rows = [build(Row, row, where=f"{path}: [[row]]") for row in values.pop("row", [])]
    axes = {
        axis: {
            name: build(Choice, choice, where=f"{path}: [axes]") for name, choice in all_.items()
        }
        for axis, all_ in values.pop("axes", {}).items()
    }
    tiny = values.pop("tiny", None)
    told = None if about is None else build(About, about, where=f"{path}: [about]")
    if "name" in values or not rows:
        name = str(values.get("name", path.stem))
        base = Row(name=name, result="" if told is None else told.result)
        yield Entry(path=path, about=told, said=base, values=values, tiny=tiny)
    for row in rows:
        strange = [axis for axis in _AXIS.findall(row.name) if axis not in axes]
        if strange:
            hint = suggestion(strange[0], list(axes))
            raise ConfigError(f"{path}: {row.name}: there is no [axes.{strange[0]}]; {hint}")
    for row in itertools.chain.from_iterable(_every_way(row, axes) for row in rows):
        summary = ": ".join(filter(None, (row.table, row.row)))
        named = {"name": row.name, "summary": summary}
        yield Entry(
            path=path,
            about=told,
            said=row,
            values=laid_over(values, {**row.set, **named}),
            tiny=None if tiny is None else laid_over(tiny, row.tiny),
        )


def resolve(entry: Entry, overrides: Iterable[str] = ()) -> Table:
    """Lay the tiny form, if asked for, and `key=value` overrides over a recipe.

    Returns:
        What a `Recipe` is built of.

    Raises:
        UsageError: it has no tiny form. ConfigError: an override is none.
    """
    over = parse_overrides(overrides)
    scale = over.get("scale", "full")
    if scale not in SCALES:
        raise UsageError(f"--set scale={scale}: a recipe is run at scale {' or '.join(SCALES)}")
    values = entry.values
    if scale == "tiny":
        if entry.tiny is None:
            raise UsageError(f"{entry.name}: no [tiny] table, so it cannot be run at scale=tiny")
        values = laid_over(values, entry.tiny)
    values = laid_over(values, over)
    values["after"] = list(dict.fromkeys(_referred(values)))

    def folder(source: str) -> str:
        referred = source.startswith(REFERENCE)
        run = run_folder(source.removeprefix(REFERENCE), scale)
        return (run / "best").as_posix() if referred else source

    values |= _references(values, folder)
    taken_away = {key for key in REFERRING if values.get(key) == ""}
    return {key: value for key, value in values.items() if key not in taken_away}


def laid_over(values: Table, over: Table) -> Table:
    """Lay values of later precedence over others.

    A run is so many epochs or so many steps long: which of the two was said last counts.

    Raises:
        ConfigError: both are said at once.
    """
    merged, lengths = merge(values, over), {"steps", "epochs"} & set(over.get("train", {}))
    if len(lengths) == 2:
        raise ConfigError(
            "train.steps and train.epochs are two lengths of one run; set one of them"
        )
    if lengths:
        said = {"steps", "epochs"} - lengths
        merged["train"] = {k: v for k, v in merged["train"].items() if k not in said}
    return merged


def _every_way(row: Row, axes: Mapping[str, Mapping[str, Choice]]) -> Iterator[Row]:
    """Make a row of every way through the axes in its name; itself if there are none."""
    used = _AXIS.findall(row.name)
    for names in itertools.product(*(axes[axis] for axis in used)):
        way = dict(zip(used, names, strict=True))
        chosen = [axes[axis][name] for axis, name in way.items()]
        values = reduce(laid_over, (*(choice.set for choice in chosen), row.set))
        name = row.name.format(**way)
        yield Row(
            name=name,
            table=next((choice.table for choice in chosen if choice.table), row.table),
            row=", ".join([row.row.format(**way), *(c.row for c in chosen if c.row)]),
            result=_published(row, name),
            set={**values, **_references(values, partial(_worked_in, way))},
            tiny=reduce(laid_over, (*(choice.tiny for choice in chosen), row.tiny)),
        )


def _published(row: Row, name: str) -> str:
    """Result of a row of a family: the longest key that the rest of its name begins with."""
    rest = name[len(row.name.partition("{")[0]) :]
    keys = [key for key in row.results if rest.startswith(key)]
    return row.results[max(keys, key=len)] if keys else row.result


def _worked_in(way: Mapping[str, str], text: str) -> str:
    return text.format(**way)


def _references(values: Mapping[str, Any], change: Callable[[str], str]) -> Table:
    """Give the keys that may refer to recipes, with every source in them changed."""
    return {
        key: [change(s) for s in said] if isinstance(said, list) else change(said)
        for key in REFERRING
        if (said := values.get(key)) is not None
    }


def _referred(values: Mapping[str, Any]) -> Iterator[str]:
    """Names of recipes whose checkpoints are asked for."""
    for key in REFERRING:
        said = values.get(key) or ()
        for source in (said,) if isinstance(said, str) else said:
            if source.startswith(REFERENCE):
                yield source.removeprefix(REFERENCE)


def _nearest(name: str, known: Iterable[str]) -> str:
    """Suggest at most one of many names, and never all of them."""
    hint = suggestion(name, list(known))
    return hint if hint.startswith("did you mean") else "none is spelt like it"
