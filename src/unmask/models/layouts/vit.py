"""Vision transformers: timm's names (also the original release's), DeiT, transformers, torchvision.

The family speaks timm's names. Positions are taken apart, because every network orders its tokens
in its own way: `pos.cls`, `pos.dist` and `pos.grid`, the places of the patches row by row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from unmask.models.layouts.state import Family, Layout, Piece, Place, Rules, State, joined

if TYPE_CHECKING:
    from unmask.models.base import Network

QKV = "query, key and value joined"


def with_places_apart(state: State) -> State:
    """Split positions into those of the class token, the distillation token and the patches."""
    positions = state.pop("pos_embed", None)
    if positions is None:
        return state
    first = 2 if "dist_token" in state else 1
    value, keys = positions.value, positions.keys
    state["pos.cls"] = Piece(value=value[:, :1], keys=keys)
    if first == 2:  # DeiT has its distillation token second
        state["pos.dist"] = Piece(value=value[:, 1:2], keys=keys)
    state["pos.grid"] = Piece(value=value[:, first:], keys=keys)
    return state


def _with_joined_projections(state: State) -> State:
    done: State = {}
    for name, piece in state.items():
        key = re.fullmatch(r"(blocks\.\d+\.attn\.)query\.(weight|bias)", name)
        if key:
            parts = (state[f"{key[1]}{part}.{key[2]}"] for part in ("query", "key", "value"))
            done[f"{key[1]}qkv.{key[2]}"] = joined(parts, QKV)
        elif not re.fullmatch(r"blocks\.\d+\.attn\.(key|value)\.(weight|bias)", name):
            done[name] = piece
    return with_places_apart(done)


_LAYER = r"(?:vit|deit)\.encoder\.layer\.(\d+)\."
_TRANSFORMERS: Rules = (
    (r"(?:vit|deit)\.embeddings\.cls_token", "cls_token"),
    (r"deit\.embeddings\.distillation_token", "dist_token"),
    (r"(?:vit|deit)\.embeddings\.position_embeddings", "pos_embed"),
    (r"(?:vit|deit)\.embeddings\.patch_embeddings\.projection\.(.+)", r"patch_embed.proj.\1"),
    (_LAYER + r"attention\.attention\.(.+)", r"blocks.\1.attn.\2"),
    (_LAYER + r"attention\.output\.dense\.(.+)", r"blocks.\1.attn.proj.\2"),
    (_LAYER + r"layernorm_before\.(.+)", r"blocks.\1.norm1.\2"),
    (_LAYER + r"layernorm_after\.(.+)", r"blocks.\1.norm2.\2"),
    (_LAYER + r"intermediate\.dense\.(.+)", r"blocks.\1.mlp.fc1.\2"),
    (_LAYER + r"output\.dense\.(.+)", r"blocks.\1.mlp.fc2.\2"),
    (r"(?:vit|deit)\.layernorm\.(.+)", r"norm.\1"),
    (r"(?:cls_)?classifier\.(.+)", r"head.\1"),
    (r"distillation_classifier\.(.+)", r"head_dist.\1"),
)
_TV_LAYER = r"encoder\.layers\.encoder_layer_(\d+)\."
_TORCHVISION: Rules = (
    (r"class_token", "cls_token"),
    (r"conv_proj\.(.+)", r"patch_embed.proj.\1"),
    (r"encoder\.pos_embedding", "pos_embed"),
    (_TV_LAYER + r"ln_([12])\.(.+)", r"blocks.\1.norm\2.\3"),
    (_TV_LAYER + r"self_attention\.in_proj_(.+)", r"blocks.\1.attn.qkv.\2"),
    (_TV_LAYER + r"self_attention\.out_proj\.(.+)", r"blocks.\1.attn.proj.\2"),
    (_TV_LAYER + r"mlp\.0\.(.+)", r"blocks.\1.mlp.fc1.\2"),
    (_TV_LAYER + r"mlp\.3\.(.+)", r"blocks.\1.mlp.fc2.\2"),
    (r"encoder\.ln\.(.+)", r"norm.\1"),
    (r"heads\.head\.(.+)", r"head.\1"),
)

LAYOUTS = (
    Layout(
        name="DeiT (timm, original release)",
        held="deit_base_distilled_patch16_224 and its kin",
        family="vit",
        signature={"dist_token": 3, "pos_embed": 3, "blocks.0.attn.qkv.weight": 2},
        prepare=with_places_apart,
    ),
    Layout(
        name="ViT (timm)",
        held="vit_base_patch16_224, vit_large_patch32_384 and their kin",
        family="vit",
        signature={"patch_embed.proj.weight": 4, "pos_embed": 3, "blocks.0.attn.qkv.weight": 2},
        prepare=with_places_apart,
    ),
    *(
        Layout(
            name=f"{kind} (transformers)",
            held=held,
            family="vit",
            signature={
                f"{prefix}.embeddings.cls_token": 3,
                f"{prefix}.encoder.layer.0.attention.attention.query.weight": 2,
            },
            rules=_TRANSFORMERS,
            prepare=_with_joined_projections,
        )
        for kind, prefix, held in (
            ("ViT", "vit", "google/vit-base-patch16-224, google/vit-large-patch32-384"),
            ("DeiT", "deit", "facebook/deit-base-distilled-patch16-224"),
        )
    ),
    Layout(
        name="ViT (torchvision)",
        held="vit_b_16, vit_l_32",
        family="vit",
        signature={"conv_proj.weight": 4, "encoder.pos_embedding": 3},
        rules=_TORCHVISION,
        prepare=with_places_apart,
    ),
)


def block_goals(blocks: str) -> Rules:
    """Timm's names of a block -> those of our `TransformerBlock`s."""
    return (
        (r"blocks\.(\d+)\.norm1\.(.+)", rf"{blocks}.\1.norm_attn.\2"),
        (r"blocks\.(\d+)\.attn\.qkv\.(.+)", rf"{blocks}.\1.attn.qkv.\2"),
        (r"blocks\.(\d+)\.attn\.proj\.(.+)", rf"{blocks}.\1.attn.out.\2"),
        (r"blocks\.(\d+)\.norm2\.(.+)", rf"{blocks}.\1.norm_mlp.\2"),
        (r"blocks\.(\d+)\.mlp\.fc1\.(.+)", rf"{blocks}.\1.mlp.0.\2"),
        (r"blocks\.(\d+)\.mlp\.fc2\.(.+)", rf"{blocks}.\1.mlp.2.\2"),
        (r"norm\.(.+)", r"norm.\1"),
    )


