"""Image trunks that our networks hold under the names of their libraries.

A trunk is wherever a network of ours has the names that give the trunk away, so a new system with
an Xception in it needs no line here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from unmask.models.layouts.state import (
    Family,
    Layout,
    Place,
    Places,
    Reasons,
    Rules,
    State,
    changed,
    renamed,
)

if TYPE_CHECKING:
    from unmask.models.base import Network


def trunk_places(marks: Mapping[str, int], head: str, left: Reasons) -> Places:
    """Find every part of a network that has these names, and the linear head over its maps.

    Args:
        marks: names that give the trunk away, with the axes of their tensors.
        head: pattern of the family's names of its classifier, its last word in a group.
        left: names of the family that never have a place, and why.
    """

    def places(network: Network, _names: Iterable[str]) -> list[Place]:
        own = {key: value.dim() for key, value in network.state_dict().items()}
        first = next(iter(marks))
        prefixes = [key.removesuffix(first) for key in own if key.endswith(first)]
        return [
            _place(prefix, own, head, left)
            for prefix in prefixes
            if all(own.get(prefix + mark) == axes for mark, axes in marks.items())
        ]

    return places


def _place(prefix: str, own: Mapping[str, int], head: str, left: Reasons) -> Place:
    above = prefix.removesuffix("trunk.")
    goals: Rules = ((rf"(?!{head}).+", prefix + r"\g<0>"),)
    if f"{prefix}classifier.weight" in own:  # some hosts keep the library's, unused
        goals += ((head, prefix + r"\g<0>"),)
    elif prefix.endswith("trunk.") and f"{above}head.weight" in own:
        goals += ((head, rf"{above}head.\1"),)
    else:
        left = (*left, (head, "this part has no classifier of its own"))
    return Place(
        part=prefix.rstrip("."),
        goals=goals,
        head=head,
        left=left,
        fresh=((rf"(?!{re.escape(prefix)}).+", f"not a part of {prefix.rstrip('.')}"),),
    )


def _with_pointwise_kernels(state: State) -> State:
    """Cadene's first files have 1x1 kernels as matrices."""
    return {
        name: changed(piece, piece.value[:, :, None, None], "matrix taken as a 1x1 kernel")
        if name.endswith(".pointwise.weight") and piece.value.dim() == 2
        else piece
        for name, piece in state.items()
    }


# Blocks of each stage of EfficientNets by their number in all: B0, B1 and B2, B3 .. B7.
STAGES: dict[int, tuple[int, ...]] = {
    16: (1, 2, 2, 3, 3, 4, 1),
    23: (2, 3, 3, 4, 4, 5, 2),
    26: (2, 3, 3, 5, 5, 6, 2),
    32: (2, 4, 4, 6, 6, 8, 2),
    39: (3, 5, 5, 7, 7, 9, 3),
    45: (3, 6, 6, 8, 8, 11, 3),
    55: (4, 7, 7, 10, 10, 13, 4),
}
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LATER = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
_AROUND = (
    (r"_conv_stem\.(.+)", r"conv_stem.\1"),
    (r"_bn0\.(.+)", r"bn1.\1"),
    (r"_conv_head\.(.+)", r"conv_head.\1"),
    (r"_bn1\.(.+)", r"bn2.\1"),
    (r"_fc\.(.+)", r"classifier.\1"),
)
_BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)\.(.+)")


def in_stages(state: State) -> State:
    """Names of efficientnet_pytorch, whose blocks are numbered through, as timm's."""
    n_blocks = 1 + max((int(m[1]) for m in map(_BLOCK.fullmatch, state) if m), default=-1)
    stages = STAGES.get(n_blocks, (n_blocks,))
    where = [f"blocks.{s}.{b}" for s, length in enumerate(stages) for b in range(length)]
    done: State = {}
    for name, piece in state.items():
        if found := _BLOCK.fullmatch(name):
            # Blocks that do not widen have no first convolution, and timm names the rest otherwise.
            wide = f"_blocks.{found[1]}._expand_conv.weight" in state
            names = (_LATER if wide else _FIRST) | _SQUEEZE
            part = names.get(found[2], found[2])
            name = f"{where[int(found[1])]}.{part}.{found[3]}"  # noqa: PLW2901
        done[name] = piece
    return renamed(done, _AROUND)


