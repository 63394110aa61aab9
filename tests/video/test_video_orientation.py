"""Display matrices and EXIF numbers mean the same eight ways to hold a camera."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest

import media
from unmask.video import orientation
from unmask.video.decode import Reader

PICTURE = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(3, 4, 3)
QUARTERS = [
    matrix
    for matrix in itertools.product((-1, 0, 1), repeat=4)
    if matrix[0] * matrix[3] - matrix[1] * matrix[2] in (-1, 1) and sum(map(abs, matrix)) == 2
]


def shown_by_hand(picture: np.ndarray, matrix: tuple[int, ...]) -> np.ndarray:
    """Move every pixel (x, y) to (a x + c y, b x + d y) and cut to what is there."""
    a, b, c, d = matrix
    moved = {
        (a * x + c * y, b * x + d * y): picture[y, x]
        for y, x in itertools.product(range(picture.shape[0]), range(picture.shape[1]))
    }
    xs, ys = sorted({x for x, _ in moved}), sorted({y for _, y in moved})
    return np.array([[moved[x, y] for x in xs] for y in ys])


def packed(matrix: tuple[int, ...], unit: int = 1 << 16) -> bytes:
    a, b, c, d = (round(number * unit) for number in matrix)
    return struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)


def test_there_are_eight_ways():
    assert len(QUARTERS) == 8
    assert {orientation.from_display_matrix(packed(m)) for m in QUARTERS} == set(range(1, 9))


@pytest.mark.parametrize("matrix", QUARTERS)
def test_a_display_matrix_is_obeyed(matrix):
    number = orientation.from_display_matrix(packed(matrix))
    upright = orientation.upright(PICTURE, number)
    np.testing.assert_array_equal(upright, shown_by_hand(PICTURE, matrix))
    assert upright.flags.c_contiguous
    assert orientation.swaps_sides(number) == (upright.shape != PICTURE.shape)


@pytest.mark.parametrize(("tilt_deg", "turn_deg"), [(3, 0), (-10, 0), (88, 90), (176, 180)])
def test_a_crooked_turn_is_rounded_to_a_quarter(tilt_deg, turn_deg):
    cosine, sine = np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))
    number = orientation.from_display_matrix(packed((cosine, sine, -sine, cosine)))
    assert orientation.clockwise_deg(number) == turn_deg


@pytest.mark.parametrize("matrix", QUARTERS)
def test_a_clip_is_shown_as_its_matrix_says(tmp_path, matrix):
    corners = np.zeros((96, 128, 3), np.uint8)
    corners[:48, :64], corners[:48, 64:], corners[48:, :64] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    clip = media.write_clip(tmp_path / "a.mp4", frames=[corners] * 3)
    media.write_matrix(clip, matrix)
    with Reader(clip) as reader:
        frame = next(iter(reader.frames([0.0])))
    expected = shown_by_hand(corners, matrix).astype(float)
    assert frame.rgb.shape == expected.shape == (reader.info.height_px, reader.info.width_px, 3)
    assert np.abs(frame.rgb - expected).mean() < 8
