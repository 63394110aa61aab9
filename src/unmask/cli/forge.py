"""`unmask forge`: labelled fakes with masks from real clips."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from unmask.cli.output import make_folder

METHODS: tuple[Literal["self_blend", "swap"], ...] = ("self_blend", "swap")


class Method(StrEnum):
    """How a clip is forged."""

    self_blend = "self_blend"
    swap = "swap"
    all = "all"


def forge(
    sources: Annotated[list[Path], typer.Argument(help="Real videos, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the fakes.")],
    method: Annotated[Method, typer.Option(help="How to forge.")] = Method.self_blend,
    seed: Annotated[int, typer.Option(help="The same seed makes the same fakes.")] = 0,
    donor: Annotated[
        Path | None, typer.Option(help="For swap: a clip of the face to put in.")
    ] = None,
) -> None:
    """Make labelled fakes with masks, and the reals re-encoded alike to compare them with.

    Writes OUT/real/NAME.mp4 and OUT/fake/NAME.METHOD.mp4 with NAME.METHOD.mask.mp4 and .json.
    """
    from rich.console import Console
    from rich.progress import track

    from unmask.errors import UnmaskError
    from unmask.forge.twin import forge_twin
    from unmask.pipeline.batch import find_media

    console = Console(stderr=True, highlight=False)
    clips = find_media(sources)
    methods = [name for name in METHODS if method in (name, "all")]
    for folder in (out / "real", out / "fake"):
        make_folder(folder)
    n_failed = 0
    for clip in track(clips, "forging", console=console, transient=True):
        for number, chosen in enumerate(methods):
            try:
                twin = forge_twin(
                    clip,
                    out / "fake" / f"{clip.stem}.{chosen}.mp4",
                    method=chosen,
                    seed=seed,
                    donor=donor if chosen == "swap" else None,
                    real_out=None if number else out / "real" / f"{clip.stem}.mp4",
                )
            except UnmaskError as error:
                console.print(f"{clip}: {error}", soft_wrap=True)
                n_failed += 1
                continue
            print(twin.path)
    raise typer.Exit(1 if n_failed else 0)
