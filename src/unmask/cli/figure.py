"""`unmask figure`: draw a figure of the papers, or of ours, from scores, runs and checkpoints."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from unmask.errors import DataError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from unmask.evaluation.figures import Asked
    from unmask.evaluation.scores import Level, Rule

FIXED_ON = ("calib", "val")  # sides whose scores thresholds and calibration are fixed on
OPTIONS = {  # name in the table of figures -> option
    "scores": "--scores",
    "runs": "--run",
    "checkpoints": "--checkpoint",
    "data": "--data",
    "media": "--media",
}


def figure(
    which: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Without a name: list the figures.")
    ] = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="A scores file, or a folder of them; may be repeated."),
    ] = None,
    run: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A run folder of unmask train; may be repeated."),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="A checkpoint; may be repeated.")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Prepared data.")] = None,
    media: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A video or image; may be repeated.")
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where NAME.png, NAME.svg and NAME.json go.")
    ] = Path(),
    level: Annotated[
        str, typer.Option(help="What one score is of: clip, track (a person) or video.")
    ] = "video",
    rule: Annotated[
        str, typer.Option(help="From clips to a person: mean, mean_logit or confident.")
    ] = "mean",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A figure's own; may be repeated."),
    ] = None,
) -> None:
    """Draw a figure, with the numbers that the eye cannot read from it beside it."""
    from unmask.evaluation import figures

    if which is None:
        for line in listing():
            print(line)
        return
    entry = figures.find_figure(which)
    try:
        asked = figures.Asked(
            scores=tuple(scores_files(scores or (), corrupted=entry.corrupted)),
            runs=tuple(run or ()),
            checkpoints=tuple(checkpoint or ()),
            data=data,
            media=tuple(media or ()),
            level=level_of(level),
            rule=rule_of(rule),
            settings=dict(setting_of(text) for text in settings or ()),
        )
        picture = figures.draw(which, asked)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("unmask"):
            raise
        raise MissingExtraError(
            f"figures need {error.name}; install it with: pip install 'unmask[train]'"
        ) from error
    from unmask.evaluation.figures.canvas import save

    inputs, numbers = picture.inputs, picture.numbers
    save(picture.figure, out, which, numbers=numbers, command=command(which, asked), inputs=inputs)
    print(f"{out / which}.png, .svg and .json", file=sys.stderr)


def listing() -> Iterator[str]:
    """Lines that name every figure, what it shows and what it is drawn from."""
    from unmask.evaluation.figures import FIGURES

    width = max(map(len, FIGURES))
    for name, entry in FIGURES.items():
        options = " ".join(OPTIONS[needed] for needed in entry.needs)
        own = "".join(f" [--set {key}=...]" for key in entry.settings)
        yield f"{name.ljust(width)}  {entry.what}"
        yield f"{' ' * width}  from {options}{own}"
    yield f"{len(FIGURES)} figures; unmask figure NAME {OPTIONS['scores']} FILE --out DIR draws one"


def scores_files(given: Sequence[Path], *, corrupted: bool) -> Iterator[Path]:
    """Files as they are; a folder stands for the scores in and below it that a figure is of.

    `unmask evaluate` leaves validation scores beside those it reports, and scores of corrupted data
    beside the clean ones: the former are for fixing thresholds only, the latter for few figures.

    Raises:
        DataError: a folder holds no such scores.
    """
    from unmask.evaluation.scores import read_header

    for path in given:
        if not path.is_dir():
            yield path
            continue
        headers = {file: read_header(file) for file in sorted(path.rglob("*.parquet"))}
        found = {file: header for file, header in headers.items() if header is not None}
        reported = any(header.part not in FIXED_ON for header in found.values())
        wanted = [
            file
            for file, header in found.items()
            if (header.corruption == "none" or corrupted)
            and not (reported and header.part in FIXED_ON)
        ]
        if not wanted:
            raise DataError(f"{path}: no scores files for this figure in this folder or below it")
        if len(wanted) < len(found):
            passed_over = len(found) - len(wanted)
            print(f"{path}: {passed_over} scores files of validation or corrupted data are passed "
                  "over; name a file to have it drawn", file=sys.stderr)  # fmt: skip
        yield from wanted


def level_of(word: str) -> Level:
    """Read --level.

    Raises:
        UsageError: there is no such level.
    """
    from unmask.evaluation.scores import Level

    if word not in get_args(Level):
        raise UsageError(f"--level {word}: expected one of {', '.join(get_args(Level))}")
    return cast("Level", word)


def rule_of(word: str) -> Rule:
    """Read --rule.

    Raises:
        UsageError: there is no such rule.
    """
    from unmask.evaluation.scores import Rule

    if word not in get_args(Rule):
        raise UsageError(f"--rule {word}: expected one of {', '.join(get_args(Rule))}")
    return cast("Rule", word)


def setting_of(text: str) -> tuple[str, str]:
    """Read one --set.

    Raises:
        UsageError: it is no KEY=VALUE.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text}: expected KEY=VALUE")
    return key, value


def command(name: str, asked: Asked) -> str:
    """The command that draws this again, whatever was typed; folders are spelt out as files."""
    words = ["unmask", "figure", name]
    for needed, option in OPTIONS.items():
        given = getattr(asked, needed)
        for path in (given,) if isinstance(given, Path) else given or ():
            words += [option, path.as_posix()]
    words += ["--level", asked.level] if asked.level != "video" else []
    words += ["--rule", asked.rule] if asked.rule != "mean" else []
    for key, value in asked.settings.items():
        words += ["--set", f"{key}={value}"]
    return shlex.join(words)
