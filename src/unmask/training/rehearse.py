"""Rehearse an evaluation before data and days are spent: `python -m unmask.training.rehearse DIR`.

Three tiny networks learn on drawn people: from all four kinds of forgery, from each alone, and from
all but each. Beside their runs stand two suites for `unmask evaluate`: who finds what by which
protocol, and what corruption does. docs/rehearsal.md shows what came of it. Toy numbers: they say
that training, protocols, tables and figures go together, and nothing about forgeries in the world.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from unmask.datasets.toy import METHODS, make_toy
from unmask.training.run import run_recipe

TOY = "toy"
# Name, recipe, and steps that its tiny form takes to learn.
SYSTEMS = (
    ("dtn", "dtn/paper", 150),
    ("resnet3d", "resnet3d/nl1234-scratch-all", 300),
    ("xception", "baselines/xception", 200),
)
SUITE = ["overall", "manipulation", "one-to-others", "leave-one-out", "compression"]
CLIPS = 2  # of a person


def sides() -> Iterator[tuple[str, list[str]]]:
    """What is learned from, by name: all methods, one, or all but one."""
    yield "all", list(METHODS)
    for method in METHODS:
        yield method, [method]
    for left_out in METHODS:
        yield f"without-{left_out}", [method for method in METHODS if method != left_out]


def train_all(folder: Path) -> None:
    """Draw the people and train what is not trained yet."""
    make_toy(folder / TOY)
    for system, recipe, steps in SYSTEMS:
        for side, methods in sides():
            out = folder / "runs" / f"{system}-{side}"
            if (out / "best").is_dir():
                continue
            overrides = [
                "scale=tiny",
                f"train.steps={steps}",
                f"train.valid_every={steps}",
                f"data.methods={json.dumps(methods)}",
            ]
            run_recipe(
                recipe,
                overrides=overrides,
                data_dir=folder / TOY,
                out_dir=out,
                resume=out.is_dir(),
            )


def suite(names: list[str], top: str) -> str:
    """A suite file of runs."""
    lines = [top, f"clips = {CLIPS}"]
    for name in names:
        lines += ["", "[[detector]]", f'checkpoint = "runs/{name}/best"', f'label = "{name}"']
    lines += ["", "[[data]]", f'path = "{TOY}"', 'label = "drawn people"', ""]
    return "\n".join(lines)


def main(folder: Path) -> None:
    """Train, and write suite.toml and robustness.toml."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    train_all(folder)
    everyone = [f"{system}-{side}" for system, *_ in SYSTEMS for side, _ in sides()]
    (folder / "suite.toml").write_text(suite(everyone, f"protocols = {json.dumps(SUITE)}"))
    of_all = [f"{system}-all" for system, *_ in SYSTEMS]
    (folder / "robustness.toml").write_text(suite(of_all, 'corrupt = ["all"]'))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
