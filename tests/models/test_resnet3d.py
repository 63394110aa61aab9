"""3D ResNets: published geometry, torchvision's blocks, attention by brute force."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from thop_counts import thop_counts
from torch import Tensor, nn

from unmask.errors import UsageError
from unmask.models import create
from unmask.models.base import Network, example
from unmask.models.resnet3d import NonLocal, SqueezeExcite
from unmask.types import Batch

DEPTHS = {18: 33_204_930, 34: 63_514_562, 50: 46_203_074, 101: 85_249_218}
THOP_G = {18: 8.330, 34: 12.724, 50: 10.136, 101: 13.968}
NON_LOCAL = {  # name: parameters at depth 18, at depth 50
    "nl12": (33_246_754, 46_861_890),
    "nl34": (33_863_746, 56_702_658),
    "nl123": (33_378_978, 48_963_650),
    "nl44": (35_311_298, 79_794_370),
    "nl124": (33_773_346, 55_259_714),
    "nl1234": (33_905_570, 57_361_474),
    "nl134": (33_872_226, 56_834_882),
}
SQUEEZE_EXCITE = {18: 43_520, 34: 43_520, 50: 696_320, 101: 696_320}
BLOCKS = {64: 8_480, 128: 33_344, 256: 132_224, 512: 526_592, 1024: 2_101_760, 2048: 8_397_824}


def n_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def on_meta(name: str = "resnet3d", **config: Any) -> Network:
    with torch.device("meta"):
        return create(name, **config).eval()


def settle(module: nn.Module) -> None:
    """Give every parameter and statistic a value of its own."""
    chance = torch.Generator().manual_seed(5)
    for value in module.parameters():
        value.data = torch.randn(value.shape, generator=chance) * 0.2
    for name, value in module.named_buffers():
        if name.endswith("running_var"):
            value.copy_(torch.rand(value.shape, generator=chance) + 0.5)
        elif name.endswith("running_mean"):
            value.copy_(torch.randn(value.shape, generator=chance) * 0.2)


@pytest.mark.parametrize("depth", DEPTHS)
def test_counts_of_every_depth_are_exact(depth: int) -> None:
    assert n_parameters(on_meta(depth=depth)) == DEPTHS[depth]
    excited = n_parameters(on_meta("resnet3d/se", depth=depth))
    assert excited == DEPTHS[depth] + SQUEEZE_EXCITE[depth]


@pytest.mark.parametrize("name", NON_LOCAL)
def test_counts_of_every_position_are_exact(name: str) -> None:
    counts = tuple(n_parameters(on_meta(f"resnet3d/{name}", depth=d)) for d in (18, 50))
    assert counts == NON_LOCAL[name]


def test_non_local_blocks_have_their_sizes() -> None:
    with torch.device("meta"):
        sizes = {C: n_parameters(NonLocal(C, subsample=True)) for C in BLOCKS}
    assert sizes == BLOCKS


@pytest.mark.parametrize("depth", DEPTHS)
def test_feature_maps_are_those_of_the_geometry(depth: int) -> None:
    network = on_meta(depth=depth)
    shapes = []
    for stage in ("maxpool", "layer1", "layer2", "layer3", "layer4"):
        network.get_submodule(stage).register_forward_hook(
            lambda _module, _args, out: shapes.append(tuple(out.shape[1:]))
        )
    assert network(example(network)).aux["cam"].shape == (1, 4, 4)
    wide = 1 if depth < 50 else 4
    assert shapes == [
        (64, 8, 28, 28),
        (64 * wide, 8, 28, 28),
        (128 * wide, 4, 14, 14),
        (256 * wide, 2, 7, 7),
        (512 * wide, 1, 4, 4),
    ]


@pytest.mark.parametrize("depth", DEPTHS)
def test_thop_counts_the_known_macs(depth: int) -> None:
    _, macs_g = thop_counts(on_meta(depth=depth))
    assert macs_g == pytest.approx(THOP_G[depth], abs=0.0006)


def test_blocks_of_depth_18_are_torchvisions() -> None:
    network = create("resnet3d/r18", width=64).eval()
    settle(network)
    reference = torchvision.models.video.r3d_18().eval()
    renamed = {"conv1.0": "conv1", "conv1.1": "bn1", "conv2.0": "conv2", "conv2.1": "bn2"}
    x = torch.randn(1, 64, 2, 8, 8, generator=torch.Generator().manual_seed(6))
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        own, theirs = network.get_submodule(stage), reference.get_submodule(stage)
        state = {}
        for key in theirs.state_dict():
            _, part, rest = key.split(".", 2)
            old = f"{part}.{rest.split('.')[0]}"
            state[key] = own.state_dict()[key.replace(old, renamed.get(old, old))]
        theirs.load_state_dict(state)
        with torch.no_grad():
            y = own(x)
            torch.testing.assert_close(y, theirs(x), rtol=1e-4, atol=1e-4)
        x = y / y.std()


def test_bottlenecks_over_one_frame_are_torchvisions_two_dimensional_ones() -> None:
    """With one frame, only the middle of a kernel's three times sees anything but padding."""
    network = create("resnet3d", size_px=64).eval()
    settle(network.layer1)
    reference = torchvision.models.resnet50().eval()
    x = torch.randn(2, 64, 1, 12, 12, generator=torch.Generator().manual_seed(7))
    flat = {
        key: value[:, :, value.shape[2] // 2] if value.dim() == 5 else value
        for key, value in network.layer1.state_dict().items()
    }
    reference.layer1.load_state_dict(flat)
    with torch.no_grad():
        y = network.layer1(x)
        torch.testing.assert_close(y[:, :, 0], reference.layer1(x[:, :, 0]), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("subsample", [True, False])
def test_non_local_equals_the_equation_by_brute_force(subsample: bool) -> None:
    block = NonLocal(6, subsample=subsample).eval()
    settle(block)
    x = torch.randn(2, 6, 3, 5, 4, generator=torch.Generator().manual_seed(8))

    def project(conv: nn.Conv3d) -> Tensor:
        y = torch.einsum("oc,bcthw->bothw", conv.weight[:, :, 0, 0, 0], x)
        return y + conv.bias[:, None, None, None]

    def halve(y: Tensor) -> Tensor:  # the largest of 2 x 2 places; an odd row is left out
        H, W = y.shape[-2] // 2 * 2, y.shape[-1] // 2 * 2
        corners = [y[..., i:H:2, j:W:2] for i in (0, 1) for j in (0, 1)]
        return torch.stack(corners).amax(0)

    theta, phi, g = (project(conv) for conv in (block.theta, block.phi, block.g))
    if subsample:
        phi, g = halve(phi), halve(g)
    affinity = torch.einsum("bcthw,bcuij->bthwuij", theta, phi).exp()
    total = affinity.sum((4, 5, 6))
    y = torch.einsum("bthwuij,bcuij->bcthw", affinity, g) / total[:, None]
    y = torch.einsum("oc,bcthw->bothw", block.out.weight[:, :, 0, 0, 0], y)
    y = y + block.out.bias[:, None, None, None]
    norm = block.norm
    mean, var, gamma, beta = (
        v[:, None, None, None]
        for v in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    y = (y - mean) / (var + norm.eps).sqrt() * gamma + beta
    with torch.no_grad():
        torch.testing.assert_close(block(x), x + y, rtol=1e-4, atol=1e-5)


def test_squeeze_and_excitation_equals_the_equation_by_brute_force() -> None:
    block = SqueezeExcite(8, 4)
    settle(block)
    x = torch.randn(2, 8, 3, 5, 4, generator=torch.Generator().manual_seed(9))
    z = torch.einsum("bcthw->bc", x) / (3 * 5 * 4)
    inner = torch.einsum("rc,bc->br", block.squeeze.weight, z).clamp(min=0)
    a = 1 / (1 + torch.exp(-torch.einsum("cr,br->bc", block.excite.weight, inner)))
    with torch.no_grad():
        torch.testing.assert_close(block(x), torch.einsum("bc,bcthw->bcthw", a, x))


TINY = {"width": 8, "depth": 18, "size_px": 64, "n_frames": 4, "reduction": 4}


@pytest.mark.parametrize("name", NON_LOCAL)
def test_non_local_blocks_change_nothing_at_first(name: str) -> None:
    torch.manual_seed(0)
    network = create(f"resnet3d/{name}", **TINY).eval()
    plain = create("resnet3d", **TINY).eval()
    assert not plain.load_state_dict(network.state_dict(), strict=False).missing_keys
    batch = Batch(frames=torch.randn(2, 4, 3, 64, 64))
    with torch.no_grad():
        assert torch.equal(network(batch).logit, plain(batch).logit)
        settle(network.after)
        assert not torch.allclose(network(batch).logit, plain(batch).logit)


def test_four_blocks_follow_stage_four_in_nl44() -> None:
    assert [len(after) for after in on_meta("resnet3d/nl44").after] == [0, 0, 0, 4]
    assert [len(after) for after in on_meta("resnet3d/nl134").after] == [1, 0, 1, 1]


def test_squeeze_and_excitation_comes_before_the_non_local_block() -> None:
    for after in on_meta("resnet3d/se-nl1234").after:
        assert [type(block) for block in after] == [SqueezeExcite, NonLocal]


def test_a_stage_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="stages 1 to 4"):
        on_meta(non_local=(1, 5))


def test_the_affinity_at_stage_one_is_6272_by_1568() -> None:
    network = on_meta("resnet3d/nl1234")
    C, T, H, W = 256, 8, 28, 28
    x = torch.zeros(1, C, T, H, W, device="meta")
    block = network.after[0][0]
    assert block.theta(x)[0, 0].numel() == 6272
    assert block.pool(block.phi(x))[0, 0].numel() == 1568
