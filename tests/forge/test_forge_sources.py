"""Laws of who is swapped with whom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unmask.forge.sources import Source, pair_donors


def source(name: str, *, still: bool = False, sound: bool = True) -> Source:
    return Source(path=Path(name), name=name, still=still, rate_hz=16_000 if sound else None)


def donors(sources: Sequence[Source], seed: int = 0, **turns: float) -> dict[str, str]:
    angles = {s.name: turns.get(s.name, 0.0) for s in sources}
    return {name: donor.name for name, donor in pair_donors(sources, angles, seed).items()}


def test_donors_come_in_pairs_and_an_odd_one_in_a_ring():
    four = donors([source(name) for name in "abcd"])
    assert all(four[four[name]] == name != four[name] for name in "abcd")
    five = donors([source(name) for name in "abcde"])
    assert sorted(five.values()) == list("abcde")
    assert donors([source("a")]) == {}
    assert donors([source("a"), source("s", still=True)]) == {}


def test_donors_are_heard_where_the_source_is_and_turned_alike():
    mixed = [source(name) for name in "abc"] + [source("x", sound=False)]
    found = donors(mixed)
    assert {found[name] for name in "abc"} == set("abc")
    assert found["x"] in "abc"
    turned = donors([source(name) for name in "abcd"], a=0.3, c=0.28)
    assert (turned["a"], turned["b"]) == ("c", "d")


def test_who_donates_depends_on_the_seed_only():
    clips = [source(str(k)) for k in range(10)]
    assert donors(clips, 3) == donors(clips[::-1], 3)
    assert donors(clips, 3) != donors(clips, 4)
