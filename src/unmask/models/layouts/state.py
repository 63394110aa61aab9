"""What a layout works on: tensors of a file under the names of their family, and where they go."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # tables of layouts are read without torch
    from torch import Tensor

    from unmask.models.base import Network

Rules = tuple[tuple[str, str], ...]  # (pattern of a whole name, what it becomes), the first fits
Reasons = tuple[tuple[str, str], ...]  # (pattern of a whole name, why)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A tensor of a file, on its way."""

    value: Tensor
    keys: tuple[str, ...]  # of the file, that it was made of
    change: str = ""  # what was done to its values; "" = nothing


State = dict[str, Piece]


def as_it_is(state: State) -> State:
    """Nothing to do after renaming."""
    return state


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A published way of naming weights, recognised by its names."""

    name: str
    held: str  # the files people have of it
    family: str  # whose places in our networks it goes to
    signature: Mapping[str, int]  # names that give it away, with the axes of their tensors
    rules: Rules = ()  # its names -> the family's
    prepare: Callable[[State], State] = as_it_is
    note: str = ""  # what one must know before using it

    def recognises(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether a file has the names that give this layout away."""
        return all(
            key in tensors and tensors[key].dim() == axes for key, axes in self.signature.items()
        )


@dataclass(frozen=True, kw_only=True)
class Place:
    """A part of a network that takes the weights of a family.

    A goal is a name of ours; `name[a:b]` stands for rows a to b of its second axis, where tokens
    stand. Several rules may fit one name: it then goes to several places.
    """

    part: str  # what is filled, for a reader
    goals: Rules  # family's name -> ours
    head: str = "head"  # pattern of the family's names of its classifier
    left: Reasons = ()  # family's names without a place here, and why
    fresh: Reasons = ()  # names of ours that the family has nothing for, and why
    note: str = ""

    def goals_of(self, name: str) -> list[str]:
        """Where a tensor of the family goes."""
        return [
            re.sub(f"^(?:{pattern})$", goal, name)
            for pattern, goal in self.goals
            if re.fullmatch(pattern, name)
        ]


Places = Callable[["Network", "Iterable[str]"], list[Place]]


@dataclass(frozen=True, kw_only=True)
class Family:
    """Layouts that name the same networks, and the networks of ours that take them."""

    places: Places
    takers: tuple[str, ...]  # names in the table of models, for a reader


def renamed(state: State, rules: Rules) -> State:
    """A state under other names; what no rule fits keeps its own."""
    return {_renamed(name, rules): piece for name, piece in state.items()}


def _renamed(name: str, rules: Rules) -> str:
    for pattern, becomes in rules:
        if re.fullmatch(pattern, name):
            return re.sub(f"^(?:{pattern})$", becomes, name)
    return name


def joined(pieces: Iterable[Piece], change: str) -> Piece:
    """Tensors that stand apart in a file, one below the other."""
    import torch

    pieces = list(pieces)
    keys = tuple(key for piece in pieces for key in piece.keys)
    return Piece(value=torch.cat([p.value for p in pieces]), keys=keys, change=change)


def changed(piece: Piece, value: Tensor, change: str) -> Piece:
    """The same piece with other values."""
    return replace(piece, value=value, change=change)


def reason_for(name: str, reasons: Reasons) -> str | None:
    """Why of the first pattern that fits."""
    return next((why for pattern, why in reasons if re.fullmatch(pattern, name)), None)
