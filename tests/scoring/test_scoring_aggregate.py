"""Laws of joining many scores into one."""

import numpy as np
import pytest

from unmask.scoring import confident, max_over_faces, mean_probability, sigmoid_of_mean_logit


def confident_by_hand(p_fakes):
    """The rule in the words of the protocol, one score at a time."""
    n = len(p_fakes)
    above = [p for p in p_fakes if p > 0.8]
    below = [p for p in p_fakes if p < 0.2]
    if len(above) > int(n / 2.5) and len(above) > 11:
        return sum(above) / len(above)
    if len(below) > 0.9 * n:
        return sum(below) / len(below)
    return sum(p_fakes) / n


@pytest.mark.parametrize(
    ("p_fakes", "expected"),
    [
        ([0.9] * 13 + [0.1] * 17, 0.9),  # 13 > floor(30 / 2.5) = 12: only the sure fakes count
        ([0.9] * 12 + [0.1] * 18, (12 * 0.9 + 18 * 0.1) / 30),  # 12 > 12 is false
        ([0.9] * 11 + [0.5] * 2, (11 * 0.9 + 2 * 0.5) / 13),  # 11 are too few, however short
        ([0.9] * 12 + [0.5] * 2, 0.9),
        ([0.9] * 13 + [0.3] * 19, 0.9),  # 32 / 2.5 = 12.8, floored to 12
        ([0.8] * 30, 0.8),  # 0.8 does not exceed t: the plain mean, which is the same
        ([0.1] * 19 + [1.0], 0.1),  # 19 > 18: only the sure reals count
        ([0.1] * 18 + [1.0] * 2, (18 * 0.1 + 2) / 20),  # 18 > 18 is false
        ([0.2] * 19 + [1.0], (19 * 0.2 + 1) / 20),  # 0.2 is not below 0.2
        ([0.7], 0.7),
        ([0.1], 0.1),
    ],
)
def test_confident_rule_at_each_of_its_edges(p_fakes, expected):
    assert confident(p_fakes) == pytest.approx(expected, abs=1e-12)


def test_confident_rule_equals_its_words_on_random_scores():
    rng = np.random.default_rng(0)
    branches = set()
    for _ in range(500):
        p_fakes = rng.beta(0.3, rng.choice([0.1, 0.4, 3.0]), size=rng.integers(1, 60)).tolist()
        expected = confident_by_hand(p_fakes)
        assert confident(p_fakes) == pytest.approx(expected, abs=1e-12)
        branches.add(np.sign(round(expected - float(np.mean(p_fakes)), 12)))
    assert branches == {-1, 0, 1}  # the sample reached all three branches


def test_mean_of_probabilities_is_the_arithmetic_mean():
    assert mean_probability([0.0, 0.5, 1.0]) == 0.5


def test_mean_logit_lets_sure_frames_outvote_unsure_ones():
    logits = [6.0, -1.0, -1.0]
    assert sigmoid_of_mean_logit(logits) == pytest.approx(1 / (1 + np.exp(-4 / 3)), abs=1e-12)
    assert sigmoid_of_mean_logit(logits) > mean_probability(1 / (1 + np.exp(-np.array(logits))))


def test_frames_without_a_face_are_left_out_and_not_counted_as_real():
    assert max_over_faces([[0.2, 0.9], [], [0.5]]) == pytest.approx(0.7)


@pytest.mark.parametrize(
    "rule", [mean_probability, sigmoid_of_mean_logit, confident, max_over_faces]
)
def test_no_scores_is_refused_and_never_a_number(rule):
    with pytest.raises(ValueError, match="missing score"):
        rule([])


def test_frames_that_all_lack_a_face_are_refused():
    with pytest.raises(ValueError, match="missing score"):
        max_over_faces([[], []])


@pytest.mark.parametrize("bad", [float("nan"), -0.1, 1.5, float("inf")])
@pytest.mark.parametrize("rule", [mean_probability, confident, lambda p: max_over_faces([p])])
def test_what_is_no_probability_is_refused(rule, bad):
    with pytest.raises(ValueError, match="probabilities"):
        rule([0.5, bad])


def test_infinite_logits_are_refused():
    with pytest.raises(ValueError, match="finite"):
        sigmoid_of_mean_logit([0.0, float("inf")])
