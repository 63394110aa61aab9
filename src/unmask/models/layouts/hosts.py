"""The published checkpoints of CViT, EfficientViT and CrossEfficientViT, under our names.

CViT: github.com/erprogs/CViT; the others: github.com/davide-coccomini's repository on combining
EfficientNet and vision transformers. All three follow lucidrains' naming of attention.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from unmask.models.layouts.state import (
    Family,
    Layout,
    Place,
    Places,
    Rules,
    State,
    changed,
    joined,
    renamed,
)
from unmask.models.layouts.trunks import in_stages

if TYPE_CHECKING:
    from unmask.models.base import Network

_CVIT_LAYER = r"transformer\.layers\.(\d+)\."
_CVIT: Rules = (
    (r"features\.(.+)", r"backbone.\1"),
    (r"patch_to_embedding\.(.+)", r"patch.\1"),
    (r"cls_token", "tokens.cls"),
    (r"pos_embedding", "tokens.position"),
    (_CVIT_LAYER + r"0\.fn\.norm\.(.+)", r"encoder.\1.norm_attn.\2"),
    (_CVIT_LAYER + r"0\.fn\.fn\.to_qkv\.(.+)", r"encoder.\1.attn.qkv.\2"),
    (_CVIT_LAYER + r"0\.fn\.fn\.to_out\.(.+)", r"encoder.\1.attn.out.\2"),
    (_CVIT_LAYER + r"1\.fn\.norm\.(.+)", r"encoder.\1.norm_mlp.\2"),
    (_CVIT_LAYER + r"1\.fn\.fn\.net\.(.+)", r"encoder.\1.mlp.\2"),
    (r"mlp_head\.(.+)", r"head.\1"),
)
_EVIT_LAYER = r"transformer\.layers\.(\d+)\."
_EVIT: Rules = (
    (r"patch_to_embedding\.(.+)", r"patch.\1"),
    (r"cls_token", "cls"),
    (r"pos_embedding", "position"),
    (_EVIT_LAYER + r"0\.norm\.(.+)", r"encoder.\1.norm_attn.\2"),
    (_EVIT_LAYER + r"0\.fn\.to_qkv\.(.+)", r"encoder.\1.attn.qkv.\2"),
    (_EVIT_LAYER + r"0\.fn\.to_out\.0\.(.+)", r"encoder.\1.attn.out.\2"),
    (_EVIT_LAYER + r"1\.norm\.(.+)", r"encoder.\1.norm_mlp.\2"),
    (_EVIT_LAYER + r"1\.fn\.net\.0\.(.+)", r"encoder.\1.mlp.0.\2"),
    (_EVIT_LAYER + r"1\.fn\.net\.3\.(.+)", r"encoder.\1.mlp.2.\2"),
    (r"mlp_head\.(.+)", r"head.\1"),
)


def _branch(theirs: str, ours: str) -> Rules:
    return (
        (rf"{theirs}_image_embedder\.to_patch_embedding\.1\.(.+)", rf"{ours}.patch.\1"),
        (rf"{theirs}_image_embedder\.cls_token", f"{ours}.tokens.cls"),
        (rf"{theirs}_image_embedder\.pos_embedding", f"{ours}.tokens.position"),
        (rf"{theirs}_mlp_head\.(.+)", rf"{ours}_head.\1"),
    )


def _encoder(place: int, ours: str) -> Rules:
    layer = rf"multi_scale_encoder\.layers\.(\d+)\.{place}\."
    block = rf"layers.\1.{ours}.\2."
    return (
        (layer + r"norm\.(.+)", rf"layers.\1.{ours}.norm.\2"),
        (layer + r"layers\.(\d+)\.0\.norm\.(.+)", block + r"norm_attn.\3"),
        (layer + r"layers\.(\d+)\.0\.fn\.to_(q|kv)\.(.+)", block + r"attn.\3.\4"),
        (layer + r"layers\.(\d+)\.0\.fn\.to_out\.0\.(.+)", block + r"attn.out.\3"),
        (layer + r"layers\.(\d+)\.1\.norm\.(.+)", block + r"norm_mlp.\3"),
        (layer + r"layers\.(\d+)\.1\.fn\.net\.0\.(.+)", block + r"mlp.0.\3"),
        (layer + r"layers\.(\d+)\.1\.fn\.net\.3\.(.+)", block + r"mlp.2.\3"),
    )


def _visits(place: int, ours: str) -> Rules:
    layer = rf"multi_scale_encoder\.layers\.(\d+)\.2\.layers\.(\d+)\.{place}\."
    visit = rf"layers.\1.{ours}.\2."
    return (
        (layer + r"project_in\.(.+)", visit + r"enter.\3"),
        (layer + r"project_out\.(.+)", visit + r"leave.\3"),
        (layer + r"fn\.norm\.(.+)", visit + r"norm.\3"),
        (layer + r"fn\.fn\.to_(q|kv)\.(.+)", visit + r"attn.\3.\4"),
        (layer + r"fn\.fn\.to_out\.0\.(.+)", visit + r"attn.out.\3"),
    )


_CEVIT: Rules = (
    *_branch("sm", "small"),
    *_branch("lg", "large"),
    *_encoder(0, "small"),
    *_encoder(1, "large"),
    *_visits(0, "small_visits"),
    *_visits(1, "large_visits"),
)


def _of_cvit(state: State) -> State:
    """Positions that its code reaches, and classes in our order."""
    position = state.get("tokens.position")
    if position is not None and position.value.shape[0] > 1:
        # Its first code adds row b to item b of a batch; a single picture meets row 0 twice.
        row = position.value[:1].expand(1, 2, -1)
        state["tokens.position"] = changed(position, row, "row 0, which a single picture meets")
    elif position is not None:
        used = position.value[:, :2]
        state["tokens.position"] = changed(position, used, "the first two places, the only used")
    for name in ("head.2.weight", "head.2.bias"):
        if name in state and state[name].value.shape[0] == 2:
            piece = state[name]
            state[name] = changed(piece, piece.value.flip(0), "classes swapped: theirs 0 is fake")
    return state


def _with_trunks(state: State, trunks: dict[str, str]) -> State:
    """EfficientNets inside a checkpoint, under timm's names."""
    done = dict(state)
    for theirs, ours in trunks.items():
        inner = {
            name.removeprefix(theirs): done.pop(name) for name in state if name.startswith(theirs)
        }
        done |= {ours + name: piece for name, piece in in_stages(inner).items()}
    return done


