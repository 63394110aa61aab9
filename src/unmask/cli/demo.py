"""`unmask demo`: forge a twin of a clip, scan both, and show what the detector makes of them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.output import consoles, make_folder, progress
from unmask.cli.scan import ModelOption


def demo(
    video: Annotated[
        Path | None,
        typer.Argument(
            metavar="VIDEO", help="A real clip; left out: NASA's portrait of an astronaut, moved."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where clips and reports go.")] = Path(
        "unmask-demo"
    ),
    model: ModelOption = "default",
    seed: Annotated[int, typer.Option(metavar="N", help="Decides how the twin is forged.")] = 0,
) -> None:
    """Forge a twin of a real clip, scan both, write two reports.

    The twin is made on the spot; nothing is tuned on it, so the verdicts are printed as they come.
    """
    from unmask.forge.demo_clip import portrait_clip
    from unmask.forge.twin import forge_twin
    from unmask.pipeline.detector import load
    from unmask.report.html import write_html
    from unmask.report.terminal import print_report

    console, errors = consoles(stdout_is_data=False)
    detector = load(model)
    make_folder(out)
    with progress("forging a twin", 1, errors):
        if video is None:
            portrait = Path(str(files("unmask") / "assets" / "astronaut.jpg"))
            video = portrait_clip(portrait, out / "portrait.mp4")
        real, fake = out / "real.mp4", out / "fake.mp4"
        forge_twin(video, fake, seed=seed, real_out=real)
    console.print(f"forged a twin of {video}\n", soft_wrap=True, markup=False)
    for clip, made in ((real, "the real clip"), (fake, "its forged twin")):
        with progress(f"scanning {made}", 1, errors):
            report = detector.scan(clip)
        page = clip.with_suffix(".html")
        write_html([report], page)
        console.rule(made, align="left")
        print_report(report, console)
        console.print(f" report: {page}\n", soft_wrap=True, markup=False)
