"""Every published layout: recognised, mapped whole, and the same function where one can compare.

References are the libraries' own networks (timm, torchvision, transformers) with random weights;
where no library has the network, names, shapes and forward are written a second time
(published_hosts.py). Outputs agree in float32 within 1e-4 relative and 1e-5 absolute.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import published_hosts as published
import pytest
import timm
import torch
import torchvision
import transformers
from foreign_weights import drawn, kept, left, shaken, take
from safetensors.torch import load_file
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.models import create
from unmask.models.base import Network
from unmask.models.layouts import FAMILIES, LAYOUTS, recognise, table
from unmask.models.pretrained import fill
from unmask.models.table import TABLE
from unmask.models.weight_files import Weights, read_weights
from unmask.types import Batch

close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-5)
TINY_VIT = {"patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
OURS = {"patch_px": 8, "dim": 24, "depth": 2, "heads": 3}
STUDENT = {**OURS, "size_px": 32, "combine": "patch_only", "infer": "mean"}
B0 = "tf_efficientnet_b0"


def frames(size: int, n: int = 2, times: int = 1) -> Tensor:
    return torch.randn(n, times, 3, size, size, generator=torch.Generator().manual_seed(3))


def vit_direct() -> Network:
    """Its view is as large as its input, so that it is a plain vision transformer."""
    return create("long_distance/vit_direct", size_px=32, view_px=32, **OURS).eval()


def pair_of(network: Network, x: Tensor) -> Tensor:
    with torch.no_grad():
        return network(Batch(frames=x)).aux["pair"]


# --- vision transformers -------------------------------------------------------------------------


def test_a_vit_of_timm_is_the_same_function() -> None:
    reference = shaken(VisionTransformer(img_size=32, num_classes=2, **TINY_VIT))
    network = vit_direct()
    report = take(network, reference.state_dict())
    assert report.layout == "ViT (timm)"
    assert not kept(report)
    assert not report.unmatched
    assert not report.mismatched
    x = frames(32)
    with torch.no_grad():
        close(pair_of(network, x), reference(x[:, 0]))


def test_a_vit_of_torchvision_is_the_same_function() -> None:
    reference = torchvision.models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=3, hidden_dim=24, mlp_dim=96,
        num_classes=2,
    )  # fmt: skip
    network = vit_direct()
    report = take(network, shaken(reference).state_dict())
    assert report.layout == "ViT (torchvision)"
    assert not kept(report)
    assert not report.unmatched
    x = frames(32)
    with torch.no_grad():
        close(pair_of(network, x), reference(x[:, 0]))


HF = {
    "image_size": 32, "patch_size": 8, "hidden_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 3, "intermediate_size": 96, "layer_norm_eps": 1e-6, "num_labels": 2,
}  # fmt: skip


def saved_by_transformers(network: Any, folder: Path) -> dict[str, Tensor]:
    """The names of files, which are not those that the network has in memory."""
    network.save_pretrained(folder)
    return load_file(folder / "model.safetensors")


def test_a_vit_of_transformers_is_the_same_function(tmp_path: Path) -> None:
    reference = transformers.ViTForImageClassification(transformers.ViTConfig(**HF))
    network = vit_direct()
    report = take(network, saved_by_transformers(shaken(reference), tmp_path))
    assert report.layout == "ViT (transformers)"
    assert not kept(report)
    assert not report.unmatched
    x = frames(32)
    with torch.no_grad():
        close(pair_of(network, x), reference(x[:, 0]).logits)


def test_deit_of_timm_is_the_student_with_its_token_last() -> None:
    reference = shaken(VisionTransformerDistilled(img_size=32, num_classes=1, **TINY_VIT))
    network = create("vit_distill", **STUDENT).eval()
    report = take(network, reference.state_dict())
    assert report.layout == "DeiT (timm, original release)"
    assert not kept(report)
    assert not report.unmatched
    x = frames(32)
    with torch.no_grad():
        close(network(Batch(frames=x)).logit, reference(x[:, 0])[:, 0])


def test_deit_of_transformers_is_the_student_with_its_token_last(tmp_path: Path) -> None:
    config = transformers.DeiTConfig(**{**HF, "num_labels": 1})
    reference = shaken(transformers.DeiTForImageClassificationWithTeacher(config))
    network = create("vit_distill", **STUDENT).eval()
    report = take(network, saved_by_transformers(reference, tmp_path))
    assert report.layout == "DeiT (transformers)"
    assert not kept(report)
    assert not report.unmatched
    x = frames(32)
    with torch.no_grad():
        close(network(Batch(frames=x)).logit, reference(x[:, 0]).logits[:, 0])


def test_the_host_vit_takes_a_vit_without_biases_whole_and_says_what_it_leaves() -> None:
    shape = {"size_px": 32, "head_dim": 8, "mlp_dim": 96, **OURS}
    network = create("vit", **shape).eval()
    bare = VisionTransformer(
        img_size=32, num_classes=2, qkv_bias=False, norm_layer=partial(nn.LayerNorm, eps=1e-5),
        **TINY_VIT,
    )  # fmt: skip
    report = take(network, shaken(bare).state_dict())
    assert not kept(report)
    assert not report.unmatched
    x = frames(32)
    with torch.no_grad():
        close(pair_of(network, x), bare(x[:, 0]))
    biased = VisionTransformer(img_size=32, num_classes=2, **TINY_VIT)
    report = take(create("vit/mas", **shape), biased.state_dict())
    assert left(report) == {f"blocks.{i}.attn.qkv.bias" for i in range(2)}
    assert {m.reason for m in report.missing} == {"a plug-in of the attention, ours to learn"}


def test_a_vit_fills_the_students_transformer_and_leaves_token_and_branch() -> None:
    reference = VisionTransformer(img_size=64, num_classes=1000, **{**TINY_VIT, "patch_size": 32})
    network = create("vit_distill/tiny", size_px=64, dim=24, depth=2, trunk="test_efficientnet")
    report = take(network, shaken(reference).state_dict())
    assert report.parts == ("the transformer",)
    assert left(report) == {"head.weight", "head.bias"}
    own = {name for name in kept(report) if not name.startswith("cnn.")}
    heads = {f"head_{kind}.{w}" for kind in ("cls", "distill") for w in ("weight", "bias")}
    assert own == heads | {"distill_token", "position[5:6]", "project.weight", "project.bias"}
    assert torch.equal(network.position[:, :5], reference.pos_embed)


def test_a_vit_starts_a_timesformer_in_space_and_in_time() -> None:
    reference = shaken(VisionTransformer(img_size=32, num_classes=1000, **TINY_VIT))
    network = create("timesformer/divided", size_px=32, n_frames=3, **OURS)
    report = take(network, reference.state_dict())
    assert left(report) == {"head.weight", "head.bias"}
    assert {n.split(".")[-2] if "." in n else n for n in kept(report)} == {
        "time",
        "time_fc",
        "head",
    }
    for i, block in enumerate(reference.blocks):
        own = network.blocks[i]
        for ours in (own.attn.qkv, own.attn_time.qkv):
            assert torch.equal(ours.weight, block.attn.qkv.weight)
        for ours in (own.norm_attn, own.norm_time):
            assert torch.equal(ours.bias, block.norm1.bias)


# --- TimeSformer ---------------------------------------------------------------------------------

RELEASE = (  # transformers' names -> those of facebookresearch/TimeSformer
    ("timesformer.embeddings.cls_token", "cls_token"),
    ("timesformer.embeddings.position_embeddings", "pos_embed"),
    ("timesformer.embeddings.time_embeddings", "time_embed"),
    ("timesformer.embeddings.patch_embeddings.projection.", "patch_embed.proj."),
    ("timesformer.encoder.layer.", "blocks."),
    ("timesformer.layernorm.", "norm."),
    ("temporal_layernorm", "temporal_norm1"),
    ("temporal_attention.attention.qkv", "temporal_attn.qkv"),
    ("temporal_attention.output.dense", "temporal_attn.proj"),
    ("temporal_dense", "temporal_fc"),
    ("attention.attention.qkv", "attn.qkv"),
    ("attention.output.dense", "attn.proj"),
    ("layernorm_before", "norm1"),
    ("layernorm_after", "norm2"),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
    ("classifier.", "head."),
)


def released(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As in the files of the release, whose network stands inside another module."""
    names = {}
    for key in state:
        name = key
        for theirs, release in RELEASE:
            name = name.replace(theirs, release)
        names[key] = f"model.{name}"
    return {names[key]: value for key, value in state.items()}


