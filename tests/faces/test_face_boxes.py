"""Laws of box arithmetic, against sums written out one pair at a time."""

import numpy as np
import pytest

from unmask.faces.boxes import areas, nms, overlaps, scaled, shifted, squared


def random_boxes(n, seed=0, spread=60):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, spread, (n, 2))
    return np.hstack([corner, corner + rng.uniform(5, 40, (n, 2))]).astype(np.float32)


def overlap_of(a, b, by):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    inner = max(0.0, float(width)) * max(0.0, float(height))
    area_a, area_b = ((float(c[2]) - c[0]) * (float(c[3]) - c[1]) for c in (a, b))
    return inner / (min(area_a, area_b) if by == "smaller" else area_a + area_b - inner)


def greedy_nms(boxes, scores, threshold, by):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(overlap_of(boxes[i], boxes[j], by) <= threshold for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("by", ["union", "smaller"])
def test_overlaps_equal_those_of_each_pair(by):
    boxes, others = random_boxes(20), random_boxes(15, seed=1)
    expected = [[overlap_of(a, b, by) for b in others] for a in boxes]
    np.testing.assert_allclose(overlaps(boxes, others, by), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("by", ["union", "smaller"])
@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.7])
@pytest.mark.parametrize("seed", range(5))
def test_nms_keeps_what_brute_force_keeps(by, threshold, seed):
    boxes = random_boxes(80, seed)
    scores = np.random.default_rng(seed).random(80).astype(np.float32)
    assert nms(boxes, scores, threshold, by).tolist() == greedy_nms(boxes, scores, threshold, by)


def test_nms_of_a_chain_lets_go_of_every_other_box():
    """Each box overlaps only its neighbours, so what goes depends on all before it."""
    boxes = np.float32([(10 * i, 0, 10 * i + 16, 10) for i in range(40)])
    scores = np.linspace(1, 0.5, 40, dtype=np.float32)
    assert nms(boxes, scores, 0.2).tolist() == list(range(0, 40, 2))


def test_nms_of_equal_scores_keeps_the_first():
    boxes = np.float32([(0, 0, 10, 10), (0, 0, 10, 10)])
    assert nms(boxes, np.ones(2, np.float32), 0.5).tolist() == [0]


def test_nothing_in_nothing_out():
    none = np.empty((0, 4), np.float32)
    assert nms(none, np.empty(0, np.float32), 0.5).shape == (0,)
    assert overlaps(none, random_boxes(3)).shape == (0, 3)
    assert squared(none).shape == shifted(none, none).shape == scaled(none, 2).shape == (0, 4)


def test_a_box_turned_over_has_no_area():
    assert areas(np.float32([(5, 5, 0, 0), (0, 0, 2, 3)])).tolist() == [0, 6]


def test_a_square_keeps_the_centre_and_the_longer_side():
    square = squared(np.float32([(10, 20, 30, 60)]))
    np.testing.assert_allclose(square, [(0, 20, 40, 60)])


def test_edges_move_by_shares_of_width_and_height():
    moved = shifted(np.float32([(10, 20, 30, 60)]), np.float32([(0.1, -0.1, 0, 0.5)]))
    np.testing.assert_allclose(moved, [(12, 16, 30, 80)])
    np.testing.assert_allclose(scaled(np.float32([(10, 20, 30, 60)]), 0.5), [(15, 30, 25, 50)])