LAYOUTS = (
    Layout(
        name="Xception (timm, Cadene, FaceForensics++)",
        held="legacy_xception, xception-b5690688.pth, detectors with last_linear",
        family="xception",
        signature={"block12.skip.weight": 4, "block1.rep.0.conv1.weight": 4},
        rules=((r"last_linear\.(?:1\.)?(weight|bias)", r"fc.\1"),),
        prepare=_with_pointwise_kernels,
    ),
    Layout(
        name="EfficientNet (timm)",
        held="tf_efficientnet_b0, _b4, _b7 and their kin",
        family="efficientnet",
        signature={"conv_stem.weight": 4, "blocks.0.0.conv_dw.weight": 4, "conv_head.weight": 4},
    ),
    Layout(
        name="EfficientNet of the DFDC winner",
        held="final_111_DeepFakeClassifier_tf_efficientnet_b7_ns_0_36 (selimsef) and its kin",
        family="efficientnet",
        signature={"encoder.conv_stem.weight": 4, "fc.weight": 2},
        rules=(
            (r"encoder\.classifier\.(.+)", r"unused.\1"),
            (r"encoder\.(.+)", r"\1"),
            (r"fc\.(.+)", r"classifier.\1"),
        ),
    ),
    *(
        Layout(
            name=f"EfficientNet ({kind})",
            held=held,
            family="efficientnet",
            signature={
                f"{prefix}_conv_stem.weight": 4,
                f"{prefix}_blocks.0._depthwise_conv.weight": 4,
            },
            rules=((r"efficientnet\.(.+)", r"\1"), (r"(?:classifier|last_layer)\.(.+)", r"_fc.\1")),
            prepare=in_stages,
        )
        for kind, prefix, held in (
            ("efficientnet_pytorch", "", "efficientnet-b0-355c32eb.pth and its kin"),
            ("efficientnet_pytorch in a detector", "efficientnet.", "DeepfakeBench, polimi-ispl"),
        )
    ),
    *(
        Layout(
            name=f"{kind} detector (unmask)",
            held="checkpoints trained here, for networks that have the trunk elsewhere",
            family=family,
            signature={f"trunk.{mark}": 4, "head.weight": 2},
            rules=((r"trunk\.(.+)", r"\1"), (r"head\.(.+)", rf"{head}.\1")),
        )
        for kind, family, mark, head in (
            ("EfficientNet", "efficientnet", "conv_stem.weight", "classifier"),
            ("ResNet", "resnet", "layer4.0.downsample.0.weight", "fc"),
            ("Xception", "xception", "block1.skip.weight", "fc"),
        )
    ),
    Layout(
        name="ResNet (torchvision, timm)",
        held="resnet34-b627a593.pth, timm's resnet34",
        family="resnet",
        signature={"conv1.weight": 4, "layer1.0.conv1.weight": 4, "fc.weight": 2},
    ),
)

UNUSED = (
    (r"unused\..+", "the ImageNet classifier that this detector carries along"),
    (r"adjust_channel\..+", "a layer of other detectors of the same benchmark"),
)


def _family(marks: Mapping[str, int], head: str, *takers: str) -> Family:
    return Family(places=trunk_places(marks, head, UNUSED), takers=takers)


FAMILIES = {
    "xception": _family(
        {"block12.skip.weight": 4, "conv3.pointwise.weight": 4},
        r"fc\.(weight|bias)",
        "xception",
        "long_distance",
    ),
    "efficientnet": _family(
        {"conv_stem.weight": 4, "blocks.0.0.conv_dw.weight": 4},
        r"classifier\.(weight|bias)",
        "efficientnet-b4",
        "efficientnet-b7",
        "vit_distill",
        "vit_distill/baseline_b7",
        "evit",
        "cevit",
        "dtn/efficientnet-b0",
    ),
    "resnet": _family(
        {"layer4.0.downsample.0.weight": 4, "conv1.weight": 4},
        r"fc\.(weight|bias)",
        "resnet34",
        "dtn/resnet34",
    ),
}