def timesformer_reference(kind: str, labels: int = 2, times: int = 3) -> nn.Module:
    config = transformers.TimesformerConfig(
        **{**HF, "num_labels": labels}, num_frames=times, attention_type=f"{kind}_space_time"
    )
    return shaken(transformers.TimesformerForVideoClassification(config))


@pytest.mark.parametrize("kind", ["joint", "divided"])
def test_a_timesformer_release_is_the_same_function(kind: str, tmp_path: Path) -> None:
    reference = timesformer_reference(kind)
    network = create("timesformer", attention=kind, size_px=32, n_frames=3, **OURS).eval()
    path = tmp_path / "TimeSformer_K400.pyth"
    state = {"epoch": 14, "model_state": released(reference.state_dict()), "cfg": "TRAIN: true"}
    torch.save(state, path)
    report = fill(network, read_weights(str(path)))
    assert report.layout == "TimeSformer (release)"
    assert not report.missing
    assert not report.unmatched
    x = frames(32, times=3)
    with torch.no_grad():
        close(pair_of(network, x), reference(pixel_values=x).logits)


def test_a_timesformer_of_another_length_has_its_times_resized() -> None:
    reference = timesformer_reference("divided", labels=400, times=8)
    network = create("timesformer/divided", size_px=32, n_frames=4, **OURS)
    report = take(network, reference.state_dict())
    [change] = [m.change for m in report.matched if m.ours == "time"]
    assert change == "8 times resized to 4, linear"
    times = reference.timesformer.embeddings.time_embeddings.detach()
    close(network.time.data, (times[:, 0::2] + times[:, 1::2]) / 2)
    assert left(report) == {"classifier.weight", "classifier.bias"}
    assert {m.reason for m in report.missing} == {"the file's head is for other classes"}


