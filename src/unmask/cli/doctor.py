"""`unmask doctor`: what of a data set is here, what is wrong with it and what it allows."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli.output import consoles, progress

if TYPE_CHECKING:
    from unmask.datasets.manifest import Video


def doctor(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="ffpp, dfd, dfdc, dfdc-preview, celebdf-v1, celebdf-v2, deeperforensics, folder.",
        ),
    ],
    root: Annotated[
        Path, typer.Argument(metavar="ROOT", help="Its folder as downloaded; or a CSV of yours.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print a JSON document on stdout.")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Decode all frames of all files.")] = False,
    ff_root: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="FaceForensics++, where the reals come from it."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="RULE", help="Rule that divides train, val and test.")
    ] = None,
    compression: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this one; may be repeated.")
    ] = None,
) -> None:
    """Say what of a data set is here, what is wrong with it and what it allows.

    Nothing is changed. Exit code 0: it can be used (parts may be missing). 1: something must be
    mended first: files that cannot be read, leaks between sides. 2: wrong usage.
    """
    from unmask.datasets.doctor import examine
    from unmask.datasets.doctor_report import document, lines
    from unmask.datasets.readers import ReadOptions

    _, errors = consoles(stdout_is_data=json)

    def track(what: str, videos: Sequence[Video]) -> Iterator[Video]:
        with progress(what, len(videos), errors) as advance:
            for video in videos:
                yield video
                advance()

    options = ReadOptions(
        split=split, ff_roots=tuple(ff_root or ()), compressions=tuple(compression or ())
    )
    examination = examine(dataset, root, options=options, deep=deep, track=track)
    if json:
        import json as codec

        codec.dump(document(examination), sys.stdout, indent=1, ensure_ascii=False)
        print()
    else:
        print("\n".join(lines(examination)))
    raise typer.Exit(0 if examination.usable else 1)
