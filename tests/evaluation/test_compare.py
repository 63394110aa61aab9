"""Comparing two detectors: against O(n^2) sums, published tests and the bootstrap."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from unmask.errors import DataError
from unmask.evaluation import metrics
from unmask.evaluation.compare import Pair, delong, difference, holm, mcnemar, paired
from unmask.evaluation.scores import Header, Row, Scored, ScoresFile


def pair_of(label, first, second, source=None) -> Pair:
    return Pair(
        label=np.asarray(label, np.int8),
        first=np.asarray(first, float),
        second=np.asarray(second, float),
        source=source or [f"s{i}" for i in range(len(label))],
        only_first=0,
        only_second=0,
    )


def drawn(n=120, seed=0, gain=0.3, digits=None) -> Pair:
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    shared = rng.normal(0, 0.6, n)
    first = label + shared + rng.normal(0, 0.8, n)
    second = (1 + gain) * label + shared + rng.normal(0, 0.8, n)
    if digits is not None:
        first, second = np.round(first, digits), np.round(second, digits)
    return pair_of(label, first, second)


def slow_delong(pair: Pair) -> tuple[float, float]:
    """DeLong's covariance from all pairs, as the paper writes it: the difference and its error."""
    fakes, reals = pair.label == 1, pair.label == 0
    m, n = fakes.sum(), reals.sum()
    placed = []
    for score in (pair.first, pair.second):
        psi = np.array(
            [[1.0 if x > y else 0.5 if x == y else 0.0 for y in score[reals]] for x in score[fakes]]
        )
        placed.append((psi.mean(), psi.mean(axis=1), psi.mean(axis=0)))
    s10 = np.cov([placed[0][1], placed[1][1]])
    s01 = np.cov([placed[0][2], placed[1][2]])
    contrast = np.array([-1.0, 1.0])
    return placed[1][0] - placed[0][0], float(np.sqrt(contrast @ (s10 / m + s01 / n) @ contrast))


@pytest.mark.parametrize("digits", [None, 1, 0])
@pytest.mark.parametrize("seed", range(3))
def test_delong_equals_the_sums_over_all_pairs(seed, digits):
    pair = drawn(seed=seed, digits=digits)
    gap, error = slow_delong(pair)
    found = delong(pair)
    assert found.difference.value == pytest.approx(gap)
    assert found.first == pytest.approx(roc_auc_score(pair.label, pair.first))
    assert (found.difference.high - found.difference.low) / 2 == pytest.approx(1.959964 * error)
    assert found.p_value == pytest.approx(2 * norm.sf(abs(gap / error)))


def test_delong_agrees_with_the_paired_bootstrap():
    pair = drawn(300)
    exact, drawn_gap = delong(pair), difference(pair, metrics.auc)
    assert drawn_gap.difference.value == pytest.approx(exact.difference.value)
    width = exact.difference.high - exact.difference.low
    assert drawn_gap.difference.high - drawn_gap.difference.low == pytest.approx(width, rel=0.15)


def test_delong_counts_ten_copies_of_a_recording_as_one_witness():
    once = drawn(60)
    copies = pair_of(
        np.repeat(once.label, 10),
        np.repeat(once.first, 10),
        np.repeat(once.second, 10),
        [f"s{i // 10}" for i in range(600)],
    )
    alone, together = delong(once), delong(copies)
    assert together.difference.value == pytest.approx(alone.difference.value)
    assert together.p_value == pytest.approx(alone.p_value)
    apart = delong(pair_of(copies.label, copies.first, copies.second))
    assert apart.p_value < alone.p_value


def test_delong_with_both_classes_in_a_recording_agrees_with_the_bootstrap():
    rng = np.random.default_rng(2)
    label = np.tile([0, 1, 1], 80)
    person = np.repeat(rng.normal(0, 1, 80), 3)
    pair = pair_of(
        label,
        label + person + rng.normal(0, 0.5, 240),
        1.2 * label + rng.normal(0, 1, 240),
        [f"s{i // 3}" for i in range(240)],
    )
    exact, drawn_gap = delong(pair).difference, difference(pair, metrics.auc).difference
    assert drawn_gap.high - drawn_gap.low == pytest.approx(exact.high - exact.low, rel=0.15)