def test_divided_weights_leave_time_behind_in_a_joint_network_and_joint_ones_lend_it() -> None:
    joint = create("timesformer", size_px=32, n_frames=3, **OURS)
    report = take(joint, timesformer_reference("divided").state_dict())
    assert left(report) == {m.name for m in report.unmatched if ".temporal_" in m.name} != set()
    assert not report.missing
    divided = create("timesformer/divided", size_px=32, n_frames=3, **OURS)
    report = take(divided, timesformer_reference("joint").state_dict())
    assert {name.split(".")[2] for name in kept(report)} == {"time_fc"}
    assert torch.equal(divided.blocks[1].attn_time.qkv.weight, divided.blocks[1].attn.qkv.weight)


# --- image trunks --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def xception() -> nn.Module:
    return shaken(timm.create_model("legacy_xception", num_classes=2), std=0.01)


@pytest.fixture(scope="module")
def b0() -> nn.Module:
    return shaken(timm.create_model(B0, num_classes=2), std=0.01)


@pytest.mark.parametrize("name", ["xception", "long_distance/xception"])
def test_an_xception_of_timm_is_the_same_function(name: str, xception: nn.Module) -> None:
    network = create(name, size_px=75).eval()
    report = take(network, xception.state_dict())
    assert report.parts == ("trunk",)
    assert not report.missing
    assert not report.unmatched
    x = frames(75)
    with torch.no_grad():
        close(pair_of(network, x), xception(x[:, 0]))


