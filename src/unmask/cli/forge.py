"""`unmask forge`: labelled fakes with masks from real clips."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from unmask.cli.output import consoles, make_folder, progress
from unmask.errors import UsageError

METHODS: tuple[Literal["self_blend", "swap"], ...] = ("self_blend", "swap")


class Method(StrEnum):
    """How a clip is forged."""

    self_blend = "self_blend"
    swap = "swap"
    all = "all"


def forge(
    sources: Annotated[
        list[Path], typer.Argument(metavar="SRC", help="Real videos, or folders of them.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for reals and fakes.")],
    method: Annotated[Method, typer.Option(help="How to forge.")] = Method.self_blend,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed makes the same fakes.")] = 0,
    donor: Annotated[
        Path | None,
        typer.Option(
            metavar="CLIP", help="For swap: whose face to put in; left out: the same person's."
        ),
    ] = None,
) -> None:
    """Make labelled fakes with masks from real clips.

    Writes DIR/fake/NAME.METHOD.mp4, its mask as NAME.METHOD.mask.mp4 and its label as .json, and
    DIR/real/NAME.mp4: the real clip encoded alike, so that compression tells nothing.
    """
    from unmask.errors import UnmaskError
    from unmask.forge.twin import forge_twin
    from unmask.pipeline.batch import find_media
    from unmask.report.terminal import print_error

    clips = find_media(sources)
    _refuse_equal_names(clips)
    methods = [name for name in METHODS if method in (name, "all")]
    if donor is not None and "swap" not in methods:
        raise UsageError(f"--donor {donor}: only a swap takes a donor; add --method swap")
    for folder in (out / "real", out / "fake"):
        make_folder(folder)
    _, errors = consoles(stdout_is_data=True)
    n_failed = 0
    with progress("forging", len(clips), errors, hidden=sys.stdout.isatty()) as advance:
        for clip in clips:
            try:
                for number, chosen in enumerate(methods):
                    twin = forge_twin(
                        clip,
                        out / "fake" / f"{clip.stem}.{chosen}.mp4",
                        method=chosen,
                        seed=seed,
                        donor=donor if chosen == "swap" else None,
                        real_out=None if number else out / "real" / f"{clip.stem}.mp4",
                    )
                    print(twin.path)
                if twin.lost:
                    note = f"{clip}: {twin.lost}; what could be read was forged"
                    errors.print(note, style="yellow", soft_wrap=True, markup=False)
            except UnmaskError as error:
                print_error(clip, str(error), errors)
                n_failed += 1
            advance()
    raise typer.Exit(1 if n_failed else 0)


def _refuse_equal_names(clips: Sequence[Path]) -> None:
    """Fakes are named after their clips, so that two of one name would become one."""
    named: dict[str, Path] = {}
    for clip in clips:
        other = named.setdefault(clip.stem, clip)
        if other is not clip:
            raise UsageError(
                f"{other} and {clip}: the fakes of both would be called {clip.stem}; forge them "
                "into different folders"
            )
