"""Laws of finding what is forged, of deletion and of the tamper probe."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unmask.errors import DataError
from unmask.evaluation.deletion import delete
from unmask.evaluation.localisation import (
    best_iou,
    chance,
    iou_at_area,
    localise,
    points_at,
    usual_place,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def blob(rng: np.random.Generator, shape: tuple[int, int] = (9, 11)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    top, left = rng.integers(0, 5, 2)
    mask[top : top + 3, left : left + 4] = True
    return mask


def by_brute_force(heat: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Overlap at the mask's own area, and the best over all thresholds."""
    at_area = best = 0.0
    for threshold in heat.ravel():
        taken = heat >= threshold
        overlap = (taken & mask).sum() / (taken | mask).sum()
        best = max(best, overlap)
        if taken.sum() == mask.sum():
            at_area = overlap
    return float(at_area), float(best)


def test_overlaps_are_those_of_brute_force(rng: np.random.Generator) -> None:
    for _ in range(20):
        mask, heat = blob(rng), rng.permutation(99).reshape(9, 11) / 99
        at_area, best = by_brute_force(heat, mask)
        assert iou_at_area(heat, mask) == pytest.approx(at_area)
        assert best_iou(heat, mask) == pytest.approx(best)
        place = np.unravel_index(heat.argmax(), heat.shape)
        assert points_at(heat, mask) == float(mask[place])


def test_best_overlap_never_parts_ties(rng: np.random.Generator) -> None:
    for _ in range(20):
        mask, heat = blob(rng), rng.integers(0, 4, (9, 11)).astype(float)
        assert best_iou(heat, mask) == pytest.approx(by_brute_force(heat, mask)[1])


def test_the_mask_itself_is_found_whole(rng: np.random.Generator) -> None:
    mask = blob(rng)
    assert iou_at_area(mask.astype(float), mask) == 1
    assert best_iou(mask.astype(float), mask) == 1
    assert points_at(mask.astype(float), mask) == 1


def test_an_even_map_scores_chance(rng: np.random.Generator) -> None:
    mask = blob(rng)
    even = np.full(mask.shape, 0.3)
    by_chance = chance(mask)
    assert iou_at_area(even, mask) == pytest.approx(by_chance["iou_at_area"])
    assert best_iou(even, mask) == pytest.approx(by_chance["best_iou"])
    assert points_at(even, mask) == pytest.approx(by_chance["points_at"])


def test_random_maps_score_chance_on_average(rng: np.random.Generator) -> None:
    mask = blob(rng)
    overlaps = [iou_at_area(rng.random(mask.shape), mask) for _ in range(500)]
    hits = [points_at(rng.random(mask.shape), mask) for _ in range(500)]
    assert np.mean(overlaps) == pytest.approx(chance(mask)["iou_at_area"], abs=0.01)
    assert np.mean(hits) == pytest.approx(chance(mask)["points_at"], abs=0.05)


def test_what_is_forged_everywhere_or_nowhere_cannot_be_found() -> None:
    heat = np.zeros((3, 3))
    with pytest.raises(DataError, match="nothing is forged"):
        iou_at_area(heat, np.zeros((3, 3), bool))
    with pytest.raises(DataError, match="everything is forged"):
        best_iou(heat, np.ones((3, 3), bool))


def test_the_usual_place_never_knows_its_own_recording() -> None:
    masks = [np.eye(3, dtype=bool), np.eye(3, dtype=bool), np.zeros((3, 3), bool)]
    masks[2][0, 2] = True
    first, second, third = usual_place(masks, ["a", "a", "b"])
    np.testing.assert_allclose(first, masks[2])
    np.testing.assert_allclose(second, masks[2])
    np.testing.assert_allclose(third, np.eye(3))
    with pytest.raises(DataError, match="one recording"):
        usual_place(masks, ["a", "a", "a"])


def test_coarse_maps_are_measured_at_the_size_of_the_view() -> None:
    mask = np.zeros((32, 32), bool)
    mask[8:16, 16:24] = True
    heat = np.zeros((4, 4), np.float32)
    heat[1, 2] = 1
    found = localise([heat, heat], [mask, mask], ["a", "b"])
    assert found.numbers["points_at"].estimate.value == 1
    assert found.numbers["iou_at_area"].estimate.value > 0.7
    assert found.usual["iou_at_area"].estimate.value == 1, "both are forged at the same place"
    assert found.area == pytest.approx(1 / 16)


def one_cell(frames: torch.Tensor) -> torch.Tensor:
    """Score of a network that looks at the detail of one cell of 8 px only."""
    cell = frames[:, 0, :, 16:24, 40:48]
    return cell.var((1, 2, 3))


def test_the_only_cell_that_counts_makes_the_score_fall_at_its_turn() -> None:
    frames = torch.randn(3, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    right, wrong = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    right[:, 2, 5] = 2  # rated first
    wrong[:, 2, 5] = -1  # rated last
    found = delete(one_cell, frames, right)
    start = found.ranked[:, 0]
    assert (found.ranked[:, 1:] < 0.2 * start[:, None]).all(), "it falls at the first step"
    assert (found.advantage > 0).all()
    late = delete(one_cell, frames, wrong)
    np.testing.assert_allclose(late.ranked[:, :-1], np.tile(start[:, None], (1, 16)))
    assert (late.advantage < 0).all()


def test_all_orders_begin_and_end_with_the_same_pictures() -> None:
    frames = torch.randn(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found = delete(one_cell, frames, torch.rand(2, 4, 4))
    assert found.shares[0] == 0
    assert found.shares[-1] == 1
    assert len(found.shares) == 17
    np.testing.assert_allclose(found.ranked[:, [0, -1]], found.random[:, [0, -1]])