def test_an_xception_of_the_field_is_read_with_its_old_names_and_matrices(
    xception: nn.Module,
) -> None:
    """FaceForensics++: `model.` before all, `last_linear` with dropout, 1x1 kernels as matrices."""
    state = {}
    for key, value in xception.state_dict().items():
        name = key.replace("fc.", "last_linear.1.")
        old = value.squeeze() if "pointwise" in key else value
        if "num_batches_tracked" not in key:
            state[f"{name}"] = old
    state["adjust_channel.0.weight"] = torch.zeros(512, 2048, 1, 1)
    network = create("xception", size_px=75).eval()
    report = take(network, state)
    assert not kept(report)
    assert left(report) == {"adjust_channel.0.weight"}
    changes = {m.change for m in report.matched if "pointwise" in m.ours}
    assert changes == {"matrix taken as a 1x1 kernel"}
    x = frames(75)
    with torch.no_grad():
        close(pair_of(network, x), xception(x[:, 0]))


def test_a_guided_xception_keeps_only_its_attention_fresh(xception: nn.Module) -> None:
    report = take(create("long_distance"), xception.state_dict())
    assert report.parts == ("trunk",)
    assert {name.split(".")[0] for name in kept(report)} == {"spatial", "temporal"}
    assert {m.reason for m in report.missing} == {"not a part of trunk"}


def test_an_efficientnet_of_timm_is_the_same_function(b0: nn.Module) -> None:
    network = create("efficientnet-b4", trunk=B0, size_px=64).eval()
    report = take(network, b0.state_dict())
    assert not report.missing
    assert not report.unmatched
    x = frames(64)
    with torch.no_grad():
        close(pair_of(network, x), b0(x[:, 0]))


def pytorch_names(state: dict[str, Tensor], repeats: tuple[int, ...]) -> dict[str, Tensor]:
    """timm's weights under the names of efficientnet_pytorch, in whose order both stand."""
    widened = ["_expand_conv", "_bn0"]
    layers = ["_depthwise_conv", "_bn1", "_se_reduce", "_se_expand", "_project_conv", "_bn2"]
    modules = ["_conv_stem", "_bn0"]
    for block in range(sum(repeats)):
        first = block < repeats[0]  # only the first stage does not widen
        modules += [f"_blocks.{block}.{m}" for m in ([] if first else widened) + layers]
    modules += ["_conv_head", "_bn1", "_fc"]
    theirs = list(dict.fromkeys(key.rsplit(".", 1)[0] for key in state))
    names = dict(zip(theirs, modules, strict=True))
    return {f"{names[k.rsplit('.', 1)[0]]}.{k.rsplit('.', 1)[1]}": v for k, v in state.items()}


REPEATS = {"b0": (1, 2, 2, 3, 3, 4, 1), "b4": (2, 4, 4, 6, 6, 8, 2), "b7": (4, 7, 7, 10, 10, 13, 4)}


def test_an_efficientnet_pytorch_is_the_same_function(b0: nn.Module) -> None:
    network = create("efficientnet-b4", trunk=B0, size_px=64).eval()
    report = take(network, pytorch_names(b0.state_dict(), REPEATS["b0"]))
    assert report.layout == "EfficientNet (efficientnet_pytorch)"
    assert not report.missing
    assert not report.unmatched
    x = frames(64)
    with torch.no_grad():
        close(pair_of(network, x), b0(x[:, 0]))


@pytest.mark.slow
@pytest.mark.parametrize("size", ["b4", "b7"])
def test_deeper_efficientnets_find_their_stages(size: str) -> None:
    reference = timm.create_model(f"tf_efficientnet_{size}", num_classes=1000)
    state = {
        f"efficientnet.{key}": value
        for key, value in pytorch_names(reference.state_dict(), REPEATS[size]).items()
    }
    network = create(f"efficientnet-{size}")
    report = take(network, state)
    assert kept(report) == {"head.weight", "head.bias"}
    assert left(report) == {"efficientnet._fc.weight", "efficientnet._fc.bias"}
    for key, value in reference.state_dict().items():
        if not key.startswith("classifier"):
            assert torch.equal(network.trunk.state_dict()[key], value), key


