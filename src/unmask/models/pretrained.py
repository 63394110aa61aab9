"""Start a network from weights made elsewhere, and say exactly what came of it.

`load_pretrained` recognises whose names a file has (`layouts/`), puts every tensor where it belongs
and returns a report: what matched and what was done to it, what the file has that found no place,
what the network has that kept its first values, and why in each case. Nothing is adapted in
silence: a head for other classes is left out, positions of another grid are resized, anything else
of another shape is refused and named.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from unmask.errors import CheckpointError
from unmask.models.base import Network
from unmask.models.init_report import InitReport, Left, Match, Mismatch, by
from unmask.models.layouts import FAMILIES, LAYOUTS, recognise
from unmask.models.layouts.state import Layout, Piece, Place, State, reason_for, renamed
from unmask.models.weight_files import Weights, read_weights

OWN_NAMES = "unmask's own names"
ODD_SHARE = 0.25  # of the numbers with a place here may be of another shape, e.g. a first layer's
TWO_CLASSES = "two classes, taken as (real, fake)"
COUNTER = "a counter, which old files lack"
_ROWS = re.compile(r"(.+)\[(-?\d*):(-?\d*)\]")
_OWN = Place(part="the whole network", goals=((r".+", r"\g<0>"),), head=r"(.+\.)?head\..+")


def load_pretrained(network: Network, source: str) -> InitReport:
    """Fill a network from a file, an unmask checkpoint, `timm:NAME` or `torchvision:NAME`.

    Returns:
        What matched, what did not, and why.

    Raises:
        CheckpointError: unreadable, of no known layout, for no part of this network, or of another
            size of network; the network is then as it was.
        UsageError: there is no such file or name.
    """
    return fill(network, read_weights(source))


def fill(network: Network, weights: Weights) -> InitReport:
    """Fill a network from tensors by name; otherwise as `load_pretrained`."""
    part = _part_of(weights, network)
    if part is None:
        layout, state = _understood(weights, network)
        places = _places(layout, state, network, weights.source)
    else:
        layout, state, places = None, _pieces(weights), [part]
    filling = Filling(network)
    for place in places:
        filling.plan(state, place)
    filling.refuse_another_size(weights.source, layout)
    report = filling.report(weights, layout, places)
    filling.carry_out()
    return report


def _understood(weights: Weights, network: Network) -> tuple[Layout | None, State]:
    """Whose names a file has (None = ours), and its tensors under their family's names."""
    state = _pieces(weights)
    own = network.state_dict().keys()
    shared = len(state.keys() & own)
    ours = shared > len(state) / 2 if weights.own else shared == len(state)
    layout = None if ours else recognise(weights.tensors)
    if layout is None:
        if not shared:
            raise CheckpointError(
                f"{weights.source}: its names ({', '.join(list(state)[:3])}, ...) are of no layout "
                f"known here, and not this network's own. Known: "
                f"{', '.join(row.name for row in LAYOUTS)}"
            )
        return None, state
    return layout, layout.prepare(renamed(state, layout.rules))


def _part_of(weights: Weights, network: Network) -> Place | None:
    """Where in a network the one lies that an unmask checkpoint is of; None = it is no part of it.

    Raises:
        CheckpointError: that part looks at other views than the checkpoint was trained on.
    """
    if not weights.own:
        return None
    for name, part in network.named_modules():
        if (
            name
            and isinstance(part, Network)
            and part.state_dict().keys() == weights.tensors.keys()
        ):
            if part.input_spec != weights.input_spec:
                raise CheckpointError(
                    f"{weights.source}: was trained on {weights.input_spec}, and {name} of this "
                    f"network looks at {part.input_spec}; give {name} the config of the checkpoint"
                )
            return Place(part=name, goals=((r".+", rf"{name}.\g<0>"),), head=_OWN.head)
    return None


def _pieces(weights: Weights) -> State:
    """Tensors of a file under its own names.

    Raises:
        CheckpointError: some are no finite numbers.
    """
    bad = [key for key, value in weights.tensors.items() if not _finite(value)]
    if bad:
        raise CheckpointError(
            f"{weights.source}: {bad[0]} holds values that are no finite numbers; the file is "
            "damaged, or its training diverged"
        )
    return {key: Piece(value=value, keys=(key,)) for key, value in weights.tensors.items()}


