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
    detects: bool = True  # an autoencoder does not: it is trained, but nothing is scanned with it


SYSTEMS: dict[str, tuple[str, str]] = {  # usual network class of a system, and its publication
    "dtn": ("DTN", ZHANG),
    "hosts": ("", ZHANG),
    "baselines": ("TrunkDetector", ""),
    "vit_distill": ("VitDistill", HEO),
    "av_cae": ("AvCae", ABELLI),
    "long_distance": ("LongDistance", LU),
    "resnet3d": ("ResNet3d", DAS),
    "timesformer": ("TimeSformer", DAS),
}


def _row(
    system: str,
    variant: str,
    published: Published | None = None,
    *,
    network: str = "",
    publication: str = "",
    config_class: str = "Config",
    detects: bool = True,
    **config: Any,
) -> Entry:
    """A row with what is usual in its system; `config` differs from the Config's defaults."""
    usual, by = SYSTEMS[system]
    return Entry(
        system=system,
        variant=variant,
        module=f"unmask.models.{system}",
        network=network or usual,
        publication=publication or by,
        config=config,
        config_class=config_class,
        published=published,
        detects=detects,
    )


SMALL_GROUPS = ((16, 2), (32, 2), (64, 3), (128, 3), (256, 3))
TINY_GROUPS = ((16, 1), (32, 2), (64, 2), (128, 2))

DTN: dict[str, Entry] = {
    "dtn": _row("dtn", "L6", Published(parameters_m=29.912, flops_g=9.799)),
    # Table 9.
    "dtn/L4": _row("dtn", "L4", Published(parameters_m=23.590, flops_g=9.393), depth=4),
    "dtn/L5": _row("dtn", "L5", Published(parameters_m=26.751, flops_g=9.596), depth=5),
    "dtn/L7": _row("dtn", "L7", Published(parameters_m=33.073, flops_g=10.002), depth=7),
    # Table 6.
    "dtn/no-lc": _row(
        "dtn", "no-lc", Published(parameters_m=29.876, flops_g=9.796), local_conv=False
    ),
    "dtn/small": _row(
        "dtn",
        "small",
        size_px=160,
        groups=SMALL_GROUPS,
        expert_hidden=64,
        depth=3,
        attn_skip=True,  # without it, blocks that have learned nothing average the places away
    ),
    "dtn/tiny": _row(
        "dtn", "tiny", size_px=128, groups=TINY_GROUPS, expert_hidden=32, depth=2, heads=4
    ),
    # Table 3: which parts there are, and which of them have scales (MAS).
    "dtn/vgg": _row("dtn", "vgg", moe="none", depth=0),
    "dtn/levt": _row("dtn", "levt", moe="none", plug="none"),
    "dtn/no-mas": _row("dtn", "no-mas", plug="none", moe_mas=False),  # and Table 8's ours / none
    "dtn/mas-moe": _row("dtn", "mas-moe", plug="none"),
    "dtn/mas-levt": _row("dtn", "mas-levt", moe_mas=False),
    # Table 7: experts without the transformer.
    "dtn/vgg-moe": _row("dtn", "vgg-moe", depth=0, moe_mas=False),
    "dtn/vgg-moe-vanilla": _row("dtn", "vgg-moe-vanilla", depth=0, moe="vanilla"),
    # Table 8: ours with the other plug-in.
    "dtn/reattention": _row(
        "dtn",
        "reattention",
        Published(parameters_m=29.915, flops_g=9.802),
        plug="reattention",
        moe_mas=False,
    ),
    # Fig. 6a and the robustness test: what separates the experts' inputs.
    **{
        f"dtn/{name}": _row("dtn", name, augmentation=name)
        for name in ("uniform", "blur", "compression", "contrast")
    },
    # Fig. 6c: other backbones, alone and with the modules.
    "dtn/resnet34": _row("dtn", "resnet34", backbone="resnet34"),
    "dtn/resnet34-alone": _row("dtn", "resnet34-alone", backbone="resnet34", moe="none", depth=0),
    "dtn/efficientnet-b0": _row("dtn", "efficientnet-b0", backbone="efficientnet_b0"),
    "dtn/efficientnet-b0-alone": _row(
        "dtn", "efficientnet-b0-alone", backbone="efficientnet_b0", moe="none", depth=0
    ),
    # Fig. 6d: B experts, with noise and without; two with noise is the paper's default.
    **{f"dtn/experts{n}": _row("dtn", f"experts{n}", experts=n) for n in (1, 3, 4, 5, 6, 7)},
    **{
        f"dtn/experts{n}-calm": _row("dtn", f"experts{n}-calm", experts=n, augmentation="none")
        for n in range(1, 8)
    },
    # Readings of the paper's text that leave the size as it is.
    "dtn/mlp-b": _row("dtn", "mlp-b", mlp="b"),
    "dtn/skip": _row("dtn", "skip", attn_skip=True),
}


