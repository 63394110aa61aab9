"""TimeSformer: its release (github.com/facebookresearch/TimeSformer) and transformers'.

The family speaks the release's names, which are timm's ViT and what concerns time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from unmask.models.layouts.state import Family, Layout, Place, Rules
from unmask.models.layouts.vit import (
    HEADS,
    block_goals,
    of_timesformer,
    token_goals,
    with_places_apart,
)

if TYPE_CHECKING:
    from unmask.models.base import Network

_LAYER = r"timesformer\.encoder\.layer\.(\d+)\."
_TRANSFORMERS: Rules = (
    (r"timesformer\.embeddings\.cls_token", "cls_token"),
    (r"timesformer\.embeddings\.position_embeddings", "pos_embed"),
    (r"timesformer\.embeddings\.time_embeddings", "time_embed"),
    (r"timesformer\.embeddings\.patch_embeddings\.projection\.(.+)", r"patch_embed.proj.\1"),
    (_LAYER + r"temporal_layernorm\.(.+)", r"blocks.\1.temporal_norm1.\2"),
    (_LAYER + r"temporal_attention\.attention\.qkv\.(.+)", r"blocks.\1.temporal_attn.qkv.\2"),
    (_LAYER + r"temporal_attention\.output\.dense\.(.+)", r"blocks.\1.temporal_attn.proj.\2"),
    (_LAYER + r"temporal_dense\.(.+)", r"blocks.\1.temporal_fc.\2"),
    (_LAYER + r"attention\.attention\.qkv\.(.+)", r"blocks.\1.attn.qkv.\2"),
    (_LAYER + r"attention\.output\.dense\.(.+)", r"blocks.\1.attn.proj.\2"),
    (_LAYER + r"layernorm_before\.(.+)", r"blocks.\1.norm1.\2"),
    (_LAYER + r"layernorm_after\.(.+)", r"blocks.\1.norm2.\2"),
    (_LAYER + r"intermediate\.dense\.(.+)", r"blocks.\1.mlp.fc1.\2"),
    (_LAYER + r"output\.dense\.(.+)", r"blocks.\1.mlp.fc2.\2"),
    (r"timesformer\.layernorm\.(.+)", r"norm.\1"),
    (r"classifier\.(.+)", r"head.\1"),
)

LAYOUTS = (
    Layout(
        name="TimeSformer (release)",
        held="TimeSformer_divST_8x32_224_K400.pyth, TimeSformer_joinST_... and their kin",
        family="timesformer",
        signature={"time_embed": 3, "blocks.0.attn.qkv.weight": 2},
        prepare=with_places_apart,
    ),
    Layout(
        name="TimeSformer (transformers)",
        held="facebook/timesformer-base-finetuned-k400",
        family="timesformer",
        signature={
            "timesformer.embeddings.time_embeddings": 3,
            "timesformer.encoder.layer.0.attention.attention.qkv.weight": 2,
        },
        rules=_TRANSFORMERS,
        prepare=with_places_apart,
    ),
)

_OVER_TIME: Rules = (
    (r"blocks\.(\d+)\.temporal_norm1\.(.+)", r"blocks.\1.norm_time.\2"),
    (r"blocks\.(\d+)\.temporal_attn\.qkv\.(.+)", r"blocks.\1.attn_time.qkv.\2"),
    (r"blocks\.(\d+)\.temporal_attn\.proj\.(.+)", r"blocks.\1.attn_time.out.\2"),
    (r"blocks\.(\d+)\.temporal_fc\.(.+)", r"blocks.\1.time_fc.\2"),
)


def _places(network: Network, names: Iterable[str]) -> list[Place]:
    if type(network).__name__ != "TimeSformer":
        return []
    if not any(".temporal_" in name for name in names):
        joint = of_timesformer(network, "the file attends over space and time at once")
        return [Place(**{**vars(joint), "goals": (*joint.goals, (r"time_embed", "time"))})]
    goals: Rules = (
        *token_goals(patch="embed", cls="cls", position="position"),
        (r"time_embed", "time"),
        *block_goals("blocks"),
        (r"head\.(.+)", r"head.\1"),
    )
    left: Rules = ()
    if network.config.attention == "divided":
        goals += _OVER_TIME
    else:
        left = ((r".+\.temporal_.+", "joint attention has none over time alone"),)
    return [Place(part="the whole network", goals=goals, head=HEADS, left=left)]


FAMILY = Family(places=_places, takers=("timesformer", "timesformer/divided"))
