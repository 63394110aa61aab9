"""Still and animated images: recognised by content, upright, 8 bits, timed by their durations."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

import media
import unmask.video.images as images_module
from unmask.errors import UnreadableMediaError
from unmask.video.decode import Reader
from unmask.video.probe import probe
from unmask.video.sample import evenly

DURATIONS_MS = [40, 80, 120, 40, 200, 40, 60, 50, 100]
STARTS_S = (np.cumsum([0, *DURATIONS_MS[:-1]]) / 1000).tolist()
DRAWN = next(media.numbered_frames(1, (128, 96)))

# What EXIF orientation n asks of the stored picture (CIPA DC-008, tag 274), undone: how an upright
# picture is stored under it.
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: np.rot90(p, 2),
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: np.rot90(p, 2).swapaxes(0, 1),
    8: lambda p: np.rot90(p, -1),
}


def only_frame(path):
    reader = Reader(path)
    frames = list(reader.all_frames())
    assert len(frames) == 1
    assert reader.lost is None
    assert frames[0].t_s == 0.0
    assert frames[0].rgb.dtype == np.uint8
    assert frames[0].rgb.flags.c_contiguous
    return frames[0].rgb


@pytest.mark.parametrize(
    ("ending", "tolerance"),
    [(".jpg", 8), (".png", 0), (".webp", 8), (".avif", 8), (".bmp", 0), (".tiff", 0)],
)
def test_a_still_is_a_medium_of_one_frame(tmp_path, ending, tolerance):
    path = media.write_still(tmp_path / f"Bild ü{ending}", DRAWN)
    info = probe(path)
    assert (info.kind, info.width_px, info.height_px) == ("image", 128, 96)
    assert (info.fps, info.duration_s, info.n_frames) == (None, 0.0, 1)
    assert np.abs(only_frame(path).astype(int) - DRAWN).mean() <= tolerance
    assert [f.t_s for f in Reader(path).frames(evenly(info, 32))] == [0.0]


def test_the_content_decides_what_a_file_is_not_its_name(tmp_path):
    picture = media.write_still(tmp_path / "a.png", DRAWN).rename(tmp_path / "a.mp4")
    assert (probe(picture).kind, probe(picture).codec) == ("image", "png")
    clip = media.write_clip(tmp_path / "b.mp4", 3).rename(tmp_path / "b.jpg")
    assert probe(clip).kind == "video"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("number", STORED)
def test_exif_orientation_is_undone(tmp_path, number, order):
    stored = np.ascontiguousarray(STORED[number](DRAWN))
    path = media.write_still(tmp_path / "a.jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, 95])
    media.add_exif_to_jpeg(path, media.exif(number, order))
    rgb = only_frame(path)
    assert rgb.shape == DRAWN.shape
    assert np.abs(rgb.astype(int) - DRAWN).mean() < 6
    assert (probe(path).width_px, probe(path).height_px) == (128, 96)


def test_garbled_exif_leaves_the_picture_as_stored(tmp_path):
    for data in (b"", b"II*\0", media.exif(9), media.exif(6)[:12], b"MM\0*\xff\xff\xff\xff"):
        path = media.add_exif_to_jpeg(media.write_still(tmp_path / "a.jpg", DRAWN), data)
        assert only_frame(path).shape == DRAWN.shape


@pytest.mark.parametrize("ending", [".png", ".webp"])
def test_transparent_parts_lie_over_mid_grey(tmp_path, ending):
    lossless = [cv2.IMWRITE_WEBP_QUALITY, 101] if ending == ".webp" else []
    rgba = np.dstack([DRAWN, np.full(DRAWN.shape[:2], 255, np.uint8)])
    rgba[:48, :, 3], rgba[48:72, :, 3] = 0, 51
    rgb = only_frame(media.write_still(tmp_path / f"a{ending}", rgba, lossless))
    assert np.all(rgb[:48] == 128)
    mixed = 128 + (DRAWN[48:72].astype(float) - 128) * 0.2
    assert np.abs(rgb[48:72] - mixed).max() <= 1
    np.testing.assert_array_equal(rgb[72:], DRAWN[72:])


def test_sixteen_bits_become_eight(tmp_path):
    deep = DRAWN.astype(np.uint16) * 257
    rgb = only_frame(media.write_still(tmp_path / "a.png", deep))
    np.testing.assert_array_equal(rgb, DRAWN)
    rgba = np.dstack([deep, np.full(deep.shape[:2], 13_107, np.uint16)])
    rgb = only_frame(media.write_still(tmp_path / "b.png", rgba))
    assert np.abs(rgb - (128 + (DRAWN.astype(float) - 128) * 0.2)).max() <= 1


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_a_grey_picture_becomes_rgb(tmp_path, ending):
    grey = DRAWN[..., 1]
    rgb = only_frame(media.write_still(tmp_path / f"a{ending}", grey))
    assert rgb.shape == DRAWN.shape
    assert np.ptp(rgb, axis=2).max() == 0


def test_a_palette_with_transparency_is_composited(tmp_path):
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    rows = b"".join(b"\0" + bytes([0, 1, 0, 1]) for _ in range(4))
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 3, 0, 0, 0))
        + chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
        + chunk(b"tRNS", bytes([0, 255]))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    assert only_frame(path)[0, :2].tolist() == [[128, 128, 128], [40, 50, 60]]


@pytest.mark.parametrize("chunk_bytes", [256 << 20, 1], ids=["at once", "frame by frame"])
@pytest.mark.parametrize("ending", [".webp", ".avif", ".gif", ".png"])
def test_an_animation_is_several_frames_at_the_times_its_file_says(
    tmp_path, monkeypatch, ending, chunk_bytes
):
    monkeypatch.setattr(images_module, "_CHUNK_BYTES", chunk_bytes)
    drawn = media.numbered_frames(len(DURATIONS_MS), (128, 96))
    path = media.write_animation(tmp_path / f"a{ending}", drawn, DURATIONS_MS)
    reader = Reader(path)
    info = reader.info
    assert (info.kind, info.n_frames, info.width_px, info.height_px) == ("animation", 9, 128, 96)
    assert info.duration_s == pytest.approx(0.73)
    assert info.variable_frame_rate
    frames = list(reader.all_frames())
    assert [media.number_of(frame.rgb) for frame in frames] == list(range(9))
    assert [frame.t_s for frame in frames] == pytest.approx(STARTS_S)
    shown = [media.number_of(frame.rgb) for frame in reader.frames([0.0, 0.3, 0.479, 0.7])]
    assert shown == [0, 4, 8]
    assert reader.lost is None


def test_every_frame_of_a_short_animation_is_sampled(tmp_path):
    drawn = media.numbered_frames(len(DURATIONS_MS), (128, 96))
    reader = Reader(media.write_animation(tmp_path / "a.webp", drawn, DURATIONS_MS))
    numbers = [media.number_of(f.rgb) for f in reader.frames(evenly(reader.info, 32))]
    assert numbers == list(range(9))


def test_transparent_animations_lie_over_mid_grey(tmp_path):
    clear = np.zeros((96, 128, 4), np.uint8)
    opaque = np.dstack([DRAWN, np.full(DRAWN.shape[:2], 255, np.uint8)])
    path = media.write_animation(tmp_path / "a.png", [opaque, clear], [100, 100])
    first, second = Reader(path).all_frames()
    np.testing.assert_array_equal(first.rgb, DRAWN)
    assert np.all(second.rgb == 128)


@pytest.mark.parametrize("channels", [(), (3,), (4,)])
@pytest.mark.parametrize(("dtype", "unit"), [(np.uint8, 1), (np.uint16, 257)])
def test_an_animation_of_any_depth_becomes_rgb(tmp_path, channels, dtype, unit):
    levels = [40, 200]
    pictures = [np.full((20, 30, *channels), n * unit, dtype) for n in levels]
    for picture in pictures:
        if channels == (4,):
            picture[..., 3] = np.iinfo(dtype).max
    path = media.write_apng(tmp_path / "a.png", pictures)
    with Reader(path) as reader:
        frames = list(reader.all_frames())
    assert [frame.rgb.shape for frame in frames] == [(20, 30, 3)] * 2
    for frame, level in zip(frames, levels, strict=True):
        assert frame.rgb.dtype == np.uint8
        assert np.abs(frame.rgb.astype(int) - level).max() <= 1


def test_threads_that_decode_at_once_leave_opencvs_log_as_it_was():
    logging = cv2.utils.logging
    before = logging.getLogLevel()
    first, second = images_module._opencv(Path("a")), images_module._opencv(Path("b"))
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert logging.getLogLevel() == logging.LOG_LEVEL_SILENT
    second.__exit__(None, None, None)
    assert logging.getLogLevel() == before


def test_a_gif_of_one_frame_is_a_still(tmp_path):
    path = media.write_still(tmp_path / "a.gif", DRAWN)
    assert probe(path).kind == "image"
    assert only_frame(path).shape == DRAWN.shape


def test_an_animation_that_breaks_off_gives_what_is_there_and_says_so(tmp_path):
    drawn = media.numbered_frames(len(DURATIONS_MS), (128, 96))
    path = media.write_animation(tmp_path / "a.png", drawn, DURATIONS_MS)
    reader = Reader(media.cut(path, 0.6))
    numbers = [media.number_of(frame.rgb) for frame in reader.all_frames()]
    assert numbers == list(range(len(numbers)))
    assert 2 < len(numbers) < 9
    assert reader.lost is not None
    assert "breaks off" in reader.lost


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".avif", ".bmp"])
def test_a_damaged_picture_is_refused_in_a_sentence(tmp_path, capfd, ending):
    path = media.cut(media.write_still(tmp_path / f"a{ending}", DRAWN), 0.4)
    with pytest.raises(UnreadableMediaError, match=r"cannot be decoded; .* damaged"):
        probe(path)
    assert "ERROR" not in capfd.readouterr().err  # OpenCV keeps its remarks to itself


def test_a_picture_that_vanishes_between_probing_and_reading_is_an_error(tmp_path):
    path = media.write_still(tmp_path / "a.png", DRAWN)
    reader = Reader(path)
    path.write_text("something else")
    with pytest.raises(UnreadableMediaError):
        list(reader.all_frames())
