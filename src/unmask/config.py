"""Strict configuration: TOML and dotted overrides become frozen dataclasses, or a clear refusal.

A configuration is a frozen dataclass (nested ones are tables). Precedence: the class's defaults,
then the file, then `--set key=value`; nothing else. A key that no class knows is an error with the
nearest known key, because a misspelt `wieght_decay` that is silently ignored costs a day of
training. Values must be of the declared kind: `"3"` is no number and `1.5` is no count.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from unmask.errors import ConfigError

T = TypeVar("T")
Table = dict[str, Any]

REFERRING = ("init_from", "init", "teacher")  # keys of a recipe that name a checkpoint


def read_toml(path: Path) -> Table:
    """Read a TOML file, or say where it is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def parse_overrides(assignments: Iterable[str]) -> Table:
    """Turn `a.b=value` words into nested tables.

    The value is read as TOML (`3`, `1e-4`, `true`, `[1, 2]`); what is no TOML value is a string,
    so that `optimizer=sgd` needs no quotes.

    >>> parse_overrides(["train.lr=1e-3", "train.optimizer=sgd", "model.depth=2"])
    {'train': {'lr': 0.001, 'optimizer': 'sgd'}, 'model': {'depth': 2}}
    """
    tables: Table = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        path = [part.strip() for part in key.split(".")]
        if not equals or not all(path):
            raise ConfigError(f"--set {assignment}: expected key=value, e.g. --set train.lr=1e-4")
        value: Any = _toml_value(text)
        for part in reversed(path):
            value = {part: value}
        tables = merge(tables, value)
    return tables


def _toml_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text.strip()
    return parsed["value"] if len(parsed) == 1 else text.strip()


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Table:
    """Lay one nested table over another; lists and single values replace, tables combine.

    >>> merge({"train": {"lr": 0.1, "batch": 8}}, {"train": {"lr": 0.2}})
    {'train': {'lr': 0.2, 'batch': 8}}
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def build(cls: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Make the frozen dataclass `cls` of a nested table.

    Args:
        cls: the dataclass; fields that are dataclasses are tables, `dict` fields take any key.
        values: what the file and the overrides say; the rest keeps its default.
        where: named in errors, e.g. the file's path.

    Raises:
        ConfigError: for a key nobody knows (with the nearest one), a value of the wrong kind, or
            a missing key that has no default. All faults are reported at once.
    """
    refuse_unknown(cls, values, where=where)
    try:
        # Strict as JSON, not as Python: TOML, like JSON, has lists and strings where a class has
        # tuples and paths, and those alone may be converted.
        document = json.dumps(values, default=str)
        built: T = _adapter(cls).validate_json(document, strict=True)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = [_explain(dict(fault)) for fault in error.errors()]
        raise ConfigError(_refusal(where, faults)) from error
    return built


def refuse_unknown(cls: type, values: Mapping[str, Any], *, where: str) -> None:
    """Refuse keys that the dataclass `cls` and those in it do not know, each with the nearest."""
    if faults := list(_unknown_keys(cls, values, prefix="")):
        raise ConfigError(_refusal(where, faults))


def plain(config: Any) -> Table:
    """Turn a configuration back into tables of plain values, as `build` takes them."""
    adapter = _adapter(type(config))  # type: ignore[arg-type]
    table: Table = adapter.dump_python(config, mode="json")
    return table


def refuse_outside(config: Any, table: str, **intervals: str) -> None:
    """Refuse numbers outside intervals, which are written as usual: `lr="[0, inf)"`.

    None lies in every interval; of a tuple every number is looked at. `table` is where the keys
    stand, "" = at the top.

    Raises:
        ConfigError: naming key, value and interval.

    >>> from types import SimpleNamespace
    >>> refuse_outside(SimpleNamespace(lr=-1.0), "train", lr="[0, inf)")
    Traceback (most recent call last):
        ...
    unmask.errors.ConfigError: train.lr = -1.0: must be at least 0
    """
    for name, interval in intervals.items():
        value = getattr(config, name)
        low, high = (float(bound) for bound in interval[1:-1].split(","))
        closed = interval[0] == "[", interval[-1] == "]"
        for number in value if isinstance(value, tuple) else (value,):
            if number is None:
                continue
            above = number >= low if closed[0] else number > low
            below = number <= high if closed[1] else number < high
            if not (above and below):  # nor is what is no number in it
                words = [f"at least {low:.10g}" if closed[0] else f"above {low:.10g}"]
                if high < float("inf"):
                    words.append(f"at most {high:.10g}" if closed[1] else f"below {high:.10g}")
                key = f"{table}.{name}" if table else name
                raise ConfigError(f"{key} = {value}: must be {' and '.join(words)}")


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    """Make pydantic's view of a class, once: it takes as long as a hundred uses."""
    return TypeAdapter(cls)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ, each with its old and new value (None = absent).

    >>> differences({"train": {"lr": 0.1, "batch": 8}}, {"train": {"lr": 0.2, "batch": 8}})
    {'train.lr': (0.1, 0.2)}
    """
    before, after = dict(_leaves(old)), dict(_leaves(new))
    keys = sorted(before.keys() | after.keys())
    return {k: (before.get(k), after.get(k)) for k in keys if before.get(k) != after.get(k)}


def suggestion(word: str, known: Sequence[str], *, prefix: str = "") -> str:
    """End of a sentence about an unknown word: the nearest known one, or all of them.

    `prefix` is said before the nearest one, as it was before the word.

    >>> suggestion("bacth", ["batch", "lr"])
    'did you mean "batch"?'
    >>> suggestion("zzz", ["batch", "lr"])
    'known: batch, lr'
    """
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f'did you mean "{prefix}{near[0]}"?' if near else f"known: {', '.join(sorted(known))}"


def _unknown_keys(cls: type, values: Mapping[str, Any], *, prefix: str) -> Iterator[str]:
    hints = _hints(cls)  # type: ignore[arg-type]
    known = [field.name for field in dataclasses.fields(cls)]
    for key, value in values.items():
        if key not in known:
            yield f"unknown key {prefix}{key}; {suggestion(key, known, prefix=prefix)}"
        elif isinstance(value, Mapping) and (nested := _dataclass_in(hints[key])):
            yield from _unknown_keys(nested, value, prefix=f"{prefix}{key}.")


def _dataclass_in(hint: Any) -> type | None:
    """The dataclass a field holds, also where it may be None."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next((o for o in options if isinstance(o, type) and dataclasses.is_dataclass(o)), None)


def _explain(fault: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"missing key {key}"
    rule = str(fault["msg"]).removeprefix("Input ").removeprefix("Value error, ")
    return f"{key} = {json.dumps(fault['input'], default=str)} {rule}".strip()


def _refusal(where: str, faults: Sequence[str]) -> str:
    return f"{where}: {faults[0]}" if len(faults) == 1 else "\n  ".join([f"{where}:", *faults])


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
