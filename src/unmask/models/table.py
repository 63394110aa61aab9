"""Every network by name: where it is written, with which config, and what its paper says of it.

Explicit and without torch, so that `unmask models` answers at once. Counts stand in `counts.json`,
written by `python -m unmask.models.count` and compared with the networks by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ZHANG = "Zhang, Li, Yu, Shen 2024, Distilled Transformers (DTN)"
ABELLI = "Abelli, Chen, Hays 2020, Transformer-Based Architectures in PyTorch"
HEO = "Heo, Choi, Lee, Kim 2021, Vision Transformer and Distillation"
LU = "Lu, Liu, Luo, Zhao, Zhou, Huang 2021, Long Distance Attention"
DAS = "Das, Das, Dantcheva 2021, Demystifying Attention Mechanisms"
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


def _av_cae(
    variant: str, network: str = "AvCae", config_class: str = "Config", **config: Any
) -> Entry:
    return Entry(
        system="av_cae",
        variant=variant,
        module="unmask.models.av_cae",
        network=network,
        publication=ABELLI,
        config=config,
        config_class=config_class,
    )


FULL: dict[str, Any] = {"view": "full", "size_px": 1080}  # whole frames, 1920 x 1080
AGGREGATED: dict[str, Any] = {"causal": False, "readout": "agg_mean"}  # the rows "+ aggregation"
BY_MAXIMUM: dict[str, Any] = {"causal": False, "readout": "agg_max"}  # whole frames, in their code

AV_CAE: dict[str, Entry] = {
    "av_cae": _av_cae("face_last"),
    "av_cae/face_agg": _av_cae("face_agg", **AGGREGATED),
    "av_cae/full_last": _av_cae("full_last", **FULL),
    "av_cae/full_agg": _av_cae("full_agg", **FULL, **BY_MAXIMUM),
    "av_cae/face_agg_fixedaudio": _av_cae("face_agg_fixedaudio", audio="embedded", **AGGREGATED),
    "av_cae/ae_face": _av_cae("ae_face", "Autoencoder", "AutoencoderConfig"),
    "av_cae/ae_full": _av_cae("ae_full", "Autoencoder", "AutoencoderConfig", **FULL),
    "av_cae/lstm_ae": _av_cae("lstm_ae", "LstmAutoencoder", "LstmConfig"),
    "av_cae/lstm_ae_fixed": _av_cae(
        "lstm_ae_fixed", "LstmAutoencoder", "LstmConfig", output="fixed"
    ),
    "av_cae/video_only": _av_cae("video_only", streams="video"),
    "av_cae/audio_only": _av_cae("audio_only", streams="audio"),
    "av_cae/tiny": _av_cae(
        "tiny",
        size_px=64,
        n_frames=4,
        audio="embedded",
        n_audio=100,
        layers=2,
        hidden=64,
        dropout=0.0,
    ),
}

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


def _host(network: str, plug: str, parameters_m: float, flops_g: float) -> Entry:
    """A host of DTN's Table 8 with a plug-in, and its published counts."""
    variant = network.lower() if plug == "none" else f"{network.lower()}-{plug}"
    return Entry(
        system="hosts",
        variant=variant,
        module="unmask.models.hosts",
        network=network,
        publication=ZHANG,
        config={"plug": plug},
        config_class=f"{network}Config",
        published=Published(parameters_m=parameters_m, flops_g=flops_g),
    )


def _resnet3d(variant: str, **config: Any) -> Entry:
    return Entry(
        system="resnet3d",
        variant=variant,
        module="unmask.models.resnet3d",
        network="ResNet3d",
        publication=DAS,
        config=config,
    )


def _timesformer(attention: str) -> Entry:
    return Entry(
        system="timesformer",
        variant=attention,
        module="unmask.models.timesformer",
        network="TimeSformer",
        publication=DAS,
        config={"attention": attention},
    )


TIMESFORMER: dict[str, Entry] = {
    "timesformer": _timesformer("joint"),
    "timesformer/divided": _timesformer("divided"),
}

