"""Every network by name: where it is written, with which config, and what its paper says of it.

Explicit and without torch, so that `unmask models` answers at once. Counts stand in `counts.json`,
written by `python -m unmask.models.count` and compared with the networks by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ZHANG = "Zhang, Li, Yu, Shen 2024, Distilled Transformers (DTN)"
CHOLLET = "Chollet 2017, Xception; Roessler et al. 2019, FaceForensics++"


@dataclass(frozen=True, kw_only=True)
class Published:
    """Counts as printed in the paper, and the counter that gives them."""

    parameters_m: float
    flops_g: float | None = None  # what the paper calls FLOPs
    counted_by: str = "thop"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A network with a name."""

    system: str
    variant: str
    module: str  # where its Network class and its Config are
    network: str  # class name
    publication: str
    config: Mapping[str, Any] = field(default_factory=dict)  # differs from the Config's defaults
    published: Published | None = None


def _dtn(variant: str, published: Published | None = None, **config: Any) -> Entry:
    return Entry(
        system="dtn",
        variant=variant,
        module="unmask.models.dtn",
        network="DTN",
        publication=ZHANG,
        config=config,
        published=published,
    )


SMALL_GROUPS = ((16, 2), (32, 2), (64, 3), (128, 3), (256, 3))

TABLE: dict[str, Entry] = {
    "dtn": _dtn("L6", Published(parameters_m=29.912, flops_g=9.799)),
    "dtn/L4": _dtn("L4", Published(parameters_m=23.590, flops_g=9.393), depth=4),
    "dtn/L5": _dtn("L5", Published(parameters_m=26.751, flops_g=9.596), depth=5),
    "dtn/L7": _dtn("L7", Published(parameters_m=33.073, flops_g=10.002), depth=7),
    "dtn/no-lc": _dtn("no-lc", Published(parameters_m=29.876, flops_g=9.796), local_conv=False),
    "dtn/small": _dtn(
        "small",
        size_px=160,
        groups=SMALL_GROUPS,
        expert_hidden=64,
        depth=3,
        attn_skip=True,  # without it the first steps of a short training see no places apart
    ),
    "xception": Entry(
        system="baselines",
        variant="xception",
        module="unmask.models.baselines",
        network="TimmDetector",
        publication=CHOLLET,
        config={"trunk": "legacy_xception", "size_px": 299, "margin": 0.15},
    ),
}
