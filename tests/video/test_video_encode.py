"""What is written comes back: pictures, colours, times, sound; or a sentence and no file."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

import media
from unmask.errors import MissingExtraError, OutputError
from unmask.video.audio import read_audio
from unmask.video.decode import Reader
from unmask.video.encode import VideoWriter, write_video
from unmask.video.probe import probe

NTSC = Fraction(30_000, 1001)
DRAWN = list(media.numbered_frames(12, (128, 96)))


def test_frames_colours_rate_and_tags_survive(tmp_path):
    path = tmp_path / "ünï 日本.mp4"
    write_video(path, DRAWN, NTSC, crf=8)
    reader = Reader(path)
    assert (reader.info.fps, reader.info.n_frames, reader.info.codec) == (NTSC, 12, "h264")
    assert reader.info.pixel_format == "yuv420p"
    assert reader.info.duration_s == pytest.approx(12 / NTSC)
    for k, (frame, drawn) in enumerate(zip(reader.all_frames(), DRAWN, strict=True)):
        assert frame.t_s == pytest.approx(k / NTSC, abs=1e-6)
        assert media.number_of(frame.rgb) == k
        error = frame.rgb.astype(int) - drawn
        assert np.abs(error[16:]).mean() < 3  # chroma is halved: noise-like colours lose most
        assert np.abs(error.mean(axis=(0, 1))).max() < 1
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0))
    tags = (stored.colorspace, stored.color_range, stored.color_primaries, stored.color_trc)
    assert tags == (1, 1, 1, 1)  # BT.709 throughout, limited range


def test_plain_colours_come_back_within_two_levels(tmp_path):
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (224, 172, 140), (12, 200, 99)]
    plain = [np.full((64, 64, 3), colour, np.uint8) for colour in colours]
    write_video(tmp_path / "a.mp4", plain, Fraction(25), crf=4)
    for frame, drawn in zip(Reader(tmp_path / "a.mp4").all_frames(), plain, strict=True):
        assert np.abs(frame.rgb.astype(int) - drawn).max() <= 2


def test_given_times_are_kept(tmp_path):
    times = [0.0, 0.04, 0.1, 0.3, 0.301, 0.9, 1.0, 1.5, 1.54, 1.6, 2.0, 3.0]
    write_video(tmp_path / "a.mp4", DRAWN, Fraction(25), times_s=times)
    reader = Reader(tmp_path / "a.mp4")
    assert [frame.t_s for frame in reader.all_frames()] == pytest.approx(times, abs=1 / 90_000)
    assert reader.info.variable_frame_rate


def test_a_copy_of_a_clip_keeps_its_exact_times(tmp_path):
    source = Reader(media.write_clip(tmp_path / "a.mp4", 30, fps=NTSC))
    with VideoWriter(tmp_path / "b.mp4", source.info.fps) as writer:
        for frame in source.all_frames():
            writer.write(frame.rgb, frame.t_s)
    copy = Reader(tmp_path / "b.mp4")
    assert [f.t_s for f in copy.all_frames()] == [f.t_s for f in source.all_frames()]
    assert copy.info.fps == NTSC
    assert copy.info.duration_s == pytest.approx(source.info.duration_s, abs=1e-4)


@pytest.mark.parametrize("size", [(129, 97), (128, 97), (129, 96)])
def test_odd_sides_grow_by_a_repeated_row_or_column(tmp_path, size):
    drawn = list(media.numbered_frames(3, size))
    write_video(tmp_path / "a.mp4", drawn, Fraction(25), crf=4)
    width, height = size
    for frame, original in zip(Reader(tmp_path / "a.mp4").all_frames(), drawn, strict=True):
        assert frame.rgb.shape == (height + height % 2, width + width % 2, 3)
        assert np.abs(frame.rgb[:height, :width].astype(int) - original)[16:].mean() < 3


@pytest.mark.parametrize(
    ("name", "sound", "picture_s"),
    [
        ("a.mp4", media.Sound((0.5, 1.5)), 0.0),
        ("a.ts", media.Sound((0.8, 1.5), rate_hz=44_100), 0.6),
        ("a.mkv", media.Sound((0.5, 1.5), starts_s=0.2, codec="pcm_s16le"), 0.0),
    ],
    ids=["mp4", "picture starts late", "sound starts late"],
)
def test_copied_sound_stays_beside_its_picture(tmp_path, name, sound, picture_s):
    source = media.write_clip(tmp_path / name, 50, size=(96, 64), starts_s=picture_s, sound=sound)
    frames = (frame.rgb for frame in Reader(source).all_frames())
    write_video(tmp_path / "copy.mp4", frames, Fraction(25), audio_from=source)
    samples = read_audio(tmp_path / "copy.mp4", 16_000)
    wanted = [t - picture_s for t in sound.clicks_s]
    assert media.click_times(samples, 16_000) == pytest.approx(wanted, abs=0.002)
    assert len(samples) / 16_000 == pytest.approx(2.0, abs=0.1)  # cut where the picture ends


def test_a_silent_source_gives_a_silent_copy(tmp_path):
    source = media.write_clip(tmp_path / "a.mp4", 5)
    write_video(tmp_path / "b.mp4", DRAWN, Fraction(25), audio_from=source)
    assert not probe(tmp_path / "b.mp4").has_audio
    for name in ("a.webp", "a.gif", "a.avif", "a.png"):
        source = media.write_animation(tmp_path / name, DRAWN[:3], [40] * 3)
        write_video(tmp_path / "b.mp4", DRAWN, Fraction(25), audio_from=source)
        assert not probe(tmp_path / "b.mp4").has_audio


def test_missing_folders_are_made(tmp_path):
    write_video(tmp_path / "new" / "deep" / "a.mp4", DRAWN[:1], Fraction(25))
    assert probe(tmp_path / "new" / "deep" / "a.mp4").n_frames == 1


def _under_a_file(folder):
    (folder / "file").touch()
    return folder / "file" / "a.mp4"


def _a_folder(folder):
    (folder / "a.mp4").mkdir()
    return folder / "a.mp4"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (_under_a_file, "cannot be written"),
        (_a_folder, "is a folder"),
        (lambda folder: folder / "a.xyz", r"\.mp4"),
        (lambda folder: folder / "a.gif", r"\.mp4"),
    ],
    ids=["under a file", "a folder", "unknown ending", "ending of another codec"],
)
def test_a_place_that_cannot_be_written_is_refused_in_a_sentence(tmp_path, place, words):
    path = place(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=words) as refusal:
        write_video(path, DRAWN, Fraction(25))
    assert str(path) in str(refusal.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_no_file_appears_before_it_is_complete_or_after_a_failure(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_text("the old one")

    def failing():
        yield from DRAWN
        assert path.read_text() == "the old one"
        raise KeyError("the reader of the frames failed")

    with pytest.raises(KeyError):
        write_video(path, failing(), Fraction(25))
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_text() == "the old one"


def test_no_frames_make_no_file(tmp_path):
    with pytest.raises(OutputError, match="no frame to write"):
        write_video(tmp_path / "a.mp4", [], Fraction(25))
    assert list(tmp_path.iterdir()) == []


def test_frames_of_different_sizes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="differs in size"):
        write_video(tmp_path / "a.mp4", [DRAWN[0], DRAWN[0][:64]], Fraction(25))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_encoder_is_named(tmp_path):
    with pytest.raises(MissingExtraError, match="libx264_missing"):
        VideoWriter(tmp_path / "a.mp4", Fraction(25), codec="libx264_missing")
    assert list(tmp_path.iterdir()) == []
