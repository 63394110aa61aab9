"""The Xceptions that scans are measured with, as folders f32, bf16, int8 and torch.

    python benchmarks/scan_networks.py FOLDER

Random weights: they take as long as learned ones. int8 needs nncf, and is left out without it; its
answers are not judged here, since there are no verdicts to hold.
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

import torch

from unmask.errors import MissingExtraError
from unmask.models import create
from unmask.models.checkpoint import read_checkpoint
from unmask.models.weights import add_graph, save_checkpoint
from unmask.pipeline import exporting, integers


def main() -> None:
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    source = folder / "torch"
    save_checkpoint(source, create("xception"), name="xception", trained=False)
    add_graph(source)
    checkpoint = read_checkpoint(source)
    for precision in ("f32", "bf16"):
        exporting.export(checkpoint, folder / precision, form="openvino", precision=precision)
    integers.SIDES_LIMIT = integers.MEAN_LIMIT = 1.0
    portrait = Path(str(files("unmask") / "assets" / "astronaut.jpg"))
    try:
        exporting.export(
            checkpoint,
            folder / "int8",
            form="openvino",
            precision="int8",
            faces=[portrait, portrait],
        )
    except MissingExtraError as error:
        print(f"no int8: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