def _host(network: str, plug: str, parameters_m: float, flops_g: float) -> Entry:
    """A host of DTN's Table 8 with a plug-in, and its published counts."""
    return _row(
        "hosts",
        network.lower() if plug == "none" else f"{network.lower()}-{plug}",
        Published(parameters_m=parameters_m, flops_g=flops_g),
        network=network,
        config_class=f"{network}Config",
        plug=plug,
    )


HOSTS: dict[str, Entry] = {
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
}

IMAGENET: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
MESONET: dict[str, Any] = {
    "network": "MesoNet",
    "publication": AFCHAR,
    "size_px": 256,
    "mean": (0.0, 0.0, 0.0),
    "std": (1.0, 1.0, 1.0),
    "drop_rate": 0.5,
}

BASELINES: dict[str, Entry] = {
    "xception": _row("baselines", "xception", publication=CHOLLET),
    "efficientnet-b4": _row(
        "baselines",
        "efficientnet-b4",
        publication=TAN,
        trunk="tf_efficientnet_b4",
        size_px=380,
        drop_rate=0.4,
        **IMAGENET,
    ),
    "efficientnet-b7": _row(
        "baselines",
        "efficientnet-b7",
        publication=TAN,
        trunk="tf_efficientnet_b7",
        size_px=380,
        drop_rate=0.5,
        **IMAGENET,
    ),
    "resnet34": _row(
        "baselines", "resnet34", publication=HE, trunk="resnet34", size_px=224, **IMAGENET
    ),
    "vgg": _row("baselines", "vgg", publication=WODAJO, trunk="cvit_vgg", size_px=256, **IMAGENET),
    "mesonet-4": _row(
        "baselines",
        "mesonet-4",
        Published(parameters_m=0.027977, counted_by="trainable"),
        trunk="meso4",
        **MESONET,
    ),
    "mesoinception-4": _row(
        "baselines",
        "mesoinception-4",
        Published(parameters_m=0.028615, counted_by="trainable"),
        trunk="mesoinception4",
        **MESONET,
    ),
}

VIT_DISTILL: dict[str, Entry] = {
    "vit_distill": _row("vit_distill", "full"),
    **{
        f"vit_distill/{mode}": _row("vit_distill", mode, combine=mode)
        for mode in ("patch_only", "cnn_only")
    },
    # Trained with objective.lam = 1, which teaches the class token alone.
    "vit_distill/no_distill": _row("vit_distill", "no_distill", infer="cls"),
    "vit_distill/infer_cls": _row("vit_distill", "infer_cls", infer="cls"),
    "vit_distill/infer_mean": _row("vit_distill", "infer_mean", infer="mean"),
    **{
        f"vit_distill/{mode}": _row("vit_distill", mode, combine=mode)
        for mode in ("adaptive1d", "concat")
    },
    "vit_distill/baseline_b7": _row(
        "vit_distill",
        "baseline_b7",
        network="Teacher",
        config_class="TeacherConfig",
        publication="Seferbekov 2020, the DFDC winner's network, as Heo et al. 2021 compare with",
    ),
    "vit_distill/tiny": _row(
        "vit_distill",
        "tiny",
        size_px=128,
        dim=192,
        depth=4,
        heads=3,
        trunk="tf_efficientnet_b0",
        trunk_drop_path=0.0,
    ),
}

FULL: dict[str, Any] = {"view": "full", "size_px": 1080}  # whole frames, 1920 x 1080
AGGREGATED: dict[str, Any] = {"causal": False, "readout": "agg_mean"}  # the rows "+ aggregation"
BY_MAXIMUM: dict[str, Any] = {"causal": False, "readout": "agg_max"}  # whole frames, in their code
PICTURES: dict[str, Any] = {
    "network": "Autoencoder",
    "config_class": "AutoencoderConfig",
    "detects": False,
}
SOUND: dict[str, Any] = {
    "network": "LstmAutoencoder",
    "config_class": "LstmConfig",
    "detects": False,
}

