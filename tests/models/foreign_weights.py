"""Random weights under names that others gave them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unmask.models.base import Network
from unmask.models.init_report import InitReport
from unmask.models.pretrained import fill
from unmask.models.weight_files import Weights


def shaken(module: nn.Module, std: float = 0.1, seed: int = 5) -> nn.Module:
    """Give every parameter and statistic of a network a value of its own."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.parameters():
            value.add_(torch.randn(value.shape, generator=chance) * std)
        for name, value in module.named_buffers():
            if name.endswith("running_var"):
                value.copy_(torch.rand(value.shape, generator=chance) + 0.5)
            elif name.endswith("running_mean"):
                value.copy_(torch.randn(value.shape, generator=chance) * std)
    return module.eval()


def drawn(shapes: dict[str, tuple[int, ...]], std: float = 0.2, seed: int = 6) -> dict[str, Tensor]:
    """Random tensors of these names and shapes; statistics are such as can be."""
    chance = torch.Generator().manual_seed(seed)
    return {
        key: torch.rand(shape, generator=chance) + 0.5
        if key.endswith("running_var")
        else torch.randn(shape, generator=chance) * std
        for key, shape in shapes.items()
    }


def take(network: Network, tensors: dict[str, Tensor]) -> InitReport:
    """Fill a network and see to it that the report accounts for everything."""
    report = fill(network, Weights(source="foreign", tensors=tensors))
    theirs = {key for match in (*report.matched, *report.mismatched) for key in match.theirs}
    left = {item.name.split(" ")[0] for item in report.unmatched}
    assert theirs | left == set(tensors)
    ours = {match.ours.split("[")[0] for match in report.matched}
    kept = {item.name.split("[")[0] for item in report.missing}
    assert ours | kept == set(network.state_dict())
    whole = {match.ours for match in report.matched if "[" not in match.ours}
    assert not whole & {item.name for item in report.missing}
    assert all(item.reason for item in (*report.unmatched, *report.missing))
    return report


def kept(report: InitReport) -> set[str]:
    """Weights of the network that keep their first values, counters apart."""
    return {m.name for m in report.missing if not m.name.endswith("num_batches_tracked")}


def left(report: InitReport) -> set[str]:
    """Names of the file that found no place."""
    return {item.name for item in report.unmatched}
