"""MesoNet as ported to torch by Honggu Liu (github.com/HongguLiu/MesoNet-Pytorch).

Most detectors that call themselves MesoNet in torch are copies of it. It differs from the published
networks, and the report says so: its convolutions have no bias, two pairs of layers share a batch
norm, its inception modules have no ReLU, and it answers two classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from unmask.models.layouts.state import Family, Layout, Piece, Place, Rules, State, changed

if TYPE_CHECKING:
    from unmask.models.base import Network

_EPS = "the port's batch norms have eps 1e-5, ours Keras' 1e-3"
_DIFFERENCE = "the difference of its two classes, taken as (real, fake)"
_NO_BIAS = "no bias in the file: set to zero"
_TAIL: Rules = ((r"fc1\.(.+)", r"hidden.0.\1"), (r"fc2\.(.+)", r"head.\1"))
_MESO4: Rules = (
    *((rf"conv{i + 1}\.(.+)", rf"trunk.{3 * i}.0.\1") for i in range(4)),
    *_TAIL,
)
_INCEPTION: Rules = (
    *((rf"Incption{i + 1}_conv1\.(.+)", rf"trunk.{3 * i}.point.0.\1") for i in range(2)),
    *(
        (rf"Incption{i + 1}_conv{b + 2}_{c + 1}\.(.+)", rf"trunk.{3 * i}.dilated.{b}.{2 * c}.\1")
        for i in range(2)
        for b in range(3)
        for c in range(2)
    ),
    *((rf"Incption{i + 1}_bn\.(.+)", rf"trunk.{3 * i + 1}.\1") for i in range(2)),
    *((rf"conv{i + 1}\.(.+)", rf"trunk.{6 + 3 * i}.0.\1") for i in range(2)),
    *_TAIL,
)


def _completed(state: State, shared: dict[str, tuple[int, int]]) -> State:
    """Give every layer of ours its norm, its bias and one logit."""
    done: State = {}
    for name, piece in state.items():
        norm, _, rest = name.partition(".")
        if norm in shared:
            both = replace(piece, change=f"{norm} serves two layers")
            done |= {f"trunk.{place}.{rest}": both for place in shared[norm]}
        elif name.startswith("head.") and piece.value.shape[0] == 2:
            difference = piece.value[1:] - piece.value[:1]
            done[name] = changed(piece, difference, _DIFFERENCE)
        else:
            done[name] = piece
    for name in [n for n in done if re.fullmatch(r"trunk\..+\.weight", n)]:
        bias, weight = name.replace("weight", "bias"), done[name]
        if bias not in done and weight.value.dim() == 4:
            zeros = weight.value.new_zeros(weight.value.shape[0])
            done[bias] = Piece(value=zeros, keys=(), change=_NO_BIAS)
    return done


LAYOUTS = (
    Layout(
        name="Meso-4 (torch port)",
        held="MesoNet-Pytorch, DeepfakeBench",
        family="mesonet",
        signature={"conv4.weight": 4, "bn2.weight": 1, "fc1.weight": 2, "fc2.weight": 2},
        rules=_MESO4,
        prepare=lambda state: _completed(state, {"bn1": (1, 4), "bn2": (7, 10)}),
        note=_EPS,
    ),
    Layout(
        name="MesoInception-4 (torch port)",
        held="MesoNet-Pytorch, DeepfakeBench",
        family="mesonet",
        signature={"Incption1_conv1.weight": 4, "fc1.weight": 2, "fc2.weight": 2},
        rules=_INCEPTION,
        prepare=lambda state: _completed(state, {"bn1": (7, 10)}),
        note=f"{_EPS}, and its inception modules have no ReLU: a start, not the same function",
    ),
)


def _places(network: Network, _names: Iterable[str]) -> list[Place]:
    if type(network).__name__ != "MesoNet":
        return []
    return [Place(part="the whole network", goals=((r".+", r"\g<0>"),), head=r"head\..+")]


FAMILY = Family(places=_places, takers=("mesonet-4", "mesoinception-4"))
