"""Laws of explanations: shapes, agreement with exact maps and with captum, and honest refusals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from captum.attr import LayerGradCam
from explained import NETWORKS, batch_of, network_of
from torch import Tensor

from unmask.errors import UsageError
from unmask.explain.attention import attention_layers, guides
from unmask.explain.gradients import features_and_gradient
from unmask.explain.maps import METHODS, explain, methods_of, why_not
from unmask.explain.places import place_of, tokens_of
from unmask.models.base import Network
from unmask.types import Batch, InputSpec, Output


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_method_that_fits_a_network_gives_a_map_for_every_frame(name: str) -> None:
    network = network_of(name)
    batch = batch_of(network)
    assert "occlusion" in methods_of(network)
    for method in methods_of(network):
        if method == "occlusion" and name not in ("dtn", "tsf-joint", "av_cae"):
            continue  # slow, and blind to what the network is
        maps = explain(network, batch, method)
        assert maps.shape[:2] == (2, network.input_spec.n_frames)
        assert maps[:, 0].isfinite().all()
        assert maps[:, 0].std() > 0, f"{method} tells no place from another"


@pytest.mark.parametrize("name", NETWORKS)
def test_every_method_that_does_not_fit_says_why(name: str) -> None:
    network = network_of(name)
    for method in set(METHODS) - set(methods_of(network)):
        with pytest.raises(UsageError, match=type(network).__name__):
            explain(network, batch_of(network), method)
    assert "no such method" in str(why_not(network, "crystal ball"))


def test_hosts_with_one_patch_have_no_attention_between_places() -> None:
    assert "only patch is the whole face" in str(why_not(network_of("cvit"), "rollout"))


def test_reattention_is_refused_as_a_share() -> None:
    assert "re-attention" in str(why_not(network_of("vit-reattention"), "attention"))


@pytest.mark.parametrize("name", ["dtn", "vgg", "long_distance", "resnet3d"])
def test_grad_cam_under_a_linear_head_is_the_exact_map_up_to_scale(name: str) -> None:
    network = network_of(name)
    batch = batch_of(network)
    exact = explain(network, batch, "cam")[:, 0]
    gradient = explain(network, batch, "grad_cam")
    gradient = gradient.mean(1) if name == "resnet3d" else gradient[:, 0]
    head = network.head
    bias = (head.bias[1] - head.bias[0]).item()
    places = exact[0].numel()
    torch.testing.assert_close(gradient * places, exact - bias, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["dtn", "cvit", "mesonet"])
def test_grad_cam_of_a_convolution_is_captums(name: str) -> None:
    network = network_of(name)
    batch = batch_of(network)
    layer = place_of(network).layer
    theirs = LayerGradCam(lambda x: network(Batch(frames=x)).logit, layer)
    wanted = theirs.attribute(batch.frames)
    got = explain(network, batch, "grad_cam")
    torch.testing.assert_close(got, wanted.detach(), rtol=1e-4, atol=1e-6)


def test_the_mean_of_the_exact_map_is_the_logit() -> None:
    network = network_of("dtn")
    batch = batch_of(network)
    maps = explain(network, batch, "cam")
    torch.testing.assert_close(maps.mean((1, 2, 3)), network(batch).logit.detach())


@pytest.mark.parametrize("name", ["vit", "tsf-joint", "tsf-divided", "vit_direct"])
def test_tokens_that_reach_the_answer_have_a_gradient(name: str) -> None:
    network = network_of(name)
    _, gradient = features_and_gradient(network, batch_of(network), place_of(network))
    spread = gradient.abs().sum(1)
    assert (spread > 0).all(), "patches of the last layer's output would have none"


@pytest.mark.parametrize("name", ["vit", "dtn-skip", "tsf-joint", "tsf-divided"])
def test_a_rollout_is_made_of_shares_whose_even_part_is_one(name: str) -> None:
    network = network_of(name)
    maps = explain(network, batch_of(network), "rollout")
    assert (maps >= 0).all()
    torch.testing.assert_close(maps.mean((1, 2, 3)), torch.ones(2))


def test_rollout_of_a_vit_is_the_product_of_its_layers() -> None:
    network = network_of("vit")
    batch = batch_of(network, 1)
    product = torch.eye(37)
    for layer in attention_layers(network, batch):
        product = (0.5 * layer.maps[0].mean(0) + 0.5 * torch.eye(37)) @ product
    wanted = product[0, 1:] / product[0, 1:].mean()
    got = explain(network, batch, "rollout")
    torch.testing.assert_close(got.flatten(), wanted)


def test_divided_rollout_conserves_what_flows() -> None:
    """Rows of every step sum to one, so nothing is lost between time and space."""
    from unmask.explain.attention import _steps

    network = network_of("tsf-divided")
    for step in _steps(network, batch_of(network)):
        torch.testing.assert_close(step.sum(-1), torch.ones(step.shape[:2]))


def test_divided_steps_move_tokens_as_the_network_does() -> None:
    """With one head and a value that is the token itself, a step is what the block computes."""
    from unmask.explain.attention import _space_step, _time_step

    torch.manual_seed(0)
    T, n = 3, 4
    tokens = torch.randn(1, 1 + T * n, 5)
    time = torch.rand(1, n, T, T).softmax(-1)
    moved = _time_step(time, T) @ tokens
    patches = tokens[0, 1:].view(T, n, 5)
    for place in range(n):
        torch.testing.assert_close(
            moved[0, 1:].view(T, n, 5)[:, place], time[0, place] @ patches[:, place]
        )
    space = torch.rand(1, T, 1 + n, 1 + n).softmax(-1)
    moved = _space_step(space, T) @ tokens
    answers = [space[0, t] @ torch.cat([tokens[0, :1], patches[t]]) for t in range(T)]
    torch.testing.assert_close(moved[0, 0], torch.stack([a[0] for a in answers]).mean(0))
    torch.testing.assert_close(moved[0, 1:].view(T, n, 5)[1], answers[1][1:])


def test_guides_start_as_ones_and_are_given_for_the_first_frame_only() -> None:
    network = network_of("long_distance")
    for part in (network.spatial, network.temporal):
        torch.nn.init.zeros_(part.source.templates)
        torch.nn.init.constant_(part.source.combine.weight, 1 / part.source.combine.in_channels)
        torch.nn.init.zeros_(part.source.combine.bias)
    batch = batch_of(network)
    assert set(guides(network, batch)) == {"spatial_maps", "temporal_maps"}
    maps = explain(network, batch, "guide")
    torch.testing.assert_close(maps[:, 0], torch.ones_like(maps[:, 0]))
    assert maps[:, 1:].isnan().all()


def test_tokens_of_a_distilled_vit_lie_row_by_row() -> None:
    from unmask.explain.places import _distill_grid

    patches, cnn = torch.arange(16.0), 100 + torch.arange(16.0)
    both = torch.cat([patches, cnn])[None, :, None]
    grid = _distill_grid(both, 4, "concat")
    torch.testing.assert_close(grid[0, 0], ((patches + cnn) / 2).view(4, 4))
    torch.testing.assert_close(_distill_grid(both[:, :16], 4, "pair_mean")[0, 0, 1, 2], patches[6])
    literal = both.view(1, 16, 2, 1).mean(2)
    rows = _distill_grid(literal, 4, "adaptive1d")[0, 0]
    torch.testing.assert_close(rows[0, :2], torch.full((2,), 50.5))


class LooksAtOneCell(Network):
    """Scores by the brightness of one square of 8 px, and by nothing else."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__()
        self.config, self.input_spec = None, InputSpec(size_px=64)
        self.cell = (slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8))

    def forward(self, batch: Batch) -> Output:
        return Output(logit=batch.frames[:, 0, :, *self.cell].abs().mean((1, 2, 3)))


