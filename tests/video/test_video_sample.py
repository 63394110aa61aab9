"""Sampling: evenly spread, exact, inside the video, each frame once where there are few."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from unmask.types import VideoInfo
from unmask.video.sample import clips, evenly, every

NTSC = Fraction(30_000, 1001)


def video(n_frames: int, fps: Fraction = NTSC) -> VideoInfo:
    return VideoInfo(
        path=Path("clip.mp4"),
        kind="video",
        width_px=64,
        height_px=64,
        fps=fps,
        duration_s=float(n_frames / fps),
        n_frames=n_frames,
    )


STILL = replace(video(1), kind="image", fps=None, duration_s=0.0)


def frames_meant(times_s, fps: Fraction) -> list[int]:
    return [int(Fraction(t) * fps) for t in times_s]


@pytest.mark.parametrize("n_frames", [33, 100, 1801, 18_000])
@pytest.mark.parametrize("n", [1, 2, 8, 32])
def test_even_samples_are_the_centres_of_equal_parts(n_frames, n):
    info = video(n_frames)
    times = evenly(info, n)
    edges = np.linspace(0, info.duration_s, n + 1)
    np.testing.assert_allclose(times, (edges[1:] + edges[:-1]) / 2)
    np.testing.assert_array_equal(np.histogram(times, edges)[0], 1)


@pytest.mark.parametrize("n_frames", [1, 2, 7, 32])
def test_fewer_frames_than_wanted_are_taken_once_each(n_frames):
    times = evenly(video(n_frames), 32)
    assert frames_meant(times, NTSC) == list(range(n_frames))


def test_samples_of_a_variable_rate_span_the_whole_duration():
    info = replace(video(10), variable_frame_rate=True, duration_s=100.0, fps=Fraction(1, 10))
    assert len(evenly(info, 32)) == 32
    assert evenly(info, 32)[-1] > 98


@pytest.mark.parametrize("every_s", [0.4, 2.0, 7.3, 10.0, 40.0])
def test_long_parts_are_represented_by_a_frame_shortly_after_a_key_frame(every_s):
    info = video(18_000)
    keys = np.arange(0, info.duration_s, every_s)
    keyed = replace(info, key_times_s=tuple(keys.tolist()))
    edges = np.linspace(0, info.duration_s, 33)
    centres = (edges[1:] + edges[:-1]) / 2
    places = keys[1:] + 4.5 * float(1 / NTSC)
    times = np.array(evenly(keyed, 32))
    for t_s, start, centre, end in zip(times, edges[:-1], centres, edges[1:], strict=True):
        inside = places[(places >= start) & (places < end)]
        if len(inside):
            assert np.isclose(inside, t_s).any()
            assert abs(t_s - centre) == pytest.approx(np.abs(inside - centre).min())
        else:
            assert t_s == pytest.approx(centre)


def test_short_parts_keep_their_centres_whatever_key_frames_there_are():
    info = replace(video(1801), key_times_s=(0.0, 10.0, 20.0, 30.0))
    assert evenly(info, 32) == evenly(video(1801), 32)


@pytest.mark.parametrize("fps", [Fraction(25), NTSC, Fraction(24_000, 1001), Fraction(60)])
@pytest.mark.parametrize("n_frames", [1, 5, 16, 17, 50, 301, 9000])
@pytest.mark.parametrize(("n_clips", "T", "stride"), [(1, 16, 1), (4, 16, 1), (3, 8, 3), (5, 1, 1)])
def test_clips_are_consecutive_inside_and_spread(fps, n_frames, n_clips, T, stride):
    found = clips(video(n_frames, fps), n_clips, T, stride)
    span = (T - 1) * stride + 1
    meant = [frames_meant(times, fps) for times in found]
    assert all(len(frames) == T for frames in meant)
    assert all(0 <= k < n_frames for frames in meant for k in frames)
    if n_frames < span:
        assert len(found) == 1
        assert meant[0] == [min(k * stride, n_frames - 1) for k in range(T)]
        return
    assert all(np.all(np.diff(frames) == stride) for frames in meant)
    starts = [frames[0] for frames in meant]
    assert len(starts) == min(n_clips, n_frames - span + 1)
    assert starts == sorted(set(starts))
    ideal = (2 * np.arange(n_clips) + 1) * (n_frames - span + 1) / (2 * n_clips)
    if len(starts) == n_clips:
        np.testing.assert_allclose(starts, ideal, atol=1)


def test_every_nth_never_drifts_from_the_exact_rate():
    info = video(108_000)  # an hour; 29 instead of 29.97 would be two minutes off
    assert frames_meant(every(info, 30), NTSC) == list(range(0, 108_000, 30))
    assert len(every(info)) == 108_000


def test_a_still_has_one_time():
    assert evenly(STILL, 32) == (0.0,)
    assert every(STILL) == (0.0,)
    assert clips(STILL, 3, 4) == ((0.0, 0.0, 0.0, 0.0),)


@pytest.mark.parametrize(
    "call", [lambda i: evenly(i, 0), lambda i: clips(i, 1, 0), lambda i: every(i, -1)]
)
def test_a_count_below_one_is_refused(call):
    with pytest.raises(ValueError, match="at least 1"):
        call(video(100))
