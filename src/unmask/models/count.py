"""Count networks' parameters and multiply-accumulates: `python -m unmask.models.count [NAME...]`.

True counts, on meta tensors, so that no weight is ever made: every parameter, and every
multiply-accumulate that torch's own counter sees, matrix products of attention included. The
papers' counts follow thop's rules instead; tests compare those.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch.utils.flop_counter import FlopCounterMode

from unmask.models import create, names
from unmask.models.base import example
from unmask.types import InputSpec


class Counts(TypedDict):
    """Stored facts of one network."""

    input: str
    parameters: int
    macs: int


def clip_of(spec: InputSpec) -> str:
    """What one clip is: frames as T x 3 x H x W, sound as rows x positions."""
    frames = f"{spec.n_frames}x3x{spec.shape_px[0]}x{spec.shape_px[1]}"
    if spec.audio is None:
        return frames
    sound = "sound {}x{}".format(*spec.audio.shape)
    return sound if spec.view == "none" else f"{frames}, {sound}"


def count(name: str, **config: Any) -> Counts:
    """Count one network by name, with overrides of its config."""
    with torch.device("meta"):
        network = create(name, **config).eval()
        batch = example(network)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(batch)
    return {
        "input": clip_of(network.input_spec),
        "parameters": sum(p.numel() for p in network.parameters()),
        "macs": counter.get_total_flops() // 2,
    }


def main(chosen: Sequence[str] = ()) -> None:
    """Write `counts.json`: every network counted anew, or the `chosen` ones and the rest kept."""
    file = Path(__file__).with_name("counts.json")
    counts = json.loads(file.read_text(encoding="utf-8")) if chosen else {}
    counts |= {name: count(name) for name in chosen or names()}
    in_order = {name: counts[name] for name in names() if name in counts}
    file.write_text(json.dumps(in_order, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