def test_occlusion_finds_the_only_cell_a_network_looks_at() -> None:
    network = LooksAtOneCell(2, 5)
    maps = explain(network, batch_of(network), "occlusion")
    assert maps.shape == (2, 1, 8, 8)
    for one in maps[:, 0]:
        assert one.argmax() == 2 * 8 + 5
        assert (one != 0).sum() == 1


def test_occlusion_equals_covering_by_hand() -> None:
    from unmask.explain.occlusion import blurred

    network = network_of("dtn")
    batch = batch_of(network, 1)
    maps = explain(network, batch, "occlusion")
    covered = batch.frames.clone()
    covered[..., 8:16, 24:32] = blurred(batch.frames)[..., 8:16, 24:32]
    lost: Tensor = network(batch).logit - network(Batch(frames=covered)).logit
    torch.testing.assert_close(maps[0, 0, 1, 3], lost[0].detach(), rtol=1e-3, atol=1e-5)


def test_explaining_leaves_the_network_as_it_was() -> None:
    network = network_of("dtn").train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    explain(network, batch_of(network), "grad_cam")
    assert network.training
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_transformer_without_blocks_has_no_attention() -> None:
    with pytest.raises(UsageError, match="no attention between places"):
        tokens_of(network_of("vgg"))


def test_non_local_maps_are_what_the_block_adds() -> None:
    """The affinity times g, through the block's own output, is what it adds to its input."""
    from unmask.explain.gradients import outputs_of
    from unmask.explain.nonlocal_maps import affinity
    from unmask.models.resnet3d import NonLocal

    network = network_of("resnet3d")
    batch = batch_of(network)
    block = next(m for m in network.modules() if isinstance(m, NonLocal))
    looks = affinity(network, batch, block).flatten(2)
    torch.testing.assert_close(looks.sum(-1), torch.ones(looks.shape[:2]))
    with torch.no_grad(), outputs_of(block.g) as values, outputs_of(block.out) as added:
        network(batch)
    seen = torch.einsum("bqk,bck->bcq", looks, block.pool(values[0]).flatten(2))
    wanted = block.out(seen.view(*seen.shape[:2], *added[0].shape[2:])).detach()
    torch.testing.assert_close(added[0].detach(), wanted, rtol=1e-3, atol=1e-5)


