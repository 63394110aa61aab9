"""MAS and re-attention in every transformer of ours, hosts and others."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import TINY, batch

from unmask.errors import UsageError
from unmask.models import create
from unmask.models.base import Network
from unmask.models.blocks.attention import Attention, AttentionScale, ReAttention
from unmask.models.table import TABLE

NAMES = (
    *("vit", "cvit", "evit", "cevit", "dtn"),
    *("vit_distill/tiny", "av_cae/tiny", "timesformer", "timesformer/divided"),
)
every_transformer = pytest.mark.parametrize("name", NAMES)


def tiny(name: str, plug: str) -> Network:
    torch.manual_seed(0)
    config: dict[str, Any] = {**TINY[TABLE[name].network].config, "plug": plug}
    if name == "av_cae/tiny":
        config["causal"] = False
    if name == "dtn":
        config["moe_mas"] = False
    return create(name, **config).eval()


def count(network: Network, kind: type) -> int:
    return sum(isinstance(module, kind) for module in network.modules())


@every_transformer
@pytest.mark.parametrize(("plug", "kind"), [("mas", AttentionScale), ("reattention", ReAttention)])
def test_every_attention_has_the_plug_and_the_plug_has_a_say(name: str, plug: str, kind: type):
    network, plain = tiny(name, plug), tiny(name, "none")
    assert count(network, kind) == count(plain, Attention) > 0
    assert count(plain, AttentionScale) == count(plain, ReAttention) == 0
    plain.load_state_dict(
        {k: v for k, v in network.state_dict().items() if k in plain.state_dict()}
    )
    clips = batch(plain.input_spec, 2)
    with torch.no_grad():
        for module in network.modules():  # at first a scale halves what is nearly even anyway
            if isinstance(module, AttentionScale):
                module.theta.fill_(-5.0)
        assert not torch.equal(network(clips).logit, plain(clips).logit)


@every_transformer
def test_mas_with_scales_of_one_is_no_mas(name: str):
    scaled, plain = tiny(name, "mas"), tiny(name, "none")
    own = scaled.state_dict()
    plain.load_state_dict({k: v for k, v in own.items() if not k.endswith(".theta")})
    clips = batch(plain.input_spec, 2)
    with torch.no_grad():
        for key, value in own.items():
            if key.endswith(".theta"):
                value.fill_(100.0)
        torch.testing.assert_close(scaled(clips).logit, plain(clips).logit, rtol=0, atol=0)


def test_reattention_behind_a_causal_mask_is_refused_in_words():
    with pytest.raises(UsageError, match="set causal = false"):
        create("av_cae/tiny", plug="reattention")