def test_the_dfdc_winners_network_is_the_teacher(b0: nn.Module, tmp_path: Path) -> None:
    head = shaken(nn.Linear(1280, 1))
    state = {f"module.encoder.{key}": value for key, value in b0.state_dict().items()}
    state |= {f"module.fc.{key}": value for key, value in head.state_dict().items()}
    path = tmp_path / "final_111_DeepFakeClassifier_tf_efficientnet_b7_ns_0_36"  # it has no suffix
    torch.save({"epoch": 7, "state_dict": state, "bce_best": 0.2}, path)
    network = create("vit_distill/baseline_b7", trunk=B0, size_px=64).eval()
    report = fill(network, read_weights(str(path)))
    assert report.layout == "EfficientNet of the DFDC winner"
    assert not report.missing
    assert left(report) == {"encoder.classifier.weight", "encoder.classifier.bias"}
    x = frames(64)
    with torch.no_grad():
        wanted = head(b0.forward_features(x[:, 0]).mean((2, 3)))[:, 0]
        close(network(Batch(frames=x)).logit, wanted)


def test_both_b7s_of_the_distilled_vit_take_the_same_files(b0: nn.Module) -> None:
    student = create("vit_distill/tiny", size_px=64, dim=24, depth=1)
    report = take(student, b0.state_dict())
    assert report.parts == ("cnn",)
    assert left(report) == {"classifier.weight", "classifier.bias"}
    assert not {name for name in kept(report) if name.startswith("cnn.")}
    teacher = shaken(create("vit_distill/baseline_b7", trunk=B0, size_px=64))
    report = take(student, teacher.state_dict())  # a teacher trained here
    assert report.layout == "EfficientNet detector (unmask)"
    assert torch.equal(student.cnn.conv_stem.weight, teacher.trunk.conv_stem.weight)


def test_an_xception_trained_here_becomes_the_frozen_detector_of_av_cae() -> None:
    trained = shaken(create("xception", size_px=64))
    listener = create("av_cae/video_only", tokens="frame_scores", n_frames=2)
    report = take(listener, trained.state_dict())
    assert report.layout == "Xception detector (unmask)"
    for name, value in trained.state_dict().items():
        assert torch.equal(listener.detector.state_dict()[name], value), name


@pytest.mark.parametrize(("name", "part"), [("resnet34", "trunk"), ("dtn/resnet34", "backbone")])
def test_a_resnet34_of_torchvision_is_the_same_trunk(name: str, part: str) -> None:
    reference = shaken(torchvision.models.resnet34(num_classes=2), std=0.01)
    network = create(name, size_px=64).eval()
    report = take(network, reference.state_dict())
    assert report.parts == (part,)
    x = frames(64)
    with torch.no_grad():
        if part == "trunk":
            assert not report.missing
            close(pair_of(network, x), reference(x[:, 0]))
        else:
            assert left(report) == {"fc.weight", "fc.bias"}
            whole = nn.Sequential(*list(reference.children())[:-2])
            close(network.backbone(x[:, 0]), whole(x[:, 0]))


def test_an_efficientnet_fills_every_trunk_a_host_has(b0: nn.Module) -> None:
    tiny = {"size_px": 64, "trunk": B0, "heads": 2, "head_dim": 4, "mlp_dim": 16}
    cross = create("cevit", small_dim=8, large_dim=12, layers=1, **tiny)
    imagenet = timm.create_model(B0).state_dict()
    report = take(cross, imagenet)
    assert report.parts == ("small.trunk.net", "large.trunk.net")
    assert not report.unmatched
    assert not {name for name in kept(report) if ".trunk." in name}
    for branch in (cross.small, cross.large):
        assert torch.equal(branch.trunk.net.conv_head.weight, imagenet["conv_head.weight"])
    single = create("evit", dim=16, depth=1, **tiny)
    report = take(single, b0.state_dict())
    assert left(report) == {"classifier.weight", "classifier.bias"}
    assert report.unmatched[0].reason == "a head of 2 answers, where this network's has 1000"