def test_of_several_non_local_blocks_the_deepest_fine_one_is_shown() -> None:
    from unmask.explain.nonlocal_maps import affinity
    from unmask.models.resnet3d import NonLocal

    network = network_of("resnet3d", non_local=(1, 2, 4), size_px=112)
    batch = batch_of(network, 1)
    blocks = [m for m in network.modules() if isinstance(m, NonLocal)]
    assert [affinity(network, batch, block).shape[-1] for block in blocks] == [14, 7, 2]
    assert explain(network, batch, "non_local").shape == (1, 8, 7, 7)


def test_channel_weights_are_those_that_multiply() -> None:
    from unmask.explain.nonlocal_maps import channel_weights
    from unmask.models.resnet3d import SqueezeExcite

    network = network_of("resnet3d")
    batch = batch_of(network)
    taken: list[tuple[Tensor, Tensor]] = []
    block = next(m for m in network.modules() if isinstance(m, SqueezeExcite))
    block.register_forward_hook(lambda _m, given, out: taken.append((given[0], out)))
    first = channel_weights(network, batch)[0]
    before, after = taken[0]
    torch.testing.assert_close(before * first[:, :, None, None, None], after)
    with pytest.raises(UsageError, match="no squeeze-and-excitation"):
        channel_weights(network_of("vit"), batch_of(network_of("vit")))


def test_layers_say_their_learned_scales() -> None:
    network = network_of("dtn")
    layers = attention_layers(network, batch_of(network))
    assert [layer.name for layer in layers] == ["blocks.0.attn", "blocks.1.attn"]
    for layer, block in zip(layers, network.blocks, strict=True):
        torch.testing.assert_close(layer.scale, block.attn.head_scale.theta.sigmoid().detach())
        assert layer.maps.shape == (2, 2, 16, 16)
        assert layer.tokens.shape == (2, 16, 16)
    assert attention_layers(network_of("vit"), batch_of(network_of("vit")))[0].scale is None
