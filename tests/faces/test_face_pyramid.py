"""The sizes of a frame: how many, how large, and where a pixel of each lies in the frame."""

import math

import numpy as np
import pytest

from unmask.faces.halvings import Halvings
from unmask.faces.pyramid import pyramid

SIZES = [(480, 640), (1080, 1920), (333, 517), (97, 64)]


@pytest.mark.parametrize("size", SIZES)
def test_sizes_fall_by_the_root_of_two_until_no_cell_fits(size):
    levels = list(pyramid(Halvings(np.zeros((*size, 3), np.uint8)), smallest_px=30, cell_px=12))
    short = np.array([min(level.picture.shape[:2]) for level in levels])
    assert short[0] == round(min(size) * 12 / 30)
    assert short[-1] >= 12
    assert short[-1] * math.sqrt(0.5) < 13
    np.testing.assert_allclose(short[1:] / short[:-1], math.sqrt(0.5), atol=0.05)


@pytest.mark.parametrize("size", SIZES)
def test_a_mark_is_where_the_level_says(size):
    """Its centre of mass in each level, brought back to the frame; within half a pixel of it."""
    height, width = size
    frame = np.zeros((*size, 3), np.uint8)
    x, y, side = int(width * 0.8), int(height * 0.7), min(size) // 8
    frame[y : y + side, x : x + side] = 255
    for level in pyramid(Halvings(frame), smallest_px=24, cell_px=12):
        mass = level.picture[..., 0].astype(float)
        rows, columns = np.indices(mass.shape) + 0.5
        found = np.array([(columns * mass).sum(), (rows * mass).sum()]) / mass.sum()
        error = found * level.to_frame - (x + side / 2, y + side / 2)
        assert np.abs(error / level.to_frame).max() < 0.5
