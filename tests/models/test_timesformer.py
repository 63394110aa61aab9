"""TimeSformer: published sizes, outputs of transformers' own, attention frame by frame."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import thop
import torch
from foreign_weights import take
from torch import Tensor, nn
from transformers import TimesformerConfig, TimesformerForVideoClassification

from unmask.models import create
from unmask.models.base import Network, example
from unmask.models.timesformer import DividedBlock
from unmask.types import Batch

Kind = Literal["joint", "divided"]
NAMES: dict[Kind, str] = {"joint": "timesformer", "divided": "timesformer/divided"}
TINY = {"n_frames": 3, "size_px": 24, "patch_px": 8, "dim": 24, "depth": 3, "heads": 3}


def n_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def shake(module: nn.Module) -> None:
    """Give every parameter a value of its own."""
    chance = torch.Generator().manual_seed(5)
    for value in module.parameters():
        value.data = value + torch.randn(value.shape, generator=chance) * 0.2


@pytest.mark.parametrize(
    ("name", "two", "many", "thop_m", "macs_g"),
    [
        ("timesformer", 85_806_338, None, None, 134.31),
        ("timesformer/divided", 121_260_290, 121_566_352, 121.408, 190.06),
    ],
)
def test_counts_are_the_known_ones(
    name: str, two: int, many: int | None, thop_m: float | None, macs_g: float
) -> None:
    with torch.device("meta"):
        network = create(name).eval()
        assert n_parameters(network) == two
        assert network.input_spec.n_frames == 8
        assert network.input_spec.stride == 32
        network.head = nn.Linear(768, 400)  # Kinetics, for which the other counts are known
        batch = example(network)
    macs, parameters = thop.profile(network, inputs=(batch,), verbose=False)
    assert macs / 1e9 == pytest.approx(macs_g, abs=0.006)
    if many is not None:
        assert n_parameters(network) == many
        assert parameters / 1e6 == pytest.approx(thop_m, abs=0.0006)


def test_the_sequence_has_one_class_token_and_196_patches_a_frame() -> None:
    lengths = []
    with torch.device("meta"):
        network = create("timesformer/divided").eval()
        for part in (network.blocks, network.blocks[0].attn_time, network.blocks[0].attn):
            part.register_forward_pre_hook(lambda _, args: lengths.append(args[0].shape))
        network(example(network, batch=2))
    assert lengths == [(2, 1 + 8 * 196, 768), (2 * 196, 8, 768), (2 * 8, 197, 768)]


def transformers_own(network: Network, kind: Kind) -> nn.Module:
    """The same network of transformers, whose random weights ours then has too."""
    config = network.config
    reference = TimesformerForVideoClassification(
        TimesformerConfig(
            image_size=config.size_px,
            patch_size=config.patch_px,
            num_frames=config.n_frames,
            hidden_size=config.dim,
            num_hidden_layers=config.depth,
            num_attention_heads=config.heads,
            intermediate_size=config.mlp_ratio * config.dim,
            attention_type=f"{kind}_space_time",
            num_labels=2,
        )
    )
    shake(reference)
    report = take(network, reference.state_dict())
    assert not report.missing
    return reference.eval()


@pytest.mark.parametrize("kind", NAMES)
def test_logits_are_those_of_transformers_with_the_same_weights(kind: Kind) -> None:
    network = create(NAMES[kind], **TINY).eval()
    reference = transformers_own(network, kind)
    frames = torch.randn(2, 3, 3, 24, 24, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        pair = network(Batch(frames=frames)).aux["pair"]
        wanted = reference(pixel_values=frames).logits
    assert wanted.std() > 0.1
    torch.testing.assert_close(pair, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAMES)
def test_logits_are_those_of_transformers_at_full_size(kind: Kind) -> None:
    torch.manual_seed(0)
    network = create(NAMES[kind], depth=2).eval()
    reference = transformers_own(network, kind)
    frames = torch.randn(1, 8, 3, 224, 224)
    with torch.no_grad():
        pair = network(Batch(frames=frames)).aux["pair"]
        wanted = reference(pixel_values=frames).logits
    torch.testing.assert_close(pair, wanted, rtol=1e-4, atol=1e-5)


def in_space_alone(block: DividedBlock, tokens: Tensor) -> Tensor:
    """A ViT block on every frame by itself, each with its own copy of the class token."""
    T = block.n_frames
    frames = tokens[:, 1:].unflatten(1, (T, -1))
    seen = [
        block.attn(block.norm_attn(torch.cat([tokens[:, :1], frames[:, t]], 1))) for t in range(T)
    ]
    cls = tokens[:, :1] + sum(s[:, :1] for s in seen) / T
    patches = torch.cat([frames[:, t] + seen[t][:, 1:] for t in range(T)], 1)
    tokens = torch.cat([cls, patches], 1)
    return tokens + block.mlp(block.norm_mlp(tokens))


def test_divided_attention_is_spatial_alone_at_first_in_all_blocks_but_the_first() -> None:
    torch.manual_seed(0)
    network = create("timesformer/divided", **TINY).eval()
    tokens = torch.randn(2, 1 + 3 * 9, 24)
    with torch.no_grad():
        for number, block in enumerate(network.blocks):
            spatial = torch.allclose(block(tokens), in_space_alone(block, tokens), atol=1e-5)
            assert spatial == (number > 0)


def test_attention_over_time_stays_at_its_place_and_leaves_the_class_token() -> None:
    network = create("timesformer/divided", **TINY).eval()
    shake(network)
    block = network.blocks[1]
    patches = torch.randn(1, 3 * 9, 24)
    changed = patches.clone()
    changed[:, 4] = torch.randn(24)  # place 4 of time 0
    with torch.no_grad():
        moved = (block._over_time(changed) - block._over_time(patches)).abs().amax((0, 2)) > 1e-6
    assert moved.nonzero().flatten().tolist() == [4, 9 + 4, 18 + 4]


def test_a_still_clip_and_its_reverse_are_the_same_to_it() -> None:
    network = create("timesformer", **TINY).eval()
    shake(network)
    still = torch.randn(1, 1, 3, 24, 24).expand(-1, 3, -1, -1, -1)
    with torch.no_grad():
        one, other = (network(Batch(frames=f)).logit for f in (still, still.flip(1)))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", NAMES)
def test_stochastic_depth_grows_linearly_to_a_tenth(kind: Kind) -> None:
    with torch.device("meta"):
        blocks = create(NAMES[kind]).blocks
    rates: list[Any] = [block.drop_path.drop_prob for block in blocks]
    assert rates == pytest.approx([0.1 * i / 11 for i in range(12)])
