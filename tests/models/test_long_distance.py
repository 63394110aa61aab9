"""Long-distance attention: the paper's geometry, its equations by brute force, timm's trunk."""

from __future__ import annotations

from typing import Any

import pytest
import thop
import timm
import torch
from foreign_weights import take
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.errors import UsageError
from unmask.models import create
from unmask.models.base import Network, example
from unmask.models.long_distance import Fuse, Resize, TemplateAttention, Xception, motion, windows
from unmask.types import Batch

TINY = {
    "size_px": 62,  # the stem's output is 28 = 7 cells x 4
    "view_px": 28,
    "patch_px": 4,
    "dim": 12,
    "templates": 3,
    "template_dim": 5,
    "widths": (4, 8, 8, 8, 16, 16, 16, 16),
}
G = 7  # cells a side


def tiny(**config: Any) -> Network:
    torch.manual_seed(0)
    return create("long_distance", **{**TINY, **config}).eval()


def clips(network: Network, n: int = 2) -> Batch:
    T, size = network.input_spec.n_frames, network.input_spec.size_px
    generator = torch.Generator().manual_seed(1)
    return Batch(frames=torch.randn(n, T, 3, size, size, generator=generator))


def excite(network: nn.Module) -> None:
    """Templates away from zero, norms away from the identity."""
    generator = torch.Generator().manual_seed(2)
    for name, parameter in network.named_parameters():
        if name.endswith(("templates", "combine.weight", "combine.bias", "score.weight")):
            parameter.data = torch.randn(parameter.shape, generator=generator)


def n_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


SPATIAL = {1: 1_331_725, 2: 1_331_738, 3: 1_331_751, 4: 1_331_764, 5: 1_331_777}
TEMPORAL = {2: 1_632_916, 3: 1_783_492, 4: 1_934_068, 5: 2_084_644}


def test_counts_are_exact() -> None:
    with torch.device("meta"):
        for m, wanted in SPATIAL.items():
            network = create(f"long_distance/m{m}", attention="spatial")
            assert n_parameters(network.spatial) == wanted
        for n, wanted in TEMPORAL.items():
            network = create(f"long_distance/n{n}", attention="temporal")
            assert n_parameters(network.temporal) == wanted
            assert network.input_spec.n_frames == n + 1
        assert n_parameters(create("long_distance/xception")) == 20_811_050
        assert n_parameters(create("long_distance")) == 23_926_306


def test_feature_maps_at_398_px_are_those_of_the_geometry() -> None:
    with torch.device("meta"):
        trunk = Xception(create("long_distance").config.widths)
        x, shapes = torch.zeros(1, 3, 398, 398), {}
        for name, stage in trunk.stages():
            x = stage(x)
            shapes[name] = tuple(x.shape[1:])
    middle = {f"b{number}": (728, 25, 25) for number in range(3, 12)}
    assert shapes == {
        "b0": (64, 196, 196),
        "b1": (128, 98, 98),
        "b2": (256, 49, 49),
        **middle,
        "b12": (1024, 13, 13),
        "final": (2048, 13, 13),
    }


def test_maps_have_14_by_14_cells() -> None:
    with torch.device("meta"):
        network = create("long_distance").eval()
        aux = network(example(network)).aux
    assert aux["spatial_maps"].shape == aux["temporal_maps"].shape == (1, 4, 14, 14)


def test_thop_counts_14_674_g_for_xception_at_398_px() -> None:
    with torch.device("meta"):
        network = create("long_distance/xception").eval()
        batch = example(network)
    macs, _ = thop.profile(network, inputs=(batch,), verbose=False)
    assert macs / 1e9 == pytest.approx(14.674, abs=0.0006)


def test_the_trunk_is_timms_with_timms_keys() -> None:
    torch.manual_seed(0)
    reference = timm.create_model("legacy_xception", num_classes=0, global_pool="").eval()
    trunk = Xception(create("long_distance/xception").config.widths).eval()
    trunk.load_state_dict(reference.state_dict())
    x = torch.randn(1, 3, 75, 75)
    with torch.no_grad():
        torch.testing.assert_close(trunk(x), reference(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"fuse": "mean"},
        {"fuse": "concat"},
        {"activation": "sigmoid"},
        {"context_layers": 1},
        {"span": 3},
        {"gate": "convolution"},
        {"temporal_at": "b1", "maps": 5},
        {"temporal_at": "b11", "maps": 1},
    ],
    ids=str,
)
def test_at_first_all_maps_are_one_and_the_backbone_is_undisturbed(config: dict[str, Any]) -> None:
    network = tiny(**config)
    bare = tiny(attention="none")
    bare.trunk.load_state_dict(network.trunk.state_dict())
    bare.head.load_state_dict(network.head.state_dict())
    batch = clips(network)
    with torch.no_grad():
        out, plain = network(batch), bare(Batch(frames=batch.frames[:, :1]))
        for name in ("spatial_maps", "temporal_maps"):
            torch.testing.assert_close(out.aux[name], torch.ones_like(out.aux[name]))
        torch.testing.assert_close(out.logit, plain.logit, rtol=1e-4, atol=1e-5)
        excite(network)
        assert (network(batch).logit - plain.logit).abs().max() > 1e-4


