"""Laws of the numbers beside maps, against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unmask.errors import DataError
from unmask.evaluation.map_numbers import (
    correlation,
    entropy,
    gini,
    head_likeness,
    mean_if_any,
    mean_of,
    numbers_of,
    share_of_rise,
    spread_between,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_entropy_is_the_sum_over_shares(rng: np.random.Generator) -> None:
    maps = rng.gamma(1.0, size=(5, 12))
    for one, got in zip(maps, entropy(maps), strict=True):
        shares = [value / sum(one) for value in one]
        assert got == pytest.approx(-sum(p * math.log(p) for p in shares) / math.log(12))


def test_an_even_map_has_entropy_one_and_gini_zero() -> None:
    even = np.full((1, 49), 0.3)
    assert entropy(even) == pytest.approx(1)
    assert gini(even) == pytest.approx(0)


def test_one_cell_has_entropy_zero_and_the_largest_gini() -> None:
    peak = np.zeros((1, 49))
    peak[0, 17] = 2.0
    assert entropy(peak) == pytest.approx(0)
    assert gini(peak) == pytest.approx(48 / 49)


def test_one_place_alone_has_no_entropy() -> None:
    assert np.isnan(entropy(np.ones((3, 1)))).all()


def test_entropy_and_gini_ignore_scale_and_order(rng: np.random.Generator) -> None:
    one = rng.gamma(0.5, size=30)
    for number in (entropy, gini):
        assert number(one[None]) == pytest.approx(number(7 * rng.permutation(one)[None]))


def test_gini_is_half_the_mean_difference_over_the_mean(rng: np.random.Generator) -> None:
    one = rng.gamma(1.0, size=20)
    difference = np.mean([abs(a - b) for a in one for b in one])
    assert gini(one[None])[0] == pytest.approx(difference / (2 * one.mean()))


def test_a_map_of_zeros_has_no_entropy() -> None:
    assert np.isnan(entropy(np.zeros((1, 4)))).all()
    assert np.isnan(gini(np.zeros((1, 4)))).all()


def test_likeness_of_heads_is_the_mean_over_pairs(rng: np.random.Generator) -> None:
    maps = rng.random((2, 4, 6, 6))
    for one, got in zip(maps, head_likeness(maps), strict=True):
        heads = one.reshape(4, -1)
        pairs = [
            a @ b / math.sqrt((a @ a) * (b @ b))
            for i, a in enumerate(heads)
            for j, b in enumerate(heads)
            if i < j
        ]
        assert got == pytest.approx(np.mean(pairs))


def test_equal_heads_are_wholly_alike(rng: np.random.Generator) -> None:
    maps = np.repeat(rng.random((1, 5, 5)), 3, axis=0)
    assert head_likeness(maps) == pytest.approx(1)
    with pytest.raises(DataError, match="one head"):
        head_likeness(maps[:1])


def test_correlation_is_pearsons(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(2, 6, 25))
    wanted = [np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(correlation(a, b), wanted)


def test_a_flat_map_correlates_with_nothing(rng: np.random.Generator) -> None:
    assert np.isnan(correlation(np.full((1, 9), 1 / 3), rng.normal(size=(1, 9)))).all()


def test_a_flat_rise_lies_inside_as_much_as_the_area(rng: np.random.Generator) -> None:
    before = rng.normal(size=(3, 20))
    inside = rng.random((3, 20))
    share = share_of_rise(before, before + 0.7, inside)
    np.testing.assert_allclose(share, inside.mean(1))


def test_shares_of_a_rise_lie_in_zero_to_one(rng: np.random.Generator) -> None:
    before, after = rng.normal(size=(2, 50, 20))
    share = share_of_rise(before, after, rng.random((50, 20)))
    assert ((share >= 0) & (share <= 1)).all()
    inside = np.arange(20) < 5
    risen = before + np.where(inside, 1.0, -1.0)
    np.testing.assert_allclose(share_of_rise(before, risen, inside), 1)
    assert np.isnan(share_of_rise(before, before - 1, inside)).all(), "nothing rose"


def test_equal_tokens_have_no_spread_between_them(rng: np.random.Generator) -> None:
    token = rng.normal(size=8)
    assert spread_between(np.tile(token, (6, 1))) == pytest.approx(0)
    assert spread_between(rng.normal(size=(6, 8))) > 0.5


def test_spread_between_and_within_add_up(rng: np.random.Generator) -> None:
    x = rng.normal(size=(7, 5)) + rng.normal(size=5)
    between = ((x - x.mean(0)) ** 2).sum()
    channels = 7 * ((x.mean(0) - x.mean()) ** 2).sum()
    assert spread_between(x) == pytest.approx(between / (between + channels))


def test_a_mean_leaves_the_undefined_out_and_counts_it() -> None:
    values = np.array([1.0, np.nan, 3.0])
    mean = mean_of(values, ["a", "b", "c"])
    assert mean.estimate.value == 2
    assert (mean.n, mean.undefined) == (2, 1)
    assert mean.estimate.low is None, "two recordings show no spread"
    with pytest.raises(DataError, match="undefined for all 2"):
        mean_of([math.nan, math.nan], ["a", "b"])
    assert mean_if_any(np.full(2, np.nan), ["a", "b"]) is None
    assert numbers_of(None) == {"value": None, "n": 0}


def test_intervals_of_means_draw_recordings_not_examples(rng: np.random.Generator) -> None:
    """Forty copies of each recording say no more than one of each."""
    own = rng.normal(size=12)
    once = mean_of(own, [str(i) for i in range(12)])
    often = mean_of(np.repeat(own, 40), [str(i) for i in np.repeat(range(12), 40)])
    assert once.estimate.low == pytest.approx(often.estimate.low)
    assert once.estimate.high == pytest.approx(often.estimate.high)
    spread = own.std() / math.sqrt(12)
    assert once.estimate.high - once.estimate.low == pytest.approx(2 * 1.96 * spread, rel=0.2)