AV_CAE: dict[str, Entry] = {
    "av_cae": _row("av_cae", "face_last"),
    "av_cae/face_agg": _row("av_cae", "face_agg", **AGGREGATED),
    "av_cae/full_last": _row("av_cae", "full_last", **FULL),
    "av_cae/full_agg": _row("av_cae", "full_agg", **FULL, **BY_MAXIMUM),
    # As their code runs it, with 3 heads, 3 layers and a narrow feed-forward.
    "av_cae/full_agg_code": _row(
        "av_cae", "full_agg_code", heads=3, layers=3, hidden=128, **FULL, **BY_MAXIMUM
    ),
    "av_cae/face_agg_fixedaudio": _row(
        "av_cae", "face_agg_fixedaudio", audio="embedded", **AGGREGATED
    ),
    "av_cae/ae_face": _row("av_cae", "ae_face", **PICTURES),
    "av_cae/ae_full": _row("av_cae", "ae_full", **PICTURES, **FULL),
    "av_cae/lstm_ae": _row("av_cae", "lstm_ae", **SOUND),
    "av_cae/lstm_ae_fixed": _row("av_cae", "lstm_ae_fixed", output="fixed", **SOUND),
    "av_cae/video_only": _row("av_cae", "video_only", streams="video"),
    "av_cae/audio_only": _row("av_cae", "audio_only", streams="audio"),
    "av_cae/tiny": _row(
        "av_cae",
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

LONG_DISTANCE: dict[str, Entry] = {
    "long_distance": _row("long_distance", "spatial-temporal"),
    "long_distance/xception": _row("long_distance", "xception", attention="none"),
    "long_distance/spatial": _row("long_distance", "spatial", attention="spatial"),
    "long_distance/temporal": _row("long_distance", "temporal", attention="temporal"),
    **{f"long_distance/m{m}": _row("long_distance", f"m{m}", maps=m) for m in range(1, 6)},
    **{f"long_distance/n{n}": _row("long_distance", f"n{n}", next_frames=n) for n in range(2, 6)},
    **{
        f"long_distance/span_{c}": _row("long_distance", f"span_{c}", span=c) for c in (1, 3, 7, 14)
    },
    "long_distance/conv1x1": _row("long_distance", "conv1x1", gate="convolution"),
    "long_distance/vit_direct": _row(
        "long_distance", "vit_direct", network="VitDirect", config_class="VitConfig"
    ),
    "long_distance/small": _row(  # ours: for scanning on a CPU
        "long_distance",
        "small",
        attention="none",
        size_px=128,
        view_px=128,
        widths=(24, 48, 96, 192, 384, 512, 768, 1024),
        alignment="dlib",
    ),
    "long_distance/tiny": _row(
        "long_distance",
        "tiny",
        size_px=118,  # the stem's output is 56 = 7 cells x 8
        view_px=112,
        dim=96,
        templates=4,
        template_dim=24,
        widths=(16, 16, 32, 64, 128, 192, 256, 256),
    ),
}

RESNET3D: dict[str, Entry] = {
    "resnet3d": _row("resnet3d", "r50"),
    **{f"resnet3d/r{d}": _row("resnet3d", f"r{d}", depth=d) for d in (18, 34, 101)},
    "resnet3d/se": _row("resnet3d", "se", squeeze_excite=True),
    "resnet3d/nl12": _row("resnet3d", "nl12", non_local=(1, 2)),
    "resnet3d/nl34": _row("resnet3d", "nl34", non_local=(3, 4)),
    "resnet3d/nl123": _row("resnet3d", "nl123", non_local=(1, 2, 3)),
    "resnet3d/nl44": _row("resnet3d", "nl44", non_local=(4, 4, 4, 4)),  # four after stage 4
    "resnet3d/nl124": _row("resnet3d", "nl124", non_local=(1, 2, 4)),
    "resnet3d/nl134": _row("resnet3d", "nl134", non_local=(1, 3, 4)),
    "resnet3d/nl1234": _row("resnet3d", "nl1234", non_local=(1, 2, 3, 4)),
    "resnet3d/se-nl1234": _row(
        "resnet3d", "se-nl1234", squeeze_excite=True, non_local=(1, 2, 3, 4)
    ),
    "resnet3d/tiny": _row(
        "resnet3d", "tiny", depth=18, width=16, n_frames=8, size_px=64, non_local=(1, 2, 3, 4)
    ),
}

TIMESFORMER: dict[str, Entry] = {
    "timesformer": _row("timesformer", "joint"),
    "timesformer/divided": _row("timesformer", "divided", attention="divided"),
    "timesformer/tiny": _row(
        "timesformer",
        "tiny",
        n_frames=4,
        stride=8,
        size_px=96,
        dim=96,
        depth=4,
        heads=3,
        drop_path=0.0,
    ),
}

TABLE: dict[str, Entry] = {
    **DTN,
    **HOSTS,
    **BASELINES,
    **VIT_DISTILL,
    **AV_CAE,
    **LONG_DISTANCE,
    **RESNET3D,
    **TIMESFORMER,
}