def _finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(torch.isfinite(value).all())


def _places(layout: Layout | None, state: State, network: Network, source: str) -> list[Place]:
    if layout is None:
        return [_OWN]
    family = FAMILIES[layout.family]
    places = family.places(network, state)
    if not places:
        raise CheckpointError(
            f"{source}: these are weights of {layout.name}, and {type(network).__name__} has no "
            f"such part; they fit {', '.join(family.takers)}"
        )
    return places


@dataclass
class Filling:
    """What goes where, decided before anything is written."""

    network: Network
    own: dict[str, Tensor] = field(init=False)
    writes: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    matched: list[Match] = field(default_factory=list)
    mismatched: list[Mismatch] = field(default_factory=list)
    unmatched: list[tuple[str, Piece, str]] = field(default_factory=list)  # name, tensor, why
    used: set[str] = field(default_factory=set)  # names of the file
    filled: set[str] = field(default_factory=set)  # names of ours, with rows
    other_classes: set[str] = field(default_factory=set)  # heads of ours that kept their values
    body: bool = False  # something besides a head found its place

    def __post_init__(self) -> None:
        self.own = self.network.state_dict()

    def plan(self, state: State, place: Place) -> None:
        """Find the places of every tensor."""
        for name, piece in state.items():
            goals = [goal for goal in place.goals_of(name) if _tensor_name(goal) in self.own]
            for goal in goals:
                self._plan_one(name, piece, goal, is_head=bool(re.fullmatch(place.head, name)))
            if not goals:
                why = reason_for(name, place.left) or "this network has no such weight"
                self.unmatched.append((name, piece, why))

    def _plan_one(self, name: str, piece: Piece, goal: str, *, is_head: bool) -> None:
        target = rows_of(self.own, goal)
        value, change = fitted(piece, target, goal)
        if value is None and is_head:
            theirs, ours = len(piece.value), len(target)
            why = f"a head of {theirs} answers, where this network's has {ours}"
            self.unmatched.append((name, piece, why))
            self.other_classes.add(goal)
        elif value is None:
            shapes = {"file_shape": tuple(piece.value.shape), "network_shape": tuple(target.shape)}
            self.mismatched.append(Mismatch(theirs=piece.keys, ours=goal, **shapes))
            self.used.update(piece.keys)
        else:
            if is_head and len(target) == 2 and not change:
                change = TWO_CLASSES
            self.writes.append((target, value))
            self.matched.append(Match(theirs=piece.keys, ours=goal, change=change))
            self.used.update(piece.keys)
            self.filled.add(goal)
            self.body |= not is_head

    def refuse_another_size(self, source: str, layout: Layout | None) -> None:
        """Refuse weights of which nothing fits, or too little to be of the same network."""
        whose = layout.name if layout else OWN_NAMES
        if not self.body and not self.mismatched:
            only = ", its head apart" if self.matched else ""
            raise CheckpointError(
                f"{source} ({whose}): none of its tensors{only} has a place in this network"
            )
        fit = sum(value.numel() for _, value in self.writes)
        odd = sum(math.prod(m.file_shape) for m in self.mismatched)
        if odd > ODD_SHARE * (fit + odd):
            worst = max(self.mismatched, key=lambda m: math.prod(m.file_shape))
            raise CheckpointError(
                f"{source} ({whose}): weights of a network of another size: "
                f"{odd / (fit + odd):.0%} of the numbers do not fit, e.g. {worst.ours} is "
                f"{by(worst.file_shape)} in the file and {by(worst.network_shape)} here. Nothing "
                "was loaded"
            )

    def report(self, weights: Weights, layout: Layout | None, places: list[Place]) -> InitReport:
        """Account for every tensor of the file and every weight of the network."""
        unmatched = [
            Left(name=f"{key} ({name})" if key in self.used else key, reason=why)
            for name, piece, why in self.unmatched
            for key in piece.keys
        ]
        fresh = tuple(pair for place in places for pair in place.fresh) if len(places) == 1 else ()
        return InitReport(
            source=weights.source,
            sha256=weights.sha256,
            layout=layout.name if layout else OWN_NAMES,
            parts=tuple(place.part for place in places),
            matched=tuple(self.matched),
            mismatched=tuple(self.mismatched),
            unmatched=tuple(dict.fromkeys(unmatched)),
            missing=tuple(self._missing(fresh, places)),
            notes=tuple(_notes(weights, layout, places, self.network)),
        )

    def _missing(self, fresh: tuple[tuple[str, str], ...], places: list[Place]) -> Iterable[Left]:
        shapes = {m.ours for m in self.mismatched}
        parts = " and ".join(place.part for place in places)
        for name in unfilled(self.own, self.filled):
            if name in shapes:
                why = "the file's is of another shape"
            elif name in self.other_classes:
                why = "the file's head is for other classes"
            elif len(places) > 1 and not name.startswith(tuple(p.part + "." for p in places)):
                why = f"not a part of {parts}"
            elif name.endswith("num_batches_tracked") and not reason_for(name, fresh):
                why = COUNTER
            else:
                why = reason_for(name, fresh) or "the file has no such weight"
            yield Left(name=name, reason=why)

    def carry_out(self) -> None:
        """Write all values, cast to the network's type."""
        with torch.no_grad():
            for target, value in self.writes:
                target.copy_(value)


