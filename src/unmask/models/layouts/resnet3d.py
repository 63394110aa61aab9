"""3D ResNets of Hara et al., whose names ours are, and torchvision's R3D-18."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from unmask.models.layouts.state import Family, Layout, Place

if TYPE_CHECKING:
    from unmask.models.base import Network

LAYOUTS = (
    Layout(
        name="3D ResNet (Hara et al.)",
        held="r3d18_K_200ep.pth, r3d50_KMS_200ep.pth, resnet-34-kinetics.pth and their kin",
        family="resnet3d",
        signature={"conv1.weight": 5, "layer1.0.conv1.weight": 5},
    ),
    Layout(
        name="R3D-18 (torchvision)",
        held="r3d_18-b3b3357e.pth (Kinetics-400)",
        family="resnet3d",
        signature={"stem.0.weight": 5, "layer1.0.conv1.0.weight": 5},
        rules=(
            (r"stem\.0\.(.+)", r"conv1.\1"),
            (r"(layer\d+\.\d+)\.conv(\d)\.0\.(.+)", r"\1.conv\2.\3"),
            (r"(layer\d+\.\d+)\.conv(\d)\.1\.(.+)", r"\1.bn\2.\3"),
        ),
        note=(
            "torchvision's first convolution is 3x7x7 where ours is 7x7x7, and no pooling follows "
            "it: the stages are the same, what they are given is not"
        ),
    ),
)
_BEHIND_STEM = ((r"bn1\..+", "stands behind the first convolution, which does not fit"),)
_FROM_STEM = "belongs to the 3x7x7 convolution before it, which does not fit"


def _places(network: Network, names: Iterable[str]) -> list[Place]:
    if type(network).__name__ != "ResNet3d":
        return []
    parameter_free = not any(".downsample." in name for name in names)
    why = (
        "the file's shortcuts are free of parameters (type A)"
        if parameter_free
        else "the file has no such shortcut"
    )
    return [
        Place(
            part="the whole network",
            goals=((r"fc\.(.+)", r"head.\1"), (r"(?:conv1|bn1|layer\d)\..+", r"\g<0>")),
            head=r"fc\..+",
            left=((r"stem\.1\..+", _FROM_STEM),),
            fresh=(
                (r"after\..+", "attention between the stages, ours to learn"),
                (r".+\.downsample\..+", why),
                *(_BEHIND_STEM if any(name.startswith("stem.1.") for name in names) else ()),
            ),
        )
    ]


FAMILY = Family(places=_places, takers=("resnet3d", "resnet3d/r18", "resnet3d/se-nl1234"))