# --- 3D ResNets ----------------------------------------------------------------------------------

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def hara_shapes(depth: int, width: int = 4, *, shortcut: str = "B") -> published.Shapes:
    """Names of kenshohara/3D-ResNets-PyTorch, with 700 classes."""
    shapes: published.Shapes = {}

    def layer(key: str, bn: str, out: int, into: int, kernel: int) -> None:
        shapes[f"{key}.weight"] = (out, into, kernel, kernel, kernel)
        shapes.update({f"{bn}.{w}": (out,) for w in ("weight", "bias")})
        shapes.update({f"{bn}.running_{w}": (out,) for w in ("mean", "var")})

    expansion = 1 if depth < 50 else 4
    layer("conv1", "bn1", width, 3, 7)
    into = width
    for stage, n_blocks in enumerate(BLOCKS[depth]):
        planes = width * 2**stage
        for i in range(n_blocks):
            at = f"layer{stage + 1}.{i}"
            kernels = (3, 3) if expansion == 1 else (1, 3, 1)
            widths = (planes,) * (len(kernels) - 1) + (planes * expansion,)
            channels = into
            for n, (kernel, out) in enumerate(zip(kernels, widths, strict=True), start=1):
                layer(f"{at}.conv{n}", f"{at}.bn{n}", out, channels, kernel)
                channels = out
            changes = (stage > 0 and i == 0) or into != planes * expansion
            if changes and shortcut == "B":
                layer(f"{at}.downsample.0", f"{at}.downsample.1", planes * expansion, into, 1)
            into = planes * expansion
    return {**shapes, "fc.weight": (700, into), "fc.bias": (700,)}


@pytest.mark.parametrize(
    "depth", [pytest.param(d, marks=pytest.mark.slow if d in (34, 101) else ()) for d in BLOCKS]
)
def test_a_3d_resnet_of_hara_fills_all_but_the_head_and_our_attention(depth: int) -> None:
    network = create("resnet3d/nl12", depth=depth, width=4, reduction=2)
    tensors = drawn(hara_shapes(depth))
    report = take(network, tensors)
    assert report.layout == "3D ResNet (Hara et al.)"
    assert left(report) == {"fc.weight", "fc.bias"}
    own = {name.split(".")[0] for name in kept(report)}
    assert own == {"head", "after"}
    for key, value in tensors.items():
        if not key.startswith("fc."):
            assert torch.equal(network.state_dict()[key], value), key


def test_parameter_free_shortcuts_of_older_files_are_named() -> None:
    network = create("resnet3d/r18", width=4)
    report = take(network, drawn(hara_shapes(18, shortcut="A")))
    reasons = {m.reason for m in report.missing if ".downsample." in m.name}
    assert "the file's shortcuts are free of parameters (type A)" in reasons


