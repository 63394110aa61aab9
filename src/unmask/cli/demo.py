"""`unmask demo`: forge a twin of a clip, scan both, and show what the detector makes of them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.output import make_folder
from unmask.cli.scan import ModelOption


def demo(
    video: Annotated[
        Path | None,
        typer.Argument(help="A real clip of yours; left out: a NASA portrait set in motion."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Where clips and reports go.")] = Path(
        "unmask-demo"
    ),
    model: ModelOption = "default",
    seed: Annotated[int, typer.Option(help="Decides how the twin is forged.")] = 0,
) -> None:
    """Forge a twin of a real clip, scan both and write two reports.

    The twin is made on the spot; nothing is tuned on it, so the verdicts are printed as they come.
    """
    from rich.console import Console

    from unmask.forge.demo_clip import portrait_clip
    from unmask.forge.twin import forge_twin
    from unmask.pipeline.detector import load
    from unmask.report.html import write_html
    from unmask.report.terminal import print_report

    console = Console(highlight=False)
    make_folder(out)
    if video is None:
        portrait = Path(str(files("unmask") / "assets" / "astronaut.jpg"))
        video = portrait_clip(portrait, out / "portrait.mp4")
    real, fake = out / "real.mp4", out / "fake.mp4"
    console.print(f"forging a twin of {video} ...", soft_wrap=True)
    forge_twin(video, fake, seed=seed, real_out=real)
    detector = load(model)
    for clip, made in ((real, "the real clip"), (fake, "its forged twin")):
        report = detector.scan(clip)
        page = clip.with_suffix(".html")
        write_html([report], page)
        console.rule(made, align="left")
        print_report(report, console)
        console.print(f" report: {page}\n", soft_wrap=True)
