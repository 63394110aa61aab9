"""Sound stays beside its picture: clicks are heard when they were made."""

from __future__ import annotations

import numpy as np
import pytest

import media
from unmask.errors import UnreadableMediaError
from unmask.video.audio import read_audio

CLICKS_S = (0.5, 1.25, 2.2)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@pytest.mark.parametrize(
    ("name", "sound"),
    [
        ("a.mp4", media.Sound(CLICKS_S)),
        ("a.mp4", media.Sound(CLICKS_S, rate_hz=44_100, layout="mono")),
        ("a.mkv", media.Sound(CLICKS_S, codec="pcm_s16le")),
        ("a.ts", media.Sound(CLICKS_S, rate_hz=44_100)),
        ("a.mkv", media.Sound(CLICKS_S, codec="libopus")),
    ],
    ids=["aac", "aac mono", "pcm", "ts", "opus"],
)
def test_clicks_are_heard_when_they_were_made(tmp_path, name, sound, rate_hz):
    clip = media.write_clip(tmp_path / name, 75, size=(96, 64), sound=sound)
    samples = read_audio(clip, rate_hz)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(3.0 * rate_hz, rel=0.02)
    assert media.click_times(samples, rate_hz) == pytest.approx(CLICKS_S, abs=0.002)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize(("picture_s", "sound_s"), [(0.0, 0.4), (0.6, 0.0)])
def test_time_zero_is_the_first_frame_whatever_the_offsets(tmp_path, name, picture_s, sound_s):
    sound = media.Sound((1.0, 2.0), starts_s=sound_s)
    clip = media.write_clip(tmp_path / name, 60, size=(96, 64), starts_s=picture_s, sound=sound)
    heard = media.click_times(read_audio(clip, 16_000), 16_000)
    assert heard == pytest.approx([1.0 - picture_s, 2.0 - picture_s], abs=0.002)


@pytest.mark.parametrize(
    ("start_s", "duration_s"), [(0.0, 1.0), (1.1, 0.5), (-0.5, 4.0), (2.9, 1.0)]
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_part_of_the_sound_is_that_part(tmp_path, name, start_s, duration_s):
    clip = media.write_clip(tmp_path / name, 75, size=(96, 64), sound=media.Sound(CLICKS_S))
    part = read_audio(clip, 16_000, start_s, duration_s)
    assert len(part) == round(duration_s * 16_000)
    inside = [t - start_s for t in CLICKS_S if start_s <= t < start_s + duration_s]
    assert media.click_times(part, 16_000) == pytest.approx(inside, abs=0.002)


def test_a_far_part_of_a_long_sound_is_found_by_seeking(tmp_path):
    sound = media.Sound((58.25,), lasts_s=60.0, rate_hz=16_000, layout="mono")
    clip = media.write_clip(tmp_path / "a.mp4", 1500, size=(96, 32), sound=sound)
    part = read_audio(clip, 16_000, 58.0, 1.0)
    assert media.click_times(part, 16_000) == pytest.approx([0.25], abs=0.002)


def test_no_sound_is_none_and_not_silence(tmp_path):
    assert read_audio(media.write_clip(tmp_path / "a.mp4", 5), 16_000) is None
    picture = np.zeros((32, 32, 3), np.uint8)
    assert read_audio(media.write_still(tmp_path / "a.png", picture), 16_000) is None


def test_sound_that_begins_later_is_silence_before_it_and_not_missing(tmp_path):
    sound = media.Sound((4.0,), starts_s=3.0, lasts_s=2.0)
    clip = media.write_clip(tmp_path / "a.mkv", 75, size=(96, 64), sound=sound)
    early = read_audio(clip, 16_000, 0.2, 0.5)
    assert early.shape == (8000,)
    assert not early.any()
    assert media.click_times(read_audio(clip, 16_000, 3.5, 1.0), 16_000) == pytest.approx(
        [0.5], abs=0.003
    )


def test_sound_without_a_picture_starts_at_its_own_zero(tmp_path):
    path = media.write_sound(tmp_path / "a.m4a", media.Sound(CLICKS_S))
    assert media.click_times(read_audio(path, 16_000), 16_000) == pytest.approx(CLICKS_S, abs=0.002)


def test_damaged_sound_leaves_a_hole_and_keeps_the_rest_in_place(tmp_path):
    clip = media.write_sound(tmp_path / "a.ts", media.Sound((0.5, 4.5), lasts_s=5.0))
    clip = media.garble(clip, 0.4, 0.6)
    heard = media.click_times(read_audio(clip, 16_000), 16_000)
    assert heard[0] == pytest.approx(0.5, abs=0.03)  # a transport stream keeps AAC's run-in
    assert heard[-1] == pytest.approx(4.5, abs=0.03)


def test_stereo_is_mixed_down_without_clipping(tmp_path):
    clip = media.write_sound(tmp_path / "a.mkv", media.Sound(codec="pcm_s16le"))
    samples = read_audio(clip, 48_000)
    assert np.abs(samples).max() == pytest.approx(0.8, abs=0.25)


def test_a_file_that_is_no_medium_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text("not a sound\n")
    with pytest.raises(UnreadableMediaError, match="holds text"):
        read_audio(path, 16_000)