def _of_evit(state: State) -> State:
    return _with_trunks(state, {"efficient_net.": "trunk.net."})


def _of_cevit(state: State) -> State:
    state = _with_trunks(
        state,
        {
            "sm_image_embedder.efficient_net.": "small.trunk.net.",
            "lg_image_embedder.efficient_net.": "large.trunk.net.",
        },
    )
    for name in [n for n in state if n.endswith(".attn.q.weight") and "_visits." not in n]:
        kv = name.replace(".q.", ".kv.")
        if kv in state:
            pieces = (state.pop(name), state.pop(kv))
            state[name.replace(".q.", ".qkv.")] = joined(pieces, "query, key and value joined")
    for branch in ("small", "large"):  # the norm after the blocks counts as one more of them
        norms = [n for n in state if f".{branch}.norm." in n]
        for name in norms:
            layer = name.split(f".{branch}.")[0]
            n_blocks = sum(n.startswith(f"{layer}.{branch}.") for n in state if "mlp.0.bias" in n)
            place = f".{branch}.{n_blocks}."
            state = renamed(state, ((name, name.replace(f".{branch}.norm.", place)),))
    return state


_RAW = "its authors feed BGR pixels from 0 to 255, this network RGB normalised: train it on"

LAYOUTS = (
    Layout(
        name="CViT",
        held="cvit_deepfake_detection_v2.pth, deepfake_cvit_gpu_inference_ep_50.pth",
        family="cvit",
        signature={
            "features.0.weight": 4,
            "patch_to_embedding.weight": 2,
            "transformer.layers.0.0.fn.fn.to_qkv.weight": 2,
        },
        rules=_CVIT,
        prepare=_of_cvit,
    ),
    Layout(
        name="EfficientViT",
        held="efficient_vit.pth",
        family="evit",
        signature={
            "efficient_net._conv_stem.weight": 4,
            "patch_to_embedding.weight": 2,
            "transformer.layers.0.0.fn.to_qkv.weight": 2,
        },
        rules=_EVIT,
        prepare=_of_evit,
        note=_RAW,
    ),
    Layout(
        name="CrossEfficientViT",
        held="cross_efficient_vit.pth",
        family="cevit",
        signature={
            "sm_image_embedder.efficient_net._conv_stem.weight": 4,
            "lg_image_embedder.cls_token": 3,
        },
        rules=_CEVIT,
        prepare=_of_cevit,
        note=_RAW,
    ),
)

PLUGS = ((r".+\.(head_scale|remix)\..+", "a plug-in of the attention, ours to learn"),)
ALONE = ((r"(?!backbone\.).+", "only the convolutional stack has a place in this network"),)


def _places_of_cvit(network: Network, _names: Iterable[str]) -> list[Place]:
    whole = _places_of("CViT")(network, _names)
    if whole:
        return whole
    config = network.config
    if type(network).__name__ == "DTN" and config.backbone == "vgg":
        return [_stack("backbone")]
    if type(network).__name__ == "TrunkDetector" and config.trunk == "cvit_vgg":
        return [_stack("trunk")]
    return []


def _stack(part: str) -> Place:
    return Place(
        part=part,
        goals=((r"backbone\.(.+)", rf"{part}.\1"),),
        left=ALONE,
        fresh=((rf"(?!{part}\.).+", f"not a part of {part}"),),
    )


def _places_of(network_class: str) -> Places:
    def places(network: Network, _names: Iterable[str]) -> list[Place]:
        if type(network).__name__ != network_class:
            return []
        goals = ((r".+", r"\g<0>"),)
        return [Place(part="the whole network", goals=goals, head=r"head\..+", fresh=PLUGS)]

    return places


FAMILIES = {
    "cvit": Family(places=_places_of_cvit, takers=("cvit", "dtn", "vgg")),
    "evit": Family(places=_places_of("EViT"), takers=("evit",)),
    "cevit": Family(places=_places_of("CEViT"), takers=("cevit",)),
}
