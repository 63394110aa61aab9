"""Laws of pixels that are not square."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

import media
from unmask.video.aspect import square_size, squared
from unmask.video.decode import Reader


@pytest.mark.parametrize(
    ("stored", "aspect", "shown"),
    [
        ((720, 576), "64/45", (1024, 576)),  # PAL, 16:9
        ((720, 480), "8/9", (720, 540)),  # NTSC, 4:3: rows become more
        ((1440, 1080), "4/3", (1920, 1080)),  # HDV
        ((128, 96), "1", (128, 96)),
        ((128, 96), "100", (128, 96)),  # nonsense
    ],
)
def test_a_circle_is_round_whatever_the_pixels(tmp_path, stored, aspect, shown):
    width, height = stored
    ratio = Fraction(aspect) if shown != stored else Fraction(1)
    picture = np.zeros((height, width, 3), np.uint8)
    axes = (30 / ratio, 30) if ratio >= 1 else (30, 30 * ratio)  # as the camera would store it
    ellipse = ((width / 2, height / 2), (float(2 * axes[0]), float(2 * axes[1])), 0.0)
    cv2.ellipse(picture, ellipse, (255, 255, 255), -1)
    clip = media.write_clip(tmp_path / "a.mp4", frames=[picture] * 2, aspect=Fraction(aspect))
    with Reader(clip) as reader:
        frame = next(iter(reader.frames([0.0])))
    assert (reader.info.width_px, reader.info.height_px) == shown
    assert frame.rgb.shape[1::-1] == shown
    ys, xs = np.nonzero(frame.rgb[..., 0] > 127)
    assert np.ptp(xs) == pytest.approx(60, abs=3)
    assert np.ptp(ys) == pytest.approx(60, abs=3)


def test_what_the_container_does_not_say_the_stream_may(tmp_path):
    """Files that FFmpeg did not write often have no box for it."""
    clip = media.write_clip(tmp_path / "a.mp4", aspect=Fraction(2), options={"bf": "2"})
    stored = clip.read_bytes()
    assert stored.count(b"pasp") == 1
    clip.write_bytes(stored.replace(b"pasp", b"free"))
    with Reader(clip) as reader:
        assert (reader.info.width_px, reader.info.height_px) == (256, 96)
        assert all(frame.rgb.shape == (96, 256, 3) for frame in reader.all_frames())


def test_square_pixels_are_left_alone():
    picture = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    assert squared(picture, Fraction(1)) is picture
    assert square_size(5, 4, Fraction(1)) == (5, 4)
