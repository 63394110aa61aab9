"""A detector small enough to export in a test: untaught, but saved as if it had been trained."""

from __future__ import annotations

from pathlib import Path

from unmask.types import Calibration, Thresholds

SIZE_PX = 64


def save_tiny(folder: Path) -> Path:
    """Write a checkpoint with graph; calibration and thresholds are made up."""
    import torch

    from unmask.models import create
    from unmask.models.weights import add_graph, save_checkpoint

    torch.manual_seed(0)
    network = create(
        "dtn/small",
        size_px=SIZE_PX,
        groups=((8, 1), (16, 1), (24, 1), (32, 1)),
        depth=1,
        expert_hidden=8,
    )
    save_checkpoint(
        folder,
        network,
        name="dtn/small",
        calibration=Calibration(slope=4.0, intercept=0.5, measured_on="nothing: made up"),
        thresholds=Thresholds(fake=0.6, real=0.4, unit="image"),
        licence="none: made up for tests",
    )
    add_graph(folder)
    return folder
