"""Weights from files: what is read, what is refused, and that nothing is adapted in silence."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from foreign_weights import shaken, take
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from unmask.errors import CheckpointError, UsageError
from unmask.models import create
from unmask.models.base import Network
from unmask.models.checkpoint import packaged, read_checkpoint
from unmask.models.pretrained import fill, load_pretrained
from unmask.models.weight_files import Weights, read_weights
from unmask.models.weights import save_checkpoint

OURS = {"size_px": 32, "view_px": 32, "patch_px": 8, "dim": 24, "depth": 2, "heads": 3}


def vit(size: int = 32, classes: int = 2, **shape: Any) -> nn.Module:
    shape = {"patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, **shape}
    return shaken(VisionTransformer(img_size=size, num_classes=classes, **shape))


def ours(**config: Any) -> Network:
    torch.manual_seed(0)
    return create("long_distance/vit_direct", **{**OURS, **config})


def assert_filled(network: Network, reference: nn.Module) -> None:
    state = reference.state_dict()
    assert torch.equal(network.blocks[1].attn.qkv.weight, state["blocks.1.attn.qkv.weight"])
    assert torch.equal(network.embed.weight, state["patch_embed.proj.weight"])


WRAPPED = {
    "bare": lambda s: s,
    "state_dict": lambda s: {"epoch": 3, "state_dict": s, "optimizer": {"lr": 0.1}},
    "model": lambda s: {"model": s},
    "model_state": lambda s: {"model_state": s, "cfg": "..."},
    "DataParallel": lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}},
    "compiled": lambda s: {f"_orig_mod.module.{k}": v for k, v in s.items()},
}


@pytest.mark.parametrize("wrapping", WRAPPED)
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".tar"])
def test_torch_files_are_read_in_whatever_they_are_wrapped(
    wrapping: str, suffix: str, tmp_path: Path
) -> None:
    reference, network = vit(), ours()
    path = tmp_path / f"weights{suffix}"
    torch.save(WRAPPED[wrapping](reference.state_dict()), path)
    report = load_pretrained(network, str(path))
    assert_filled(network, reference)
    prefixed = wrapping in ("DataParallel", "compiled")
    assert any("was taken off every name" in note for note in report.notes) is prefixed


def test_safetensors_are_read_and_the_file_is_named_by_its_hash(tmp_path: Path) -> None:
    reference, network = vit(), ours()
    save_file(reference.state_dict(), tmp_path / "weights.safetensors")
    report = load_pretrained(network, str(tmp_path / "weights.safetensors"))
    assert_filled(network, reference)
    assert len(report.sha256) == 64


def test_half_precision_becomes_the_networks_own(tmp_path: Path) -> None:
    network = ours()
    save_file({k: v.half() for k, v in vit().state_dict().items()}, tmp_path / "w.safetensors")
    load_pretrained(network, str(tmp_path / "w.safetensors"))
    assert network.embed.weight.dtype == torch.float32


def test_an_unmask_checkpoint_starts_a_network_of_another_depth(tmp_path: Path) -> None:
    shape = {"size_px": 32, "groups": ((4, 1), (8, 1)), "heads": 2, "expert_hidden": 4}
    first = shaken(create("dtn/L4", **{**shape, "depth": 1}))
    save_checkpoint(tmp_path / "best", first, name="dtn/L4")
    second = create("dtn/L4", **{**shape, "depth": 2})
    report = load_pretrained(second, str(tmp_path / "best"))
    assert report.layout == "unmask's own names"
    assert all(item.name.startswith("blocks.1.") for item in report.missing)
    for key, value in first.state_dict().items():
        assert torch.equal(second.state_dict()[key], value), key


def test_the_packaged_detector_can_be_named() -> None:
    folder = packaged("default")
    assert folder is not None
    report = load_pretrained(create(read_checkpoint(folder).meta.model), "default")
    assert not report.missing
    assert not report.unmatched


class Shout:
    """What a malicious file would hold."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("code of a weights file has run",)


def test_a_file_that_would_run_code_is_refused_and_its_code_does_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, write in (("new.pth", torch.save), ("old.pth", _plain_pickle)):
        write({"state_dict": {"a": torch.zeros(1)}, "hook": Shout()}, tmp_path / name)
        with pytest.raises(CheckpointError, match=r"needs code to be run[\s\S]*safetensors"):
            read_weights(str(tmp_path / name))
    assert "has run" not in capsys.readouterr().out


def _plain_pickle(value: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


def test_a_whole_pickled_network_is_refused_with_the_way_to_convert_it(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "full_model.p")
    with pytest.raises(CheckpointError, match=r"Convert it where you trust it.*save_file"):
        read_weights(str(tmp_path / "full_model.p"))


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_truncated_file_is_refused(keep: float, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"w{suffix}"
    (torch.save if suffix == ".pt" else save_file)(vit().state_dict(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: keep if keep >= 1 else int(len(whole) * keep)])
    with pytest.raises(CheckpointError, match=str(path)):
        read_weights(str(path))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    picture = tmp_path / "cat.pth"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(CheckpointError, match=r"cat\.pth"):
        read_weights(str(picture))
    torch.save([torch.zeros(2)], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="holds no tensors by name"):
        read_weights(str(tmp_path / "list.pt"))
    with pytest.raises(UsageError, match="no such file or checkpoint folder"):
        read_weights(str(tmp_path / "absent.pth"))


def weights(**tensors: Tensor) -> Weights:
    return Weights(source="given", tensors=tensors)


def before(network: Network) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in network.state_dict().items()}


def assert_untouched(network: Network, state: dict[str, Tensor]) -> None:
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())


def test_names_nobody_knows_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"a\.weight.* of no layout known here.*ViT \(timm\)"):
        fill(ours(), weights(**{"a.weight": torch.zeros(2)}))


