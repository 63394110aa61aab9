"""`unmask explain`: what the score of a video or an image followed, as pictures and as numbers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask.cli.output import consoles, make_folder
from unmask.cli.scan import Device, ModelOption
from unmask.errors import MissingExtraError, OutputError

if TYPE_CHECKING:
    from unmask.pipeline.explained import Explained, ExplainedPerson

SCHEMA = "unmask.explain/1"


def explain(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A video or an image.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where person-N.png and explained.json go.")
    ],
    model: ModelOption = "default",
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="cam, grad_cam, attention, rollout, non_local, guide, occlusion; auto takes the "
            "most telling one that the network has.",
        ),
    ] = "auto",
    frames: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Frames to look at, spread evenly over a video."),
    ] = 32,
    shown: Annotated[
        int, typer.Option(min=1, max=10, metavar="N", help="Clips to show of every person.")
    ] = 6,
    device: Annotated[Device, typer.Option(help="Where the network runs.")] = Device.auto,
    allow_untrained: Annotated[
        bool,
        typer.Option("--allow-untrained", help="Run a network on random weights, to try it out."),
    ] = False,
) -> None:
    """Show which places the score of each person followed. A heat map is no proof of anything."""
    _need_torch()
    from unmask.evaluation.figures.canvas import style
    from unmask.evaluation.figures.person import person_sheet
    from unmask.pipeline.detector import load
    from unmask.pipeline.explained import CAUTION, explain_file

    make_folder(out)
    detector = load(model, backend="torch", device=device.value, allow_untrained=allow_untrained)
    explained = explain_file(detector, path, method=method, n_frames=frames, shown=shown)
    pictures = {}
    for person in explained.people:
        pictures[person.track.id] = out / f"person-{person.track.id}.png"
        with style():
            figure = person_sheet(explained, person)
            _written(pictures[person.track.id], lambda file, f=figure: f.savefig(file, dpi=120))
    document = json.dumps(document_of(explained, pictures), indent=1, ensure_ascii=False) + "\n"
    _written(out / "explained.json", lambda file: file.write_text(document, encoding="utf-8"))
    console, _ = consoles(stdout_is_data=False)
    for line in lines_of(explained, pictures, out / "explained.json"):
        console.print(line, soft_wrap=True, markup=False)
    console.print(CAUTION, soft_wrap=True, markup=False)


def document_of(explained: Explained, pictures: dict[int, Path]) -> dict[str, Any]:
    """Everything that is said, as `unmask.explain/1`."""
    from unmask.explain.maps import SAYS, SIGNED
    from unmask.pipeline.explained import CAUTION

    report = explained.report
    return {
        "schema": SCHEMA,
        "path": str(report.input.path),
        "verdict": report.verdict,
        "p_fake": report.p_fake,
        "reasons": list(report.reasons),
        "model": {"name": report.model.name, "sha256": report.model.sha256},
        "method": explained.method,
        "says": SAYS[explained.method],
        "signed": explained.method in SIGNED,
        "caution": CAUTION,
        "people": [_person(person, pictures[person.track.id]) for person in explained.people],
        "warnings": list(report.warnings),
    }


def lines_of(explained: Explained, pictures: dict[int, Path], file: Path) -> list[str]:
    """What is said on the terminal."""
    report = explained.report
    score = "no score" if report.p_fake is None else f"p_fake {report.p_fake:.2f}"
    lines = [f"{report.input.path}: {report.verdict}, {score} ({', '.join(report.reasons)})"]
    if not explained.people:
        lines.append("nobody was scored, so there is nothing to explain")
    lines += [f"person {track}: {picture}" for track, picture in pictures.items()]
    return [*lines, f"by {explained.method}; numbers: {file}"]


def _person(person: ExplainedPerson, picture: Path) -> dict[str, Any]:
    from unmask.report.html.pictures import hottest_place

    track = person.track
    return {
        "id": track.id,
        "verdict": track.verdict,
        "p_fake": track.p_fake,
        "reasons": list(track.reasons),
        "picture": picture.name,
        "scores": [{"t_s": score.t_s, "p_fake": score.p_fake} for score in track.scores],
        "clips": [
            {
                "t_s": clip.score.t_s,
                "p_fake": clip.score.p_fake,
                "logit": clip.score.logit,
                "box_xyxy_px": list(clip.score.box_xyxy_px),
                "highest": hottest_place(clip.heat),
                "map": [[float(f"{value:.5g}") for value in row] for row in clip.heat.tolist()],
            }
            for clip in person.clips
        ],
    }


def _need_torch() -> None:
    missing = [name for name in ("torch", "matplotlib", "captum") if not _installed(name)]
    if missing:
        raise MissingExtraError(
            f"explanations look inside the network, which needs {', '.join(missing)}; install it "
            "with: pip install 'unmask[train]'. `unmask scan FILE --html report.html` shows the "
            "default detector's own activation maps without"
        )


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # blocked: present in sys.modules as None
        return False


def _written(file: Path, write: Any) -> None:
    try:
        write(file)
    except OSError as error:
        raise OutputError(
            f"{file}: cannot be written ({error.strerror}); choose another --out"
        ) from error
