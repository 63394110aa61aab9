"""Frames at chosen times: the right ones, at the container's times, upright, whatever the codec."""

from __future__ import annotations

import subprocess
import sys
from bisect import bisect_right
from fractions import Fraction

import numpy as np
import pytest

import media
import unmask.video.stream as stream_module
from unmask.video.decode import Reader
from unmask.video.sample import clips, evenly, every

UNEVEN_S = [0.04 * k + 0.013 * (k % 3) + (0.5 if k > 20 else 0) for k in range(60)]
LONG_GOPS = {"g": "50", "bf": "3"}
CLIPS = {
    "mp4": ("a.mp4", {}),
    "mp4, key frames rare": ("a.mp4", {"options": LONG_GOPS}),
    "mp4, many frames out of order": ("a.mp4", {"options": {"g": "250", "bf": "16"}}),
    "mp4, no frame builds on b-frames": (
        "a.mp4",
        {"options": {"x264-params": "b-pyramid=none:bframes=5:b-adapt=0:keyint=60"}},
    ),
    "mp4, one group, interlaced": ("a.mp4", {"options": {"x264-params": "tff=1:keyint=250"}}),
    "mp4 with sound": ("a.mp4", {"options": LONG_GOPS, "sound": media.Sound(lasts_s=6.0)}),
    "mp4, open groups": (
        "a.mp4",
        {"options": {"x264-params": "open-gop=1:keyint=20:min-keyint=20:scenecut=0"}},
    ),
    "mp4, fragmented": (
        "a.mp4",
        {"options": LONG_GOPS, "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    ),
    "mkv": ("a.mkv", {"options": LONG_GOPS}),
    "mkv without an index": ("a.mkv", {"container_options": {"live": "1"}}),
    "ts": ("a.ts", {"options": {"g": "25"}}),
    "flv": ("a.flv", {}),
    "vp9": ("a.webm", {"codec": "libvpx-vp9", "options": {"g": "30", "deadline": "realtime"}}),
    "mpeg4 with b-frames": ("a.avi", {"codec": "mpeg4", "options": {"bf": "2", "g": "30"}}),
    "intra only": ("a.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    "variable rate": ("a.mp4", {"times_s": UNEVEN_S}),
    "variable rate, mkv": ("a.mkv", {"times_s": UNEVEN_S}),
    "starts late": ("a.ts", {"starts_s": 3.0, "options": {"g": "25"}}),
    "raw": ("a.h264", {}),
}


def picked_by_brute_force(frames, times_s):
    """The last frame at or before each time, from everything decoded; each once."""
    stamps = [frame.t_s for frame in frames]
    shown = sorted({max(0, bisect_right(stamps, t) - 1) for t in times_s})
    return [frames[i] for i in shown]


def decoded_by(monkeypatch):
    """A list that every frame is added to that a pass decodes."""
    decoded = []
    decode = stream_module.VideoSource._decode
    monkeypatch.setattr(
        stream_module.VideoSource,
        "_decode",
        lambda self, packet: [decoded.append(f) or f for f in decode(self, packet)],
    )
    return decoded


@pytest.mark.parametrize("blind_gap_s", [5.0, 0.6], ids=["usual seeks", "eager seeks"])
@pytest.mark.parametrize("case", CLIPS)
def test_chosen_frames_are_those_of_decoding_everything(tmp_path, monkeypatch, case, blind_gap_s):
    monkeypatch.setattr(stream_module, "_SEEK_BLIND_S", blind_gap_s)
    name, how = CLIPS[case]
    n_frames = len(how.get("times_s", range(150)))
    reader = Reader(media.write_clip(tmp_path / name, n_frames, size=(128, 64), **how))
    everything = list(reader.all_frames())
    assert [media.number_of(frame.rgb) for frame in everything] == list(range(n_frames))
    assert reader.lost is None
    rng = np.random.default_rng(3)
    end = reader.info.duration_s
    wishes = [
        [0.0],
        [end * 0.9],
        [-1.0, end + 5],
        [0.0, end * 0.5, end * 0.51, end * 0.99],
        list(rng.uniform(0, end, 12)),
        [frame.t_s for frame in everything[::7]],
        [end * 0.97, end * 0.2],
    ]
    for times in wishes:
        got = list(reader.frames(times))
        wanted = picked_by_brute_force(everything, times)
        assert [frame.t_s for frame in got] == [frame.t_s for frame in wanted]
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(a.rgb, b.rgb)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_frames_that_nobody_looks_at_or_builds_on_are_not_decoded(tmp_path, monkeypatch, name):
    """One group of 300 frames, so that no seek helps; nothing builds on every other one."""
    how = {"x264-params": "b-pyramid=none:bframes=1:b-adapt=0:keyint=300:scenecut=0"}
    reader = Reader(media.write_clip(tmp_path / name, 300, size=(128, 64), options=how))
    decoded = decoded_by(monkeypatch)
    numbers = [media.number_of(frame.rgb) for frame in reader.frames(evenly(reader.info, 6))]
    assert numbers == [25, 75, 125, 175, 225, 275]
    assert len(decoded) < 190
    decoded.clear()
    assert len(list(reader.all_frames())) == len(decoded) == 300


def test_a_seek_spares_decoding(tmp_path, monkeypatch):
    reader = Reader(media.write_clip(tmp_path / "a.mp4", 500, size=(128, 64), options={"g": "25"}))
    decoded = decoded_by(monkeypatch)
    numbers = [media.number_of(frame.rgb) for frame in reader.frames([0.0, 6.02, 18.5])]
    assert numbers == [0, 150, 462]
    assert len(decoded) < 200


@pytest.mark.parametrize(
    "how", ["keyint=40:scenecut=0", "bframes=0:keyint=40:scenecut=0", "open-gop=1:keyint=40"]
)
def test_of_a_long_video_little_is_decoded_but_what_is_looked_at(tmp_path, monkeypatch, how):
    path = media.write_clip(tmp_path / "a.mp4", 600, size=(128, 64), options={"x264-params": how})
    reader = Reader(path)
    decoded = decoded_by(monkeypatch)
    got = [frame.t_s for frame in reader.frames(evenly(reader.info, 8))]
    np.testing.assert_array_equal(np.histogram(got, np.linspace(0, 24, 9))[0], 1)
    assert len(decoded) < 8 * 20  # of 600


@pytest.mark.parametrize("how", ["overshoots", "goes back"])
def test_a_seek_that_misleads_costs_time_but_no_frame(tmp_path, monkeypatch, how):
    reader = Reader(media.write_clip(tmp_path / "a.mp4", 300, size=(128, 64), options={"g": "20"}))
    place = stream_module.VideoSource._place_to_seek
    error_s = 2.0 if how == "overshoots" else -4.0
    monkeypatch.setattr(
        stream_module.VideoSource,
        "_place_to_seek",
        lambda self, now_s: None if (s := place(self, now_s)) is None else s + error_s,
    )
    numbers = [media.number_of(frame.rgb) for frame in reader.frames([1.01, 5.01, 9.01, 9.05])]
    assert numbers == [25, 125, 225, 226]


def test_times_are_the_containers_own(tmp_path):
    reader = Reader(media.write_clip(tmp_path / "a.mp4", 60, times_s=UNEVEN_S))
    got = [frame.t_s for frame in reader.all_frames()]
    np.testing.assert_allclose(got, UNEVEN_S, atol=1 / 180_000)


def test_the_first_frame_is_at_zero_wherever_the_container_starts(tmp_path):
    reader = Reader(media.write_clip(tmp_path / "a.ts", 30, starts_s=7.5))
    got = [frame.t_s for frame in reader.all_frames()]
    np.testing.assert_allclose(got, np.arange(30) / 25, atol=1e-4)


def test_recordings_strung_together_go_on_in_time(tmp_path):
    first, second = (media.write_clip(tmp_path / f"{i}.ts", 30) for i in range(2))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    times = [frame.t_s for frame in Reader(joined).all_frames()]
    assert len(times) > 54  # the demuxer doubts the packet at the joint
    assert np.diff(times).min() > 0
    assert times[-1] > 2.0


@pytest.mark.parametrize("turn_deg", [90, 180, 270])
def test_frames_are_upright(tmp_path, turn_deg):
    clip = media.write_clip(tmp_path / "a.mp4", 6, size=(128, 96), turn_deg=turn_deg)
    frames = list(Reader(clip).all_frames())
    assert [media.number_of(frame.rgb) for frame in frames] == list(range(6))
    for frame, drawn in zip(frames, media.numbered_frames(6), strict=True):
        assert frame.rgb.shape == drawn.shape
        assert frame.rgb.flags.c_contiguous
        assert np.abs(frame.rgb.astype(int) - drawn).mean() < 10


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mkv", {"codec": "ffv1"}),
        ("a.mp4", {"pixel_format": "yuv444p"}),
        ("a.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime"}}),
    ],
    ids=["ffv1", "h264 4:4:4", "vp9"],
)
def test_odd_sides_are_kept(tmp_path, name, how):
    reader = Reader(media.write_clip(tmp_path / name, 4, size=(131, 97), **how))
    assert (reader.info.width_px, reader.info.height_px) == (131, 97)
    frames = list(reader.all_frames())
    assert {frame.rgb.shape for frame in frames} == {(97, 131, 3)}
    assert [media.number_of(frame.rgb) for frame in frames] == [0, 1, 2, 3]


