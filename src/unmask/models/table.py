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
TAN = "Tan, Le 2019, EfficientNet"
HE = "He, Zhang, Ren, Sun 2016, ResNet"
WODAJO = "Wodajo, Atnafu 2021, CViT (its convolutional stack)"
AFCHAR = "Afchar, Nozick, Yamagishi, Echizen 2018, MesoNet"

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


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


def _baseline(variant: str, publication: str, **config: Any) -> Entry:
    return Entry(
        system="baselines",
        variant=variant,
        module="unmask.models.baselines",
        network="TrunkDetector",
        publication=publication,
        config=config,
    )


def _mesonet(variant: str, trunk: str, published: Published) -> Entry:
    return Entry(
        system="baselines",
        variant=variant,
        module="unmask.models.baselines",
        network="MesoNet",
        publication=AFCHAR,
        config={
            "trunk": trunk,
            "size_px": 256,
            "mean": (0.0, 0.0, 0.0),
            "std": (1.0, 1.0, 1.0),
            "drop_rate": 0.5,
        },
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
    "xception": _baseline("xception", CHOLLET),
    "efficientnet-b4": _baseline(
        "efficientnet-b4",
        TAN,
        trunk="tf_efficientnet_b4",
        size_px=380,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        drop_rate=0.4,
    ),
    "efficientnet-b7": _baseline(
        "efficientnet-b7",
        TAN,
        trunk="tf_efficientnet_b7",
        size_px=380,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        drop_rate=0.5,
    ),
    "resnet34": _baseline(
        "resnet34", HE, trunk="resnet34", size_px=224, mean=IMAGENET_MEAN, std=IMAGENET_STD
    ),
    "vgg": _baseline(
        "vgg", WODAJO, trunk="cvit_vgg", size_px=256, mean=IMAGENET_MEAN, std=IMAGENET_STD
    ),
    "mesonet-4": _mesonet("mesonet-4", "meso4", Published(parameters_m=0.027977)),
    "mesoinception-4": _mesonet(
        "mesoinception-4", "mesoinception4", Published(parameters_m=0.028615)
    ),
}
