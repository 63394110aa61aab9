"""Laws of equal sizes: files grow to the same bytes, what is decoded stays the same."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from media import numbered_frames
from unmask.forge.level import MOST_SLACK, level, stream_bytes
from unmask.video.encode import VideoWriter
from unmask.video.soundtrack import Recording

RATE = 16_000
SIZES = (20, 26, 33)  # crf: three quite different sizes


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def noise(seed: int, seconds: float = 1.0) -> np.ndarray:
    quiet = np.random.default_rng(seed).standard_normal(round(RATE * seconds)) * (
        0.02 + 0.05 * seed
    )
    return quiet.astype(np.float32)


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    made = []
    for k, crf in enumerate(SIZES):
        sound = Recording(samples=noise(k), rate_hz=RATE)
        path = tmp_path / f"{k}.mp4"
        with VideoWriter(path, Fraction(20), crf=crf, audio_from=sound) as writer:
            for rgb in numbered_frames(20):
                writer.write(rgb)
        made.append(path)
    return made


def decoded(path: Path) -> tuple[list, np.ndarray]:
    """Every picture with its time, and all sound, as PyAV alone decodes them."""
    with av.open(str(path)) as container:
        pictures = [(f.time, f.to_ndarray().tobytes()) for f in container.decode(video=0)]
    with av.open(str(path)) as container:
        sound = [f.to_ndarray() for f in container.decode(audio=0)]
    return pictures, np.concatenate(sound, axis=1)


def packets(path: Path, kind: str) -> list[tuple]:
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [
            (p.pts, p.dts, p.duration, p.is_keyframe) for p in container.demux(stream) if p.size
        ]


def test_clips_become_equally_large_and_play_as_before(clips):
    before = [decoded(path) for path in clips]
    stamps = [(packets(path, "video"), packets(path, "audio")) for path in clips]
    largest = max(path.stat().st_size for path in clips)
    level(clips, rng())
    assert len({path.stat().st_size for path in clips}) == 1
    assert len({tuple(stream_bytes(path).items()) for path in clips}) == 1
    assert largest < clips[0].stat().st_size < (1 + MOST_SLACK) * largest + 200
    for path, (pictures, sound), times in zip(clips, before, stamps, strict=True):
        now_pictures, now_sound = decoded(path)
        assert now_pictures == pictures
        np.testing.assert_array_equal(now_sound, sound)
        assert (packets(path, "video"), packets(path, "audio")) == times


def test_filling_is_spread_over_the_packets(clips):
    with av.open(str(clips[2])) as container:
        had = [p.size for p in container.demux(video=0) if p.size]
    level(clips, rng())
    with av.open(str(clips[2])) as container:
        grown = [p.size for p in container.demux(video=0) if p.size]
    added = np.array(grown) - had
    assert added.min() > 0
    assert np.ptp(added[1:]) == 0


def test_files_equally_large_already_stay_untouched(clips):
    level(clips, rng())
    before = [path.read_bytes() for path in clips]
    level(clips, rng())
    assert [path.read_bytes() for path in clips] == before
    assert {path.name for path in clips[0].parent.iterdir()} == {path.name for path in clips}


def test_a_later_file_is_levelled_with_the_earlier_ones(clips):
    level(clips[:2], rng())
    level(clips, rng())
    assert len({path.stat().st_size for path in clips}) == 1


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_pictures_become_equally_large_and_show_the_same(ending, tmp_path):
    paths = [tmp_path / f"{k}{ending}" for k in range(3)]
    for k, path in enumerate(paths):
        texture = next(numbered_frames(1, (96 + 32 * k, 96), seed=k))
        path.write_bytes(cv2.imencode(ending, texture)[1].tobytes())
    before = [cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) for path in paths]
    level(paths, rng())
    assert len({path.stat().st_size for path in paths}) == 1
    for path, picture in zip(paths, before, strict=True):
        now = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(now, picture)