def test_values_that_are_no_numbers_are_refused() -> None:
    state = vit().state_dict()
    state["norm.bias"][3] = float("nan")
    with pytest.raises(CheckpointError, match=r"norm\.bias holds values that are no finite"):
        fill(ours(), Weights(source="given", tensors=state))


def test_weights_of_another_size_are_refused_and_nothing_is_loaded() -> None:
    network = ours()
    state = before(network)
    with pytest.raises(CheckpointError, match=r"of another size.*Nothing was loaded"):
        fill(network, Weights(source="given", tensors=vit(embed_dim=48).state_dict()))
    assert_untouched(network, state)
    deep = create("resnet3d", depth=50, width=4)
    shallow = create("resnet3d", depth=34, width=4)
    with pytest.raises(CheckpointError, match="of another size"):
        fill(deep, Weights(source="given", tensors=shallow.state_dict()))


def test_a_head_alone_is_no_start() -> None:
    network = create("dtn/vgg", size_px=32, groups=((4, 1), (8, 1)))
    lone = {"head.weight": torch.zeros(2, 8), "head.bias": torch.zeros(2)}
    with pytest.raises(CheckpointError, match="none of its tensors, its head apart"):
        fill(network, weights(**lone))


@pytest.mark.parametrize("classes", [1000, 400, 101, 1])
def test_a_head_of_other_classes_is_left_out_with_both_numbers(classes: int) -> None:
    network = ours()
    head = network.head.weight.clone()
    report = take(network, vit(classes=classes).state_dict())
    assert torch.equal(network.head.weight, head)
    reasons = {item.name: item.reason for item in report.unmatched}
    said = f"a head of {classes} answers, where this network's has 2"
    assert reasons == {"head.weight": said, "head.bias": said}
    assert {item.name for item in report.missing} == {"head.weight", "head.bias"}


def test_a_head_of_two_classes_is_taken_and_its_order_is_stated() -> None:
    report = take(ours(), vit(classes=2).state_dict())
    changes = {m.ours: m.change for m in report.matched if m.change}
    said = "two classes, taken as (real, fake)"
    assert changes == {"head.weight": said, "head.bias": said}


@pytest.mark.parametrize("size", [24, 48, 40])
def test_positions_of_another_grid_are_resized_as_timm_does(size: int) -> None:
    reference, network = vit(size), ours()
    report = take(network, reference.state_dict())
    n = size // 8
    [change] = [m.change for m in report.matched if m.ours == "position[1:]"]
    assert change == f"{n}x{n} places resized to 4x4, bicubic"
    wanted = resample_abs_pos_embed(reference.pos_embed, [4, 4], num_prefix_tokens=1)
    torch.testing.assert_close(network.position, wanted, rtol=1e-5, atol=1e-6)


def test_a_first_convolution_of_another_kernel_is_named_and_not_adapted() -> None:
    network = ours()
    embed = network.embed.weight.clone()
    report = take(network, vit(16, patch_size=4).state_dict())
    [odd] = report.mismatched
    assert odd.ours == "embed.weight"
    assert (odd.file_shape, odd.network_shape) == ((24, 3, 4, 4), (24, 3, 8, 8))
    assert torch.equal(network.embed.weight, embed)
    assert any("24x3x4x4 in the file, 24x3x8x8 in the network" in x for x in report.lines())


def test_a_missing_layer_is_named() -> None:
    state = vit().state_dict()
    del state["blocks.1.mlp.fc1.weight"]
    report = take(ours(), state)
    [left] = report.missing
    assert (left.name, left.reason) == ("blocks.1.mlp.0.weight", "the file has no such weight")
    assert any("keeps its first values" in line for line in report.lines())


def test_the_report_of_every_tensor_is_plain_values() -> None:
    document = take(ours(), vit(classes=1000).state_dict()).document()
    assert {"source", "layout", "parts", "matched", "mismatched", "unmatched", "missing"} <= set(
        document
    )
    assert {"theirs": ("norm.bias",), "ours": "norm.bias", "change": ""} in document["matched"]


def test_trunks_come_by_name_and_their_normalisation_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The hub is played by timm itself with random weights."""
    reference = shaken(timm.create_model("resnet34"), std=0.01)

    def from_hub(name: str, pretrained: bool) -> nn.Module:
        assert (name, pretrained) == ("resnet34", True)
        return reference

    network = create("resnet34", size_px=64)
    monkeypatch.setattr(timm, "create_model", from_hub)
    state = torch.get_rng_state()
    report = load_pretrained(network, "timm:resnet34")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(network.trunk.conv1.weight, reference.conv1.weight)
    assert not report.notes
    network.input_spec = replace(network.input_spec, mean=(0.5, 0.5, 0.5))
    [note] = load_pretrained(network, "timm:resnet34").notes
    assert "(0.485, 0.456, 0.406)" in note
    assert "(0.5, 0.5, 0.5)" in note


@pytest.mark.parametrize("error", [OSError("no route to host"), RuntimeError("offline")])
@pytest.mark.parametrize("source", ["timm:resnet34", "torchvision:resnet34"])
def test_a_hub_out_of_reach_is_said_with_the_way_round(
    error: Exception, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr("timm.create_model", unreachable)
    monkeypatch.setattr("torchvision.models.get_model", unreachable)
    with pytest.raises(CheckpointError, match=rf"{source}.*{error}.*--init FILE"):
        read_weights(source)


@pytest.mark.parametrize("source", ["timm:resnet_34", "torchvision:r3d-18"])
def test_a_name_the_library_does_not_know_is_refused(source: str) -> None:
    with pytest.raises(UsageError, match="has no network of that name"):
        read_weights(source)
