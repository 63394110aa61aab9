"""The soft masks that swaps and resyntheses share: a self-blend's, without its shift and strength.

Two faces half laid over each other would show four eyes, so the blend is always full; and what is
put in has its place, so nothing is shifted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from unmask.forge.selfblend import BlendPlan, Region, SelfBlendConfig, draw_plan


@dataclass(frozen=True, kw_only=True)
class SeamConfig:
    """What may be drawn of a mask, as in `SelfBlendConfig`."""

    regions: tuple[tuple[Region, float], ...] = (
        ("face", 0.3),
        ("below_forehead", 0.4),
        ("inner", 0.3),
    )
    elastic: tuple[float, float] = (0.005, 0.03)
    soften: tuple[float, float] = (0.1, 0.3)
    erode: tuple[float, float] = (0.6, 0.95)


SEAMS = SeamConfig()


def draw_seam(rng: np.random.Generator, config: SeamConfig) -> BlendPlan:
    """Draw the mask of one forgery."""
    drawn_from = SelfBlendConfig(
        augment_target=0.0,
        regions=config.regions,
        elastic=config.elastic,
        soften=config.soften,
        erode=config.erode,
        shift_x=0.0,
        shift_y=0.0,
        scale=1.0,
        ratios=(1.0,),
    )
    return draw_plan(rng, drawn_from)


def seam_params(plan: BlendPlan) -> dict[str, Any]:
    """Of a plan, what makes the mask, as plain JSON values."""
    return {name: plan.params()[name] for name in ("region", "elastic", "soften", "erode")}