def test_ten_bit_hevc_is_decoded(tmp_path):
    clip = media.write_clip(tmp_path / "a.mp4", 12, codec="libx265", pixel_format="yuv420p10le")
    reader = Reader(clip)
    assert (reader.info.codec, reader.info.pixel_format) == ("hevc", "yuv420p10le")
    frames = list(reader.all_frames())
    assert frames[0].rgb.dtype == np.uint8
    assert [media.number_of(frame.rgb) for frame in frames] == list(range(12))


def test_a_video_of_one_frame_gives_it_once(tmp_path):
    reader = Reader(media.write_clip(tmp_path / "a.mp4", 1))
    assert len(list(reader.frames(evenly(reader.info, 32)))) == 1
    assert len(list(reader.all_frames())) == 1


def test_no_times_give_no_frames(tmp_path):
    assert list(Reader(media.write_clip(tmp_path / "a.mp4", 3)).frames([])) == []


def test_a_pass_can_be_left_and_taken_up_anew(tmp_path):
    with Reader(media.write_clip(tmp_path / "a.mp4", 40)) as reader:
        first = reader.all_frames()
        assert next(first).t_s == 0.0
        second = reader.all_frames()
        assert len(list(second)) == 40
        assert list(first) == []  # one pass at a time
        left = reader.all_frames()
        next(left)
    assert list(left) == []


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30_000, 1001), Fraction(24_000, 1001)])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_evenly_sampled_frames_are_evenly_spaced(tmp_path, ending, fps):
    reader = Reader(media.write_clip(tmp_path / f"a.{ending}", 200, size=(128, 64), fps=fps))
    numbers = [media.number_of(f.rgb) for f in reader.frames(evenly(reader.info, 8))]
    assert numbers == [12, 37, 62, 87, 112, 137, 162, 187]


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30_000, 1001), Fraction(60_000, 1001)])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_clips_and_every_nth_hit_exactly_the_frames_they_mean(tmp_path, ending, fps):
    reader = Reader(media.write_clip(tmp_path / f"a.{ending}", 100, size=(128, 64), fps=fps))
    for clip in clips(reader.info, 3, 8, stride=2):
        numbers = [media.number_of(frame.rgb) for frame in reader.frames(clip)]
        assert np.diff(numbers).tolist() == [2] * 7
    numbers = [media.number_of(f.rgb) for f in reader.frames(every(reader.info, 3))]
    assert numbers == list(range(0, 100, 3))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is read by the resource module")
@pytest.mark.parametrize("turn_deg", [0, 90])
def test_memory_does_not_grow_with_the_length(tmp_path, turn_deg):
    def peak_mb(n_frames: int) -> float:
        clip = media.write_clip(
            tmp_path / f"{n_frames}.mp4",
            n_frames,
            size=(640, 480),
            turn_deg=turn_deg,
            options={"preset": "ultrafast"},
        )
        script = (
            "import resource, sys; from pathlib import Path; from unmask.video import open_media\n"
            "for frame in open_media(Path(sys.argv[1])).all_frames(): pass\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        command = [sys.executable, "-c", script, str(clip)]
        return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    assert peak_mb(600) < 1.1 * peak_mb(60)
