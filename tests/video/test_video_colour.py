"""Colours: what a file's tags say is what comes out, against the definitions of the standards."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import av.filter
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

import media
from unmask.video.colour import RgbConverter
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


def natural(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Smooth colours with sharp edges and noise."""
    coarse = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3)).astype(np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(int)
    smooth[height // 3 :, width // 2 :] = rng.integers(0, 256, 3)
    return (smooth + rng.integers(-6, 7, smooth.shape)).clip(0, 255).astype(np.uint8)


def by_ffmpeg(frame: av.VideoFrame) -> np.ndarray:
    rgb = VideoReformatter().reformat(
        frame,
        format="gbrp",
        interpolation=Interpolation.BILINEAR
        | Interpolation.ACCURATE_RND
        | Interpolation.FULL_CHR_H_INT,
        dst_color_range=ColorRange.JPEG,
    )
    return rgb.to_ndarray(format="rgb24")


@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p"])
@pytest.mark.parametrize("matrix", [1, 2, 5, 6, 9])
@pytest.mark.parametrize("full", [0, 1, 2])
def test_our_own_conversion_is_ffmpegs_to_two_levels(pixels, matrix, full):
    rng = np.random.default_rng(0)
    convert = RgbConverter()
    for height, width in [(96, 128), (54, 98), (54, 98), (91, 641)]:
        drawn = av.VideoFrame.from_ndarray(natural(rng, height, width), format="rgb24")
        frame = drawn.reformat(format=pixels)
        frame.colorspace, frame.color_range = matrix, full
        ours, theirs = convert(frame), by_ffmpeg(frame)
        # FFmpeg stretches chroma of odd sizes by a little less than two.
        assert (ours != theirs).any() == (width % 2 == height % 2 == 0)
        agree(ours, theirs)


def agree(ours: np.ndarray, theirs: np.ndarray) -> None:
    error = ours.astype(int) - theirs
    assert np.abs(error).max() <= 2
    assert np.abs(error).mean() < 0.6
    assert np.abs(error.mean((0, 1))).max() < 0.5


@pytest.mark.parametrize("place", range(7), ids=lambda k: f"H.264 place {k}")
def test_chroma_stands_where_the_stream_says_whatever_it_shows_first(tmp_path, place):
    rng = np.random.default_rng(3)
    grey = np.repeat(natural(rng, 96, 128)[..., :1], 3, axis=2)
    drawn = [grey, *(natural(rng, 96, 128) for _ in range(3))]
    options = {"qp": "0"} | ({"x264-params": f"chromaloc={place - 1}"} if place else {})
    clip = media.write_clip(tmp_path / "a.mp4", frames=drawn, options=options)
    convert = RgbConverter()
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            ours, theirs = convert(frame), by_ffmpeg(frame)
            agree(ours, theirs)
            assert (ours == theirs).all() == (place in (4, 5, 6))  # rare ones are left to FFmpeg


def test_interlaced_frames_among_others_are_ffmpegs(tmp_path):
    rng = np.random.default_rng(5)
    drawn = [natural(rng, 96, 128) for _ in range(4)]
    convert = RgbConverter()
    found = set()
    for name, options in [("p", {}), ("i", {"x264-params": "tff=1"}), ("p2", {})]:
        clip = media.write_clip(tmp_path / f"{name}.mp4", frames=drawn, options=options)
        with av.open(str(clip)) as container:
            for frame in container.decode(video=0):
                found.add(frame.interlaced_frame)
                agree(convert(frame), by_ffmpeg(frame))
    assert found == {False, True}


def test_pictures_stored_from_below_are_read(tmp_path):
    drawn = av.VideoFrame.from_ndarray(natural(np.random.default_rng(6), 48, 64), format="rgb24")
    graph = av.filter.Graph()
    source = graph.add_buffer(width=64, height=48, format="yuv420p", time_base=Fraction(1, 25))
    flipped, sink = graph.add("vflip"), graph.add("buffersink")
    source.link_to(flipped)
    flipped.link_to(sink)
    graph.configure()
    frame = drawn.reformat(format="yuv420p")
    frame.pts = 0
    graph.push(frame)
    upside_down = graph.pull()
    assert upside_down.planes[0].line_size < 0
    assert (RgbConverter()(upside_down) == by_ffmpeg(upside_down)).all()


def test_frames_of_a_stream_keep_their_pixels():
    convert, rng = RgbConverter(), np.random.default_rng(1)
    frames = [
        av.VideoFrame.from_ndarray(natural(rng, 48, 64), format="rgb24").reformat(format="yuv420p")
        for _ in range(6)
    ]
    kept = [convert(frame) for frame in frames]
    for frame, rgb in zip(frames, kept, strict=True):
        assert (rgb == RgbConverter()(frame)).all()


@pytest.mark.parametrize("pixels", ["yuv422p", "yuv444p", "nv12", "gray", "yuv420p10le"])
def test_what_is_not_ours_to_convert_is_ffmpegs(pixels):
    drawn = av.VideoFrame.from_ndarray(
        natural(np.random.default_rng(2), 48, 64), format="rgb24"
    ).reformat(format=pixels)
    assert (RgbConverter()(drawn) == by_ffmpeg(drawn)).all()