def _tensor_name(goal: str) -> str:
    rows = _ROWS.fullmatch(goal)
    return rows[1] if rows else goal


def rows_of(own: dict[str, Tensor], goal: str) -> Tensor:
    """The tensor of a goal, or the rows of its second axis that the goal names; a view."""
    rows = _ROWS.fullmatch(goal)
    if not rows:
        return own[goal]
    start, stop = (int(word) if word else None for word in rows.group(2, 3))
    return own[rows[1]][:, start:stop]


def unfilled(own: dict[str, Tensor], filled: Iterable[str]) -> list[str]:
    """Names of ours that no goal filled; `name[a:b]` where rows a to b of one are left."""
    untouched = {name: torch.ones(_n_rows(value), dtype=torch.bool) for name, value in own.items()}
    for goal in filled:
        rows = _ROWS.fullmatch(goal)
        start, stop = (int(w) if w else None for w in rows.group(2, 3)) if rows else (None, None)
        untouched[_tensor_name(goal)][start:stop] = False
    names = []
    for name, left in untouched.items():
        if left.all():
            names.append(name)
        elif left.any():
            places = left.nonzero().flatten().tolist()
            runs = [p for p in places if p - 1 not in places]
            ends = [p + 1 for p in places if p + 1 not in places]
            names += [f"{name}[{a}:{b}]" for a, b in zip(runs, ends, strict=True)]
    return names


def _n_rows(value: Tensor) -> int:
    return value.shape[1] if value.dim() > 1 else 1


def fitted(piece: Piece, target: Tensor, goal: str) -> tuple[Tensor | None, str]:
    """The value in its place's shape, and what was done to it; None where it does not fit.

    Only positions are resized: those of a square grid (bicubic, antialiased), and those in time.
    """
    value = piece.value
    if value.shape == target.shape:
        return value, piece.change
    if value.dim() != 3 or target.dim() != 3 or value.shape[2] != target.shape[2]:
        return None, ""
    N, M = value.shape[1], target.shape[1]
    if _tensor_name(goal) == "time":
        resized = F.interpolate(value.float().mT, M, mode="linear", align_corners=False).mT
        return resized, f"{N} times resized to {M}, linear"
    side, wanted = round(N**0.5), round(M**0.5)
    if goal == _tensor_name(goal) or side**2 != N or wanted**2 != M or 1 in (N, M):
        return None, ""
    grid = value.float().mT.unflatten(2, (side, side))  # (1, D, g, g)
    grid = F.interpolate(
        grid, (wanted, wanted), mode="bicubic", antialias=True, align_corners=False
    )
    return grid.flatten(2).mT, f"{side}x{side} places resized to {wanted}x{wanted}, bicubic"


def _notes(
    weights: Weights, layout: Layout | None, places: list[Place], network: Network
) -> Iterable[str]:
    yield from (note for note in (layout.note if layout else "", *(p.note for p in places)) if note)
    spec = network.input_spec
    if weights.normalised and weights.normalised != (spec.mean, spec.std):
        mean, std = weights.normalised
        yield (
            f"trained on pictures of mean {mean} and deviation {std}; this network is given mean "
            f"{spec.mean} and deviation {spec.std}"
        )
    if weights.prefix:
        yield f"{weights.prefix} was taken off every name"
