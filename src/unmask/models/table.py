"""Every network by name: where it is written, with which config, and what its paper says of it.

Explicit and without torch, so that `unmask models` answers at once. Counts stand in `counts.json`,
written by `python -m unmask.models.count` and compared with the networks by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ZHANG = "Zhang, Li, Yu, Shen 2024, Distilled Transformers (DTN)"
HEO = "Heo, Choi, Lee, Kim 2021, Vision Transformer and Distillation"
LU = "Lu, Liu, Luo, Zhao, Zhou, Huang 2021, Long Distance Attention"
LU = "Lu, Liu, Luo, Zhao, Zhou, Huang 2021, Long Distance Attention"
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
    config_class: str = "Config"  # beside the network, where a module has several
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


def _vit_distill(variant: str, **config: Any) -> Entry:
    return Entry(
        system="vit_distill",
        variant=variant,
        module="unmask.models.vit_distill",
        network="VitDistill",
        publication=HEO,
        config=config,
    )


VIT_DISTILL: dict[str, Entry] = {
    "vit_distill": _vit_distill("full"),
    "vit_distill/patch_only": _vit_distill("patch_only", combine="patch_only"),
    "vit_distill/cnn_only": _vit_distill("cnn_only", combine="cnn_only"),
    # Trained with objective.lam = 1, which teaches the class token alone.
    "vit_distill/no_distill": _vit_distill("no_distill", infer="cls"),
    "vit_distill/infer_cls": _vit_distill("infer_cls", infer="cls"),
    "vit_distill/infer_mean": _vit_distill("infer_mean", infer="mean"),
    "vit_distill/adaptive1d": _vit_distill("adaptive1d", combine="adaptive1d"),
    "vit_distill/concat": _vit_distill("concat", combine="concat"),
    "vit_distill/baseline_b7": Entry(
        system="vit_distill",
        variant="baseline_b7",
        module="unmask.models.vit_distill",
        network="Teacher",
        config_class="TeacherConfig",
        publication="Seferbekov 2020, the DFDC winner's network, as Heo et al. 2021 compare with",
    ),
    "vit_distill/tiny": _vit_distill(
        "tiny",
        size_px=128,
        dim=192,
        depth=4,
        heads=3,
        trunk="tf_efficientnet_b0",
        trunk_drop_path=0.0,
    ),
}


def _long_distance(variant: str, **config: Any) -> Entry:
    return Entry(
        system="long_distance",
        variant=variant,
        module="unmask.models.long_distance",
        network="LongDistance",
        publication=LU,
        config=config,
    )


LONG_DISTANCE: dict[str, Entry] = {
    "long_distance": _long_distance("spatial-temporal"),
    "long_distance/xception": _long_distance("xception", attention="none"),
    "long_distance/spatial": _long_distance("spatial", attention="spatial"),
    "long_distance/temporal": _long_distance("temporal", attention="temporal"),
    **{f"long_distance/m{m}": _long_distance(f"m{m}", maps=m) for m in (1, 2, 3, 4, 5)},
    **{f"long_distance/n{n}": _long_distance(f"n{n}", next_frames=n) for n in (2, 3, 4, 5)},
    **{f"long_distance/span_{c}": _long_distance(f"span_{c}", span=c) for c in (1, 3, 7, 14)},
    "long_distance/conv1x1": _long_distance("conv1x1", gate="convolution"),
    "long_distance/vit_direct": Entry(
        system="long_distance",
        variant="vit_direct",
        module="unmask.models.long_distance",
        network="VitDirect",
        config_class="VitConfig",
        publication=LU,
    ),
}


def _long_distance(variant: str, **config: Any) -> Entry:
    return Entry(
        system="long_distance",
        variant=variant,
        module="unmask.models.long_distance",
        network="LongDistance",
        publication=LU,
        config=config,
    )


LONG_DISTANCE: dict[str, Entry] = {
    "long_distance": _long_distance("spatial-temporal"),
    "long_distance/xception": _long_distance("xception", attention="none"),
    "long_distance/spatial": _long_distance("spatial", attention="spatial"),
    "long_distance/temporal": _long_distance("temporal", attention="temporal"),
    **{f"long_distance/m{m}": _long_distance(f"m{m}", maps=m) for m in (1, 2, 3, 4, 5)},
    **{f"long_distance/n{n}": _long_distance(f"n{n}", next_frames=n) for n in (2, 3, 4, 5)},
    **{f"long_distance/span_{c}": _long_distance(f"span_{c}", span=c) for c in (1, 3, 7, 14)},
    "long_distance/conv1x1": _long_distance("conv1x1", gate="convolution"),
    "long_distance/vit_direct": Entry(
        system="long_distance",
        variant="vit_direct",
        module="unmask.models.long_distance",
        network="VitDirect",
        config_class="VitConfig",
        publication=LU,
    ),
}

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
    **VIT_DISTILL,
    **LONG_DISTANCE,
    **LONG_DISTANCE,
}