def token_goals(*, patch: str, cls: str, position: str) -> Rules:
    """Where patches, class token and positions go in a network that has the class token first."""
    return (
        (r"patch_embed\.proj\.(.+)", rf"{patch}.\1"),
        (r"cls_token", cls),
        (r"pos\.cls", f"{position}[0:1]"),
        (r"pos\.grid", f"{position}[1:]"),
    )


NO_DISTILLATION = (
    (r"dist_token|pos\.dist|head_dist\..+", "this network has no distillation token"),
)
OTHER = (
    *NO_DISTILLATION,
    (r".*pooler\..+|pre_logits\..+", "a layer behind the encoder that this network does not have"),
)
HEADS = r"head(_dist)?\..+"


def _places(network: Network, _names: Iterable[str]) -> list[Place]:
    match type(network).__name__:
        case "ViT":
            return [_of_host()]
        case "VitDistill":
            return [_of_student(network)]
        case "VitDirect":
            tokens = token_goals(patch="embed", cls="cls", position="position")
            goals = (*tokens, *block_goals("blocks"), (r"head\.(.+)", r"head.\1"))
            return [Place(part="the whole network", goals=goals, head=HEADS, left=OTHER)]
        case "TimeSformer":
            return [of_timesformer(network, "an image network knows no time")]
    return []


def _of_host() -> Place:
    tokens = token_goals(patch="patch", cls="tokens.cls", position="tokens.position")
    return Place(
        part="the whole network",
        goals=(*tokens, *block_goals("encoder"), (r"head\.(.+)", r"head.\1")),
        head=HEADS,
        left=(
            *OTHER,
            (r"blocks\.\d+\.attn\.qkv\.bias", "this host's projections have no bias"),
        ),
        fresh=((r".+\.(head_scale|remix)\..+", "a plug-in of the attention, ours to learn"),),
        note="the host's projections have no bias, so it is not the file's function",
    )


def _of_student(network: Any) -> Place:
    n_patches = network.side**2
    goals: Rules = (
        (r"patch_embed\.proj\.(.+)", r"patch.\1"),
        (r"cls_token", "cls_token"),
        (r"dist_token", "distill_token"),
        (r"pos\.cls", "position[0:1]"),
        (r"pos\.grid", f"position[1:{1 + n_patches}]"),
        (r"pos\.dist", "position[-1:]"),
        *block_goals("blocks"),
        (r"head\.(.+)", r"head_cls.\1"),
        (r"head_dist\.(.+)", r"head_distill.\1"),
    )
    no_token = "the file has no distillation token"
    last = network.position.shape[1] - 1
    return Place(
        part="the transformer",
        goals=goals,
        head=HEADS,
        left=((r"patch_embed\..+", "this variant has no patch branch"), *OTHER[1:]),
        fresh=(
            (r"cnn\..+", "the CNN branch takes weights of its own: give an EfficientNet's too"),
            (r"project\..+", "the 1x1 convolution before the tokens exists here only"),
            (rf"distill_token|head_distill\..+|position\[{last}:{last + 1}\]", no_token),
            (r"position\[.+\]", "the file has no places for CNN tokens"),
        ),
    )


def of_timesformer(network: Any, no_time: str) -> Place:
    """Goals of an image transformer in a TimeSformer.

    With divided attention the weights in space also begin those in time, as in its authors' code;
    what leads from time into the sum starts at zero in all blocks but the first.
    """
    goals = (
        *token_goals(patch="embed", cls="cls", position="position"),
        *block_goals("blocks"),
        (r"head\.(.+)", r"head.\1"),
    )
    if network.config.attention == "divided":
        goals += (
            (r"blocks\.(\d+)\.norm1\.(.+)", r"blocks.\1.norm_time.\2"),
            (r"blocks\.(\d+)\.attn\.qkv\.(.+)", r"blocks.\1.attn_time.qkv.\2"),
            (r"blocks\.(\d+)\.attn\.proj\.(.+)", r"blocks.\1.attn_time.out.\2"),
        )
    return Place(
        part="the whole network",
        goals=goals,
        head=HEADS,
        left=OTHER,
        fresh=((r"time", no_time), (r"blocks\.\d+\.time_fc\..+", no_time)),
    )


FAMILY = Family(
    places=_places,
    takers=("vit", "vit_distill", "long_distance/vit_direct", "timesformer"),
)
