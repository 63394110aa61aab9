"""Count every network's parameters and multiply-accumulates: `python -m unmask.models.count`.

True counts, on meta tensors, so that no weight is ever made: every parameter, and every
multiply-accumulate that torch's own counter sees, matrix products of attention included. The
papers' counts follow thop's rules instead; tests compare those.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import torch
from torch.utils.flop_counter import FlopCounterMode

from unmask.models import create, names
from unmask.models.base import Network
from unmask.types import Batch


class Counts(TypedDict):
    """Stored facts of one network."""

    input: str
    parameters: int
    macs: int


def example(network: Network, batch: int = 1, device: str = "meta") -> Batch:
    """Input of the right shape for a network: zeros (B, T, 3, H, W), and sound where it hears."""
    spec = network.input_spec
    shape = (batch, spec.n_frames, 3, spec.size_px, spec.size_px)
    audio = None
    if spec.audio is not None:
        rows = spec.audio.mel_bins or 1
        audio = torch.zeros(batch, rows, spec.audio.n_samples, device=device)
    return Batch(frames=torch.zeros(shape, device=device), audio=audio)


def count(name: str) -> Counts:
    """Count one network by name."""
    with torch.device("meta"):
        network = create(name).eval()
        batch = example(network)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(batch)
    return {
        "input": "x".join(str(n) for n in batch.frames.shape[1:]),
        "parameters": sum(p.numel() for p in network.parameters()),
        "macs": counter.get_total_flops() // 2,
    }


def main() -> None:
    """Write `counts.json` beside this file."""
    counts = {name: count(name) for name in names()}
    file = Path(__file__).with_name("counts.json")
    file.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