def test_the_same_detector_twice_is_no_difference_and_no_evidence():
    pair = drawn()
    same = delong(pair_of(pair.label, pair.first, pair.first))
    assert same.difference.value == 0
    assert same.p_value is None
    assert mcnemar(pair_of(pair.label, pair.first, pair.first)).p_value == 1.0


def test_delong_finds_a_false_difference_as_rarely_as_it_says():
    p_values = [delong(drawn(80, seed, gain=0.0)).p_value for seed in range(400)]
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.09


def test_mcnemar_is_the_exact_test_of_a_fair_coin_on_the_disagreements():
    label = [1] * 12
    first = [0.9] * 10 + [0.1] * 2
    second = [0.1] * 9 + [0.9] + [0.9, 0.1]
    found = mcnemar(pair_of(label, first, second))
    assert (found.both_right, found.only_first, found.only_second, found.both_wrong) == (1, 9, 1, 1)
    assert found.p_value == pytest.approx(2 * (1 + 10) / 2**10)  # of 10 coins, at most 1 head


def test_mcnemar_equals_the_enumeration_of_all_tosses_by_recording():
    rng = np.random.default_rng(4)
    source = rng.integers(0, 9, 40)
    label = np.arange(40) % 2
    first, second = (np.where(rng.random(40) < q, label, 1 - label) for q in (0.9, 0.6))
    ahead = (first == label).astype(int) - (second == label)
    leads = np.bincount(source, ahead).astype(int)
    signs = np.array(list(product((-1, 1), repeat=9)))
    slow = np.mean(np.abs(signs @ leads) >= abs(leads.sum()))
    assert 0 < slow < 0.5
    assert mcnemar(pair_of(label, first, second, source.tolist())).p_value == pytest.approx(slow)


def test_mcnemar_counts_ten_copies_of_a_recording_as_one_witness():
    label, first = [1] * 12, [0.9] * 10 + [0.1] * 2
    second = [0.1] * 9 + [0.9] + [0.9, 0.1]
    names = [f"s{k}" for k in range(12)]
    once = mcnemar(pair_of(label, first, second, names)).p_value
    often = [np.repeat(values, 10).tolist() for values in (label, first, second, names)]
    assert mcnemar(pair_of(*often)).p_value == pytest.approx(once)
    assert mcnemar(pair_of(*often[:3])).p_value < once / 100


def test_holms_correction_is_that_of_his_own_table():
    """Holm 1979: rising p-values times m, m - 1, ..., never below an earlier one nor above 1."""
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_ten_detectors_that_are_alike_give_a_false_difference_as_rarely_as_one():
    drawn = np.random.default_rng(0).random((2000, 10))  # p-values where there is no difference
    found = np.mean([(min(p) < 0.05, min(holm(p.tolist())) < 0.05) for p in drawn], axis=0)
    assert found[0] == pytest.approx(1 - 0.95**10, abs=0.04)
    assert found[1] == pytest.approx(0.05, abs=0.015)


def test_one_class_is_refused():
    with pytest.raises(DataError, match="all 4 examples are real"):
        delong(pair_of([0] * 4, [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]))


def scored(names, p, label) -> Scored:
    header = Header(detector="d", model="m", sha256="s", data="t", data_digest="g")
    rows = tuple(
        Row(video=name, label=fake, source=name, track=0, logit=float(np.log(q / (1 - q))))
        for name, q, fake in zip(names, p, label, strict=True)
    )
    return ScoresFile(header=header, rows=rows).at("video")


def test_only_what_both_have_scored_is_compared_whatever_the_order():
    pair = paired(
        scored(["a", "b", "c"], [0.1, 0.2, 0.3], [0, 1, 1]),
        scored(["c", "d", "a"], [0.7, 0.8, 0.9], [1, 1, 0]),
    )
    assert pair.source == ["a", "c"]
    assert pair.first == pytest.approx([0.1, 0.3])
    assert pair.second == pytest.approx([0.9, 0.7])
    assert (pair.only_first, pair.only_second) == (1, 1)


def test_other_videos_and_other_labels_are_refused():
    with pytest.raises(DataError, match="no video in common"):
        paired(scored(["a"], [0.1], [0]), scored(["b"], [0.1], [0]))
    with pytest.raises(DataError, match="a and 0 more are fake in one"):
        paired(scored(["a"], [0.1], [0]), scored(["a"], [0.1], [1]))
