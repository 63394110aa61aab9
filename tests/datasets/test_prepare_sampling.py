"""Laws of the presets: which frames are kept, and which systems they serve."""

from fractions import Fraction
from pathlib import Path

import pytest

from media import number_of, numbered_frames, write_clip
from unmask.datasets.sampling import frame_numbers, sampling
from unmask.errors import DataError, UsageError
from unmask.types import InputSpec, VideoInfo
from unmask.video.decode import Reader


def info(n_frames, fps=Fraction(30000, 1001)):
    return VideoInfo(
        path=Path("clip.mp4"),
        kind="video",
        width_px=64,
        height_px=48,
        fps=fps,
        duration_s=float(n_frames / fps),
        n_frames=n_frames,
    )


def kept(name, n_frames, wanted=None):
    video = info(n_frames)
    times = sampling(name, wanted).times(video)
    return frame_numbers(video, times, [int(t * video.fps) / float(video.fps) for t in times])


def spread(n_starts, last_start):
    """Starts spread as `n_starts` equal parts' middles, by plain arithmetic."""
    return sorted({(2 * i + 1) * (last_start + 1) // (2 * n_starts) for i in range(n_starts)})


def middles(n, n_frames):
    return [int((2 * i + 1) * n_frames / (2 * n)) for i in range(n)]


def runs(starts, length, stride=1):
    return sorted({start + k * stride for start in starts for k in range(length)})


@pytest.mark.parametrize(
    ("name", "n_frames", "expected"),
    [
        ("evenly32", 650, middles(32, 650)),
        ("evenly32", 20, list(range(20))),  # fewer frames than wanted: each once
        ("evenly5", 303, middles(5, 303)),
        ("every", 50, list(range(50))),
        ("every10", 95, list(range(0, 95, 10))),
        ("clips16", 500, runs(spread(4, 500 - 16), 16)),
        ("clips16", 70, list(range(70))),  # hardly longer than its clips: all there is
        ("clips8x32", 2000, runs(spread(4, 2000 - 1 - 7 * 32), 8, 32)),
        ("clips8x32", 300, list(range(0, 300, 32))),
        ("next3", 900, runs(spread(16, 900 - 4), 4)),
        ("next1", 900, runs(spread(16, 900 - 2), 2)),
    ],
)
def test_presets_keep_the_frames_of_this_table(name, n_frames, expected):
    assert kept(name, n_frames) == expected


def test_the_number_of_frames_can_be_chosen():
    assert kept("evenly32", 303, 5) == middles(5, 303)
    assert kept("clips16", 500, 32) == runs(spread(2, 500 - 16), 16)
    assert sampling("evenly", 7) == sampling("evenly7")


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001)])
@pytest.mark.parametrize("name", ["evenly7", "every3", "clips4x2", "next2", "every"])
def test_numbers_are_those_of_the_frames_that_were_decoded(tmp_path, name, fps):
    clip = write_clip(tmp_path / "clip.mp4", frames=numbered_frames(40), fps=fps)
    with Reader(clip) as reader:
        times = sampling(name).times(reader.info)
        shown = list(reader.frames(times))
        numbers = frame_numbers(reader.info, times, [frame.t_s for frame in shown])
    assert numbers == [number_of(frame.rgb) for frame in shown]


def test_no_two_frames_have_one_number_where_the_rate_varies(tmp_path):
    gaps = [0.02, 0.11, 0.03, 0.03, 0.4, 0.02, 0.02, 0.05, 0.2, 0.04] * 3
    times_s = [sum(gaps[:k]) for k in range(len(gaps))]
    clip = write_clip(tmp_path / "vfr.mp4", frames=numbered_frames(len(gaps)), times_s=times_s)
    with Reader(clip) as reader:
        asked = sampling("every").times(reader.info)
        shown = [frame.t_s for frame in reader.frames(asked)]
        numbers = frame_numbers(reader.info, asked, shown)
    assert sorted(set(numbers)) == numbers
    assert len(numbers) > 10


@pytest.mark.parametrize(
    ("name", "n_frames", "stride", "expected"),
    [
        ("evenly32", 1, 1, 1),
        ("clips8x32", 1, 1, 1),
        ("every", 16, 1, 1),
        ("every", 8, 32, 32),
        ("every4", 8, 32, 8),
        ("clips16", 16, 1, 1),
        ("clips16", 4, 1, 1),
        ("clips16", 8, 2, 2),
        ("clips8x32", 8, 32, 1),
        ("next3", 4, 1, 1),
        ("evenly32", 4, 1, None),
        ("clips16", 30, 1, None),
        ("clips16", 8, 32, None),
        ("clips8x32", 16, 1, None),
        ("every10", 4, 1, None),
        ("every10", 4, 25, None),
        ("next3", 6, 1, None),
    ],
)
def test_a_preset_serves_the_systems_whose_clips_it_holds(name, n_frames, stride, expected):
    spec = InputSpec(size_px=8, n_frames=n_frames, stride=stride)
    if expected is not None:
        assert sampling(name).face_stride(spec) == expected
        return
    wanted = f"clips{n_frames}" + (f"x{stride}" if stride > 1 else "")
    with pytest.raises(DataError, match=f"--sampling {wanted}$"):
        sampling(name).face_stride(spec)
    assert sampling(wanted).face_stride(spec) == 1  # what the message says to do works


@pytest.mark.parametrize(
    ("name", "n_frames"),
    [("even", None), ("clips", None), ("next", None), ("evenly0", None), ("clips16x0", None),
     ("evenly3x2", None), ("every", 5), ("clips16", 8), ("evenly", 0), ("", None)],
)  # fmt: skip
def test_presets_that_cannot_be_are_refused(name, n_frames):
    with pytest.raises(UsageError, match="--sampling"):
        sampling(name, n_frames)
