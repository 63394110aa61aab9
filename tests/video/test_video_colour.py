"""Colours: what a file's tags say is what comes out, against the definitions of the standards."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

import media
from unmask.video.decode import Reader

# Weights of red and blue in luma: ITU-R BT.601-7, BT.709-6, BT.2020-2.
LUMA = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
TAGS = {"bt601": 6, "bt709": 1, "bt2020": 9, None: 2}  # ISO/IEC 23091-2
PATCHES = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
    (128, 128, 128),
    (224, 172, 140),
    (90, 60, 45),
]


def ycbcr(rgb, matrix: str, *, full_range: bool) -> np.ndarray:
    red, green, blue = np.array(rgb) / 255
    k_red, k_blue = LUMA[matrix]
    luma = k_red * red + (1 - k_red - k_blue) * green + k_blue * blue
    chroma = (blue - luma) / (2 * (1 - k_blue)), (red - luma) / (2 * (1 - k_red))
    if full_range:
        return np.array([255 * luma, *(128 + 255 * c for c in chroma)])
    return np.array([16 + 219 * luma, *(128 + 224 * c for c in chroma)])


def write_patches(path: Path, matrix: str, tag: str | None, *, full_range: bool) -> Path:
    """Losslessly store plain frames of known YCbCr values."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        if tag:
            stream.codec_context.colorspace = TAGS[tag]
        if tag or full_range:
            stream.codec_context.color_range = 2 if full_range else 1
        for rgb in PATCHES:
            frame = av.VideoFrame(64, 64, "yuv420p")
            values = np.rint(ycbcr(rgb, matrix, full_range=full_range)).clip(0, 255)
            for plane, value in zip(frame.planes, values, strict=True):
                plane.update(bytes([int(value)]) * plane.buffer_size)
            if full_range:
                frame.color_range = 2
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize(
    ("matrix", "tag"),
    [("bt709", "bt709"), ("bt601", "bt601"), ("bt2020", "bt2020"), ("bt601", None)],
    ids=["bt709", "bt601", "bt2020", "untagged is bt601"],
)
def test_colours_follow_the_tags(tmp_path, matrix, tag, full_range):
    clip = write_patches(tmp_path / "a.mp4", matrix, tag, full_range=full_range)
    frames = list(Reader(clip).all_frames())
    for frame, rgb in zip(frames, PATCHES, strict=True):
        assert np.abs(frame.rgb.astype(int) - rgb).max() <= 2, (rgb, frame.rgb[0, 0])


def test_conversion_has_no_bias_and_smooth_colour_edges(tmp_path):
    drawn = list(media.numbered_frames(3, (256, 160)))
    clip = media.write_clip(
        tmp_path / "a.mp4", frames=drawn, options={"qp": "0"}, pixel_format="yuv444p"
    )
    for frame, original in zip(Reader(clip).all_frames(), drawn, strict=True):
        error = frame.rgb.astype(int) - original
        assert np.abs(error.mean(axis=(0, 1))).max() < 0.7  # the fast path of FFmpeg: 1.5
        assert np.abs(error).mean() < 1.0


def test_ten_bits_become_eight_in_the_same_colours(tmp_path):
    drawn = list(media.numbered_frames(4, (128, 96)))
    eight, ten = (
        list(
            Reader(
                media.write_clip(
                    tmp_path / f"{pixels}.mp4",
                    frames=drawn,
                    codec="libx265",
                    pixel_format=pixels,
                    options={"crf": "4"},
                )
            ).all_frames()
        )
        for pixels in ("yuv420p", "yuv420p10le")
    )
    for a, b in zip(eight, ten, strict=True):
        assert np.abs(a.rgb.astype(int) - b.rgb).mean() < 1.5


def test_grey_video_stays_grey(tmp_path):
    drawn = list(media.numbered_frames(4))
    clip = media.write_clip(tmp_path / "a.mkv", frames=drawn, codec="ffv1", pixel_format="gray")
    for frame, original in zip(Reader(clip).all_frames(), drawn, strict=True):
        assert np.ptp(frame.rgb, axis=2).max() == 0
        luma = original @ np.array([0.299, 0.587, 0.114])
        assert np.abs(frame.rgb[..., 0] - luma).mean() < 1.5
