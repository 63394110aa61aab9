"""`unmask forge`: a data set of labelled fakes with masks from real clips and stills."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli.output import consoles, make_folder, progress
from unmask.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from unmask.forge.dataset import Done


class Method(StrEnum):
    """How to forge; tests compare it with `forge.methods.METHODS`."""

    self_blend = "self_blend"
    swap = "swap"
    reenact = "reenact"
    resynthesise = "resynthesise"
    vocoder = "vocoder"
    splice = "splice"
    pitch_shift = "pitch_shift"
    desync = "desync"
    impersonate = "impersonate"
    all = "all"


def forge(
    sources: Annotated[
        list[Path], typer.Argument(metavar="SRC", help="Real videos, images, or folders of them.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for reals and fakes.")],
    method: Annotated[
        list[Method], typer.Option(metavar="NAME|all", help="How to forge; may be repeated.")
    ] = [Method.self_blend],  # noqa: B006  typer copies it
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed makes the same fakes.")] = 0,
    donor: Annotated[
        Path | None,
        typer.Option(
            metavar="CLIP",
            help="Whose face and voice to put in; left out: the sources in pairs.",
        ),
    ] = None,
    jitter: Annotated[
        float,
        typer.Option(metavar="X", min=0, help="Let swaps tremble by X eye distances (try 0.02)."),
    ] = 0.0,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw a contact sheet (.png or .jpg) of the result."),
    ] = None,
) -> None:
    """Make a data set of labelled fakes with masks from real clips and stills.

    Writes DIR/real/NAME.mp4, DIR/fake/METHOD/NAME.mp4 with its mask as NAME.mask.mp4, what was done
    as NAME.json, and DIR/manifest.csv for `unmask prepare folder`. Reals and fakes leave through
    the same encoder and are equally large. Run again to go on where it stopped.

    Methods: self_blend, swap, reenact, resynthesise (picture); vocoder, splice, pitch_shift, desync
    (sound); impersonate (a donor's face and voice).
    """
    from unmask.faces.detect import FaceDetector
    from unmask.forge.dataset import Request, forge_dataset
    from unmask.forge.makers import MakingConfig
    from unmask.forge.methods import ForgeConfig
    from unmask.forge.sheet import write_sheet
    from unmask.forge.swap import SwapConfig
    from unmask.pipeline.batch import find_media

    methods = _named(method)
    _check(methods, donor, jitter, sheet)
    inside = out.resolve()
    files = [file for file in find_media(sources) if inside not in file.resolve().parents]
    make_folder(out)
    swap = replace(SwapConfig(), jitter=jitter)
    request = Request(
        methods=methods,
        out=out,
        seed=seed,
        donor=donor,
        config=MakingConfig(picture=ForgeConfig(swap=swap)),
    )
    _, errors = consoles(stdout_is_data=True)
    total = len(files) * (1 + len(methods))
    with progress("forging", total, errors, hidden=sys.stdout.isatty()) as advance:
        counts = _told(forge_dataset(files, request, FaceDetector(), advance), errors)
    errors.print(_summary(counts, out), soft_wrap=True, markup=False)
    if sheet is not None:
        print(write_sheet(out, sheet))
    raise typer.Exit(1 if counts["failed"] else 0)


def _named(chosen: list[Method]) -> list[str]:
    """The methods asked for, in the order of the list, each once."""
    every = [name.value for name in Method if name is not Method.all]
    return every if Method.all in chosen else [name for name in every if Method(name) in chosen]


def _check(methods: list[str], donor: Path | None, jitter: float, sheet: Path | None) -> None:
    """Refuse what would have no effect, before anything is made."""
    from unmask.forge.methods import METHODS

    if donor is not None and not any(METHODS[name].needs_donor for name in methods):
        raise UsageError(
            f"--donor {donor}: only swap, splice and impersonate take a donor; add --method swap"
        )
    if jitter and not any(METHODS[name].picture == "swap" for name in methods):
        raise UsageError(f"--jitter {jitter:g}: only swaps can tremble; add --method swap")
    if sheet is not None and sheet.suffix not in (".png", ".jpg"):
        raise UsageError(f"--sheet {sheet}: give it a name that ends in .png or .jpg")
    if sheet is not None and not any(METHODS[name].picture for name in methods):
        raise UsageError(f"--sheet {sheet}: shows pictures; add a method that forges one")


def _told(answers: Iterable[Done], errors: Console) -> Counter[str]:
    """Say what becomes of each file: fakes on stdout, failures and gaps on stderr. Count it all."""
    from unmask.report.terminal import print_error

    counts: Counter[str] = Counter()
    gaps: Counter[str] = Counter()
    told: set[tuple[Path, str]] = set()
    for done in answers:
        counts[done.outcome] += 1
        if done.path is not None and done.method != "original":
            print(done.path, flush=True)
        elif done.outcome == "left_out":
            gaps[done.reason] += 1
        elif done.reason and (done.source, done.reason) not in told:
            told.add((done.source, done.reason))
            print_error(done.source, done.reason, errors)
    for reason, n_files in gaps.items():
        note = f"{n_files} left out: {reason}"
        errors.print(note, style="yellow", soft_wrap=True, markup=False)
    return counts


def _summary(counts: Counter[str], out: Path) -> str:
    said = [
        f"{counts[outcome]} {words}"
        for outcome, words in (
            ("made", "files made"),
            ("kept", "kept from before"),
            ("left_out", "left out"),
            ("failed", "failed"),
        )
        if counts[outcome]
    ]
    return f"{', '.join(said)}; listed in {out / 'manifest.csv'}"