def test_r3d_18_of_torchvision_has_the_same_stages_and_another_beginning() -> None:
    reference = shaken(torchvision.models.video.r3d_18(), std=0.01)
    network = create("resnet3d/r18").eval()
    report = take(network, reference.state_dict())
    [stem] = report.mismatched
    assert (stem.ours, stem.file_shape, stem.network_shape) == (
        "conv1.weight",
        (64, 3, 3, 7, 7),
        (64, 3, 7, 7, 7),
    )
    assert left(report) == {"fc.weight", "fc.bias"} | {
        f"stem.1.{w}"
        for w in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }
    assert {name.split(".")[0] for name in kept(report)} == {"conv1", "bn1", "head"}
    assert "3x7x7" in report.notes[0]
    x = torch.randn(1, 64, 2, 8, 8, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        for stage in ("layer1", "layer2", "layer3", "layer4"):
            wanted = reference.get_submodule(stage)(x)
            close(network.get_submodule(stage)(x), wanted)
            x = wanted


# --- hosts ---------------------------------------------------------------------------------------

CVIT_GROUPS = ((4, 1), (8, 2))


@pytest.mark.parametrize("release", ["second", "first"])
def test_a_cvit_is_the_same_function_with_its_classes_the_other_way_round(release: str) -> None:
    network = create(
        "cvit", size_px=16, groups=CVIT_GROUPS, dim=16, depth=2, heads=2, head_dim=8, mlp_dim=24
    ).eval()
    tensors = drawn(published.cvit_shapes(CVIT_GROUPS, dim=16, depth=2, mlp=24))
    if release == "first":  # 32 rows, of which a single picture meets the first, twice
        tensors["pos_embedding"] = tensors["pos_embedding"][0, :32, None]
    report = take(network, tensors)
    assert not kept(report)
    assert not report.unmatched
    if release == "first":
        row = tensors["pos_embedding"][:1]
        tensors["pos_embedding"] = torch.cat([row, row], 1)
    x = frames(16)
    with torch.no_grad():
        features = network.backbone(x[:, 0])
        fake_real = published.cvit(tensors, features, heads=2)
    close(pair_of(network, x), fake_real.flip(1))
    assert torch.equal(network.backbone[4].weight, tensors["features.4.weight"])


@pytest.mark.parametrize(("name", "part"), [("dtn/vgg", "backbone"), ("vgg", "trunk")])
def test_cvits_stack_fills_the_networks_that_share_it(name: str, part: str) -> None:
    network = create(name, size_px=32, groups=CVIT_GROUPS)
    tensors = drawn(published.cvit_shapes(CVIT_GROUPS, dim=16, depth=1, mlp=24))
    report = take(network, tensors)
    assert report.parts == (part,)
    assert kept(report) == {"head.weight", "head.bias"}
    assert {item.name for item in report.unmatched} == {
        key for key in tensors if not key.startswith("features.")
    }


def test_an_efficientvit_is_the_same_function() -> None:
    network = create(
        "evit", size_px=64, trunk=B0, dim=16, depth=2, heads=2, head_dim=4, mlp_dim=24
    ).eval()
    shapes = published.evit_shapes(patch=1280 * 4, dim=16, inner=8, depth=2, mlp=24)
    tensors = drawn(shapes, std=0.1)
    trunk = shaken(timm.create_model(B0), std=0.01)
    names = pytorch_names(trunk.state_dict(), REPEATS["b0"])
    report = take(network, {**tensors, **{f"efficient_net.{k}": v for k, v in names.items()}})
    assert report.layout == "EfficientViT"
    assert not report.missing
    assert not report.unmatched
    assert "BGR" in report.notes[0]
    x = frames(64)
    with torch.no_grad():
        wanted = published.evit(tensors, trunk.forward_features(x[:, 0]), heads=2)
        close(network(Batch(frames=x)).logit, wanted)


def test_a_crossefficientvit_is_the_same_function() -> None:
    network = create(
        "cevit", size_px=64, trunk=B0, small_dim=8, large_dim=12, layers=2, small_depth=2,
        large_depth=3, heads=2, head_dim=4, mlp_dim=16,
    ).eval()  # fmt: skip
    patches = (1280 * 4, 24 * 16 * 16)
    shapes = published.cevit_shapes(
        patches=patches,
        positions=(network.small.tokens.position.shape[1], network.large.tokens.position.shape[1]),
        dims=(8, 12), inner=8, layers=2, depths=(2, 3, 2), mlp=16,
    )  # fmt: skip
    tensors = drawn(shapes, std=0.1)
    trunks = {
        b: shaken(timm.create_model(B0), std=0.01, seed=s) for s, b in enumerate(("sm", "lg"))
    }
    names = {
        f"{branch}_image_embedder.efficient_net.{key}": value
        for branch, trunk in trunks.items()
        for key, value in pytorch_names(trunk.state_dict(), REPEATS["b0"]).items()
    }
    report = take(network, {**tensors, **names})
    assert report.layout == "CrossEfficientViT"
    assert not report.missing
    assert not report.unmatched
    x = frames(64)
    with torch.no_grad():
        small = trunks["sm"].forward_features(x[:, 0])
        stem = trunks["lg"].bn1(trunks["lg"].conv_stem(x[:, 0]))
        large = trunks["lg"].blocks[:2](stem)  # up to block 2 of 0 .. 15
        close(network(Batch(frames=x)).logit, published.cevit(tensors, small, large, heads=2))


# --- MesoNet -------------------------------------------------------------------------------------


class Meso4Port(nn.Module):
    """HongguLiu/MesoNet-Pytorch's Meso4, with Keras' eps so that it can be compared."""

    def __init__(self) -> None:
        super().__init__()
        widths = ((3, 8, 3), (8, 8, 5), (8, 16, 5), (16, 16, 5))
        for i, (into, out, kernel) in enumerate(widths, start=1):
            conv = nn.Conv2d(into, out, kernel, padding=kernel // 2, bias=False)
            self.add_module(f"conv{i}", conv)
        self.bn1, self.bn2 = nn.BatchNorm2d(8, eps=1e-3), nn.BatchNorm2d(16, eps=1e-3)
        self.fc1, self.fc2 = nn.Linear(16 * 4, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        for i, bn in enumerate((self.bn1, self.bn1, self.bn2, self.bn2), start=1):
            x = bn(self.get_submodule(f"conv{i}")(x).relu())
            x = F.max_pool2d(x, 2 if i < 4 else 4)
        return self.fc2(F.leaky_relu(self.fc1(x.flatten(1)), 0.1))


def test_a_torch_port_of_meso4_is_the_same_function_up_to_eps() -> None:
    reference = shaken(Meso4Port())
    network = create("mesonet-4", size_px=64).eval()
    report = take(network, reference.state_dict())
    assert not report.missing
    assert not report.unmatched
    assert "eps" in report.notes[0]
    x = frames(64)
    with torch.no_grad():
        pair = reference(x[:, 0])
        close(network(Batch(frames=x)).logit, pair[:, 1] - pair[:, 0])


def test_a_torch_port_of_mesoinception4_is_mapped_whole() -> None:
    shapes: published.Shapes = {"fc1.weight": (16, 64), "fc1.bias": (16,)}
    shapes |= {"fc2.weight": (2, 16), "fc2.bias": (2,)}
    for n, into, widths in ((1, 3, (1, 4, 4, 2)), (2, 11, (2, 4, 4, 2))):
        shapes[f"Incption{n}_conv1.weight"] = (widths[0], into, 1, 1)
        for branch, width in enumerate(widths[1:], start=2):
            shapes[f"Incption{n}_conv{branch}_1.weight"] = (width, into, 1, 1)
            shapes[f"Incption{n}_conv{branch}_2.weight"] = (width, width, 3, 3)
    norms = {"Incption1_bn": 11, "Incption2_bn": 12, "bn1": 16}
    for name, width in norms.items():
        parts = ("weight", "bias", "running_mean", "running_var")
        shapes |= {f"{name}.{part}": (width,) for part in parts}
    shapes |= {"conv1.weight": (16, 12, 5, 5), "conv2.weight": (16, 16, 5, 5)}
    tensors = drawn(shapes)
    network = create("mesoinception-4", size_px=64)
    report = take(network, tensors)
    assert not kept(report)
    assert not report.unmatched
    assert "no ReLU" in report.notes[0]
    second = network.trunk[3].dilated[1]
    assert torch.equal(second[0].weight, tensors["Incption2_conv3_1.weight"])
    assert torch.equal(second[2].weight, tensors["Incption2_conv3_2.weight"])
    assert not second[2].bias.any()


# --- the table -----------------------------------------------------------------------------------


def test_no_file_of_one_layout_passes_for_another() -> None:
    for row in LAYOUTS:
        tensors = {key: torch.empty([1] * axes) for key, axes in row.signature.items()}
        assert recognise(tensors) is row


LEADS = sorted({name for family in FAMILIES.values() for name in family.takers} | {"av_cae"})


def test_the_networks_a_family_fills_are_those_the_table_names() -> None:
    with torch.device("meta"):
        networks = {name: create(name) for name in LEADS}
    for family, row in FAMILIES.items():
        found = {name for name, network in networks.items() if row.places(network, ())}
        kin = {TABLE[name].network for name in row.takers}
        same = {name for name in LEADS if TABLE[name].network in kin}
        assert set(row.takers) <= found <= same, family


def test_the_page_shows_the_table_of_layouts() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "pretrained.md"
    assert table() in page.read_text(encoding="utf-8"), "paste unmask.models.layouts.table()"


def test_weights_of_another_system_are_refused_with_the_systems_they_fit() -> None:
    with pytest.raises(Exception, match=r"weights of ViT \(timm\).* fit vit, vit_distill"):
        fill(
            create("mesonet-4"),
            Weights(source="x", tensors=VisionTransformer(img_size=32, **TINY_VIT).state_dict()),
        )