RESNET3D: dict[str, Entry] = {
    "resnet3d": _resnet3d("r50"),
    **{f"resnet3d/r{d}": _resnet3d(f"r{d}", depth=d) for d in (18, 34, 101)},
    "resnet3d/se": _resnet3d("se", squeeze_excite=True),
    "resnet3d/nl12": _resnet3d("nl12", non_local=(1, 2)),
    "resnet3d/nl34": _resnet3d("nl34", non_local=(3, 4)),
    "resnet3d/nl123": _resnet3d("nl123", non_local=(1, 2, 3)),
    "resnet3d/nl44": _resnet3d("nl44", non_local=(4, 4, 4, 4)),  # four blocks after stage 4
    "resnet3d/nl124": _resnet3d("nl124", non_local=(1, 2, 4)),
    "resnet3d/nl134": _resnet3d("nl134", non_local=(1, 3, 4)),
    "resnet3d/nl1234": _resnet3d("nl1234", non_local=(1, 2, 3, 4)),
    "resnet3d/se-nl1234": _resnet3d("se-nl1234", squeeze_excite=True, non_local=(1, 2, 3, 4)),
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
        attn_skip=True,  # without it, blocks that have learned nothing average the places away
    ),
    # Table 3: which parts there are, and which of them have scales (MAS).
    "dtn/vgg": _dtn("vgg", moe="none", depth=0),
    "dtn/levt": _dtn("levt", moe="none", plug="none"),
    "dtn/no-mas": _dtn("no-mas", plug="none", moe_mas=False),  # also Table 8, ours with nothing
    "dtn/mas-moe": _dtn("mas-moe", plug="none"),
    "dtn/mas-levt": _dtn("mas-levt", moe_mas=False),
    # Table 7: experts without the transformer.
    "dtn/vgg-moe": _dtn("vgg-moe", depth=0, moe_mas=False),
    "dtn/vgg-moe-vanilla": _dtn("vgg-moe-vanilla", depth=0, moe="vanilla"),
    # Table 8: ours with the other plug-in.
    "dtn/reattention": _dtn(
        "reattention",
        Published(parameters_m=29.915, flops_g=9.802),
        plug="reattention",
        moe_mas=False,
    ),
    # Fig. 6a and the robustness test: what separates the experts' inputs.
    "dtn/uniform": _dtn("uniform", augmentation="uniform"),
    "dtn/blur": _dtn("blur", augmentation="blur"),
    "dtn/compression": _dtn("compression", augmentation="compression"),
    "dtn/contrast": _dtn("contrast", augmentation="contrast"),
    # Fig. 6c: other backbones, alone and with the modules.
    "dtn/resnet34": _dtn("resnet34", backbone="resnet34"),
    "dtn/resnet34-alone": _dtn("resnet34-alone", backbone="resnet34", moe="none", depth=0),
    "dtn/efficientnet-b0": _dtn("efficientnet-b0", backbone="efficientnet_b0"),
    "dtn/efficientnet-b0-alone": _dtn(
        "efficientnet-b0-alone", backbone="efficientnet_b0", moe="none", depth=0
    ),
    # Fig. 6d: B experts, with noise and without; two with noise is the paper's default.
    **{f"dtn/experts{n}": _dtn(f"experts{n}", experts=n) for n in (1, 3, 4, 5, 6, 7)},
    **{
        f"dtn/experts{n}-calm": _dtn(f"experts{n}-calm", experts=n, augmentation="none")
        for n in range(1, 8)
    },
    # Readings of the paper's text that leave the size as it is.
    "dtn/mlp-b": _dtn("mlp-b", mlp="b"),
    "dtn/skip": _dtn("skip", attn_skip=True),
    "vit": _host("ViT", "none", 85.620, 16.879),
    "vit/mas": _host("ViT", "mas", 85.620, 16.879),
    "vit/reattention": _host("ViT", "reattention", 85.623, 16.968),
    "cvit": _host("CViT", "none", 88.988, 6.684),
    "cvit/mas": _host("CViT", "mas", 88.988, 6.684),
    "cvit/reattention": _host("CViT", "reattention", 88.989, 6.684),
    "evit": _host("EViT", "none", 104.167, 0.169),
    "evit/mas": _host("EViT", "mas", 104.167, 0.169),
    "evit/reattention": _host("EViT", "reattention", 104.167, 0.169),
    "cevit": _host("CEViT", "none", 90.640, 0.174),
    "cevit/mas": _host("CEViT", "mas", 90.640, 0.174),
    "cevit/reattention": _host("CEViT", "reattention", 90.644, 0.174),
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
    "mesonet-4": _mesonet(
        "mesonet-4", "meso4", Published(parameters_m=0.027977, counted_by="trainable")
    ),
    "mesoinception-4": _mesonet(
        "mesoinception-4",
        "mesoinception4",
        Published(parameters_m=0.028615, counted_by="trainable"),
    ),
    **VIT_DISTILL,
    **AV_CAE,
    **LONG_DISTANCE,
    **RESNET3D,
    **TIMESFORMER,
}