@pytest.mark.parametrize("number", range(1, 12))
def test_the_temporal_maps_are_laid_over_the_block_they_name(number: int) -> None:
    network = tiny(temporal_at=f"b{number}", maps=1)
    excite(network)
    given, seen = {}, []
    for i in range(1, 13):
        block = network.trunk.get_submodule(f"block{i}")
        block.register_forward_hook(lambda _, args, out, i=i: given.update({i: (args[0], out)}))
    network.spatial.register_forward_hook(lambda _, args, out: seen.append(out[0]))
    with torch.no_grad():
        aux = network(clips(network, 1)).aux
    before = seen[0]  # what the spatial maps leave of the stem's output
    for i in range(1, 13):
        untouched = torch.equal(given[i][0], before)
        assert untouched == (i != number + 1)
        before = given[i][1]
    size = given[number][1].shape[-2:]
    wanted = given[number][1] * F.interpolate(
        aux["temporal_maps"], size=size, mode="nearest" if size[0] % G == 0 else "bilinear"
    )
    torch.testing.assert_close(given[number + 1][0], wanted)


def template_maps_slowly(module: TemplateAttention, views: Tensor, span: int | None) -> Tensor:
    """Section 4.2 with one loop per index: E vec(p) + b + pos, t . U z / sqrt(d), softmax, 1x1."""
    B, T = views.shape[:2]
    patch = views.shape[-1] // G
    K, d = module.templates.shape[:2]
    E = module.embed.weight.flatten(1)
    U = module.project.weight.view(K, d, -1)
    A = torch.zeros(B, K * T, G, G)
    for b in range(B):
        answers = torch.zeros(K, T, G, G)
        for i in range(T * G * G):
            t, y, x = i // (G * G), i // G % G, i % G
            p = views[b, t, :, y * patch : (y + 1) * patch, x * patch : (x + 1) * patch].flatten()
            z = E @ p + module.embed.bias + module.position[0, i]
            for k in range(K):
                answers[k, t, y, x] = module.templates[k, :, 0] @ (U[k] @ z) / d**0.5
        for k, t, y, x in torch.cartesian_prod(*map(torch.arange, (K, T, G, G))).tolist():
            top, left = 0, 0
            if span is not None:
                top, left = (min(max(c - span // 2, 0), G - span) for c in (y, x))
            side = span or G
            window = answers[k, :, top : top + side, left : left + side].exp()
            A[b, k * T + t, y, x] = answers[k, t, y, x].exp() / window.sum() * window.numel()
    M = module.combine
    return torch.einsum("mc,bcyx->bmyx", M.weight[:, :, 0, 0], A) + M.bias[:, None, None]


@pytest.mark.parametrize("span", [None, 1, 3, 4])
@pytest.mark.parametrize("n_frames", [1, 3])
def test_template_maps_equal_the_equation_written_with_loops(
    span: int | None, n_frames: int
) -> None:
    network = tiny(span=span, next_frames=2)
    excite(network)
    guide = network.spatial if n_frames == 1 else network.temporal
    views = torch.randn(1, n_frames, 3, 28, 28, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        slow = template_maps_slowly(guide.source, views, span)
        torch.testing.assert_close(guide.source(views), slow, rtol=1e-4, atol=1e-4)


def test_the_window_of_the_whole_grid_is_no_window() -> None:
    networks = [tiny(span=span) for span in (None, G)]
    for network in networks:
        excite(network)
    batch = clips(networks[0])
    with torch.no_grad():
        free, windowed = (network(batch).logit for network in networks)
    torch.testing.assert_close(windowed, free, rtol=1e-4, atol=1e-5)


def test_windows_hold_span_squared_cells_and_their_own() -> None:
    for span in (1, 3, 7, 14):
        near = windows(14, span)
        assert (near.sum(1) == span**2).all()
        assert near.diagonal().all()


@pytest.mark.parametrize("span", [0, 15])
def test_a_window_that_does_not_fit_is_refused(span: int) -> None:
    with pytest.raises(UsageError, match="1 to 14"):
        windows(14, span)


def moved_cells(network: Network, site: str) -> Tensor:
    """Which cells of the maps move when the middle of the picture changes a little."""
    batch = clips(network, 1)
    changed = Batch(frames=batch.frames.clone())
    changed.frames[:, 0, :, 30:32, 30:32] += 1.0  # inside the middle cell
    with torch.no_grad():
        before, after = (network(b).aux[site] for b in (batch, changed))
    return (before - after).abs().amax((0, 1)) > 1e-6


def test_templates_look_far_and_windows_and_convolutions_do_not() -> None:
    far, near, local = tiny(attention="spatial"), tiny(attention="spatial", span=3), None
    local = tiny(attention="spatial", gate="convolution")
    for network in (far, near, local):
        excite(network)
    assert moved_cells(far, "spatial_maps").all()
    moved = moved_cells(near, "spatial_maps")
    assert moved[2:5, 2:5].all()
    assert not moved[[0, 6]].any()
    moved = moved_cells(local, "spatial_maps")  # as large as the stem's output
    assert 0 < moved.sum() < 0.1 * moved.numel()


@pytest.mark.parametrize("maps", [1, 2, 3, 4, 5])
def test_fusion_equals_the_paper_s_words_channel_by_channel(maps: int) -> None:
    x, M = torch.randn(2, 7, 9, 9), torch.rand(2, maps, 3, 3)
    large = M.repeat_interleave(3, 2).repeat_interleave(3, 3)
    parts = x.tensor_split(maps, 1)
    group = torch.cat([part * large[:, k, None] for k, part in enumerate(parts)], 1)
    torch.testing.assert_close(Fuse("group", maps, 7)(x, M), group)
    torch.testing.assert_close(Fuse("mean", maps, 7)(x, M), x * large.mean(1)[:, None])
    fuse = Fuse("concat", maps, 7)
    nn.init.normal_(fuse.merge.weight)
    copies = torch.cat([x * large[:, k, None] for k in range(maps)], 1)
    slow = torch.einsum("oc,bchw->bohw", fuse.merge.weight[:, :, 0, 0], copies)
    torch.testing.assert_close(fuse(x, M), slow, rtol=1e-4, atol=1e-5)


def test_maps_that_do_not_fit_are_interpolated() -> None:
    x, M = torch.ones(1, 4, 25, 25), torch.rand(1, 4, 14, 14)
    bilinear = F.interpolate(M, size=(25, 25), mode="bilinear", align_corners=False)
    torch.testing.assert_close(Fuse("group", 4, 4)(x, M), bilinear)


@pytest.mark.parametrize(("from_px", "to_px"), [(398, 224), (62, 28), (100, 99), (20, 33)])
def test_the_inner_resize_is_torch_s_antialiased_one(from_px: int, to_px: int) -> None:
    x = torch.randn(2, 3, from_px, from_px, generator=torch.Generator().manual_seed(4))

    def by_torch(x: Tensor) -> Tensor:
        size = (to_px, to_px)
        return F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)

    resize, double = Resize(from_px, to_px), x.double()
    exact = by_torch(double)  # in float32 torch rounds its own weights: up to 1e-4
    torch.testing.assert_close(resize.double()(double), exact, rtol=0, atol=1e-6)
    torch.testing.assert_close(resize.float()(x), by_torch(x), rtol=0, atol=1e-4)


def test_the_attention_sees_the_frame_and_the_changes_after_normalisation() -> None:
    network = tiny(next_frames=2)
    seen: list[Tensor] = []
    network.temporal.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    raw = torch.rand(1, 3, 3, 62, 62)
    spec = network.input_spec
    mean, std = (torch.tensor(v)[:, None, None] for v in (spec.mean, spec.std))
    with torch.no_grad():
        network(Batch(frames=(raw - mean) / std))
    [views] = seen

    def small(x: Tensor) -> Tensor:
        return F.interpolate(x, size=(28, 28), mode="bilinear", antialias=True)

    torch.testing.assert_close(views[:, 0], small((raw[:, 0] - mean) / std), rtol=0, atol=1e-5)
    for j in (1, 2):  # the mean falls out of a difference, the scale does not
        wanted = small((raw[:, j] - raw[:, j - 1]) / std)
        torch.testing.assert_close(views[:, j], wanted, rtol=0, atol=1e-5)


def test_a_still_clip_has_no_motion() -> None:
    frames = torch.randn(1, 1, 3, 8, 8).expand(-1, 4, -1, -1, -1)
    assert not motion(frames)[:, 1:].any()


def test_the_spatial_network_takes_one_frame_and_the_temporal_one_all() -> None:
    with torch.device("meta"):
        lengths = {
            name: create(f"long_distance/{name}").input_spec.n_frames
            for name in ("xception", "spatial", "temporal", "conv1x1", "n5")
        }
        assert create("long_distance").input_spec.stride == 1
    assert lengths == {"xception": 1, "spatial": 1, "temporal": 4, "conv1x1": 1, "n5": 6}


def test_the_plain_transformer_equals_timms() -> None:
    torch.manual_seed(0)
    shape = {"size_px": 40, "view_px": 32, "patch_px": 8, "dim": 24, "depth": 2, "heads": 3}
    network = create("long_distance/vit_direct", **shape).eval()
    reference = timm.models.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=2
    ).eval()
    assert not take(network, reference.state_dict()).missing
    frames = torch.randn(3, 1, 3, 40, 40)
    with torch.no_grad():
        view = network.resize(frames[:, 0])
        pair = network(Batch(frames=frames)).aux["pair"]
        torch.testing.assert_close(pair, reference(view), rtol=1e-4, atol=1e-5)


def test_the_plain_transformer_is_vit_b_16() -> None:
    with torch.device("meta"):
        network = create("long_distance/vit_direct")
        reference = timm.create_model("vit_base_patch16_224", num_classes=2)
    assert n_parameters(network) == n_parameters(reference) == 85_800_194
