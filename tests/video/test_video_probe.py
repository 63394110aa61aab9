"""What a file is, and why it cannot be read, with real files made here."""

from __future__ import annotations

import socket
from fractions import Fraction
from pathlib import Path

import av
import pytest

import media
from unmask.errors import UnreadableMediaError
from unmask.video.container import open_picture
from unmask.video.decode import Reader
from unmask.video.probe import probe


def test_29_97_stays_an_exact_fraction(tmp_path):
    info = probe(media.write_clip(tmp_path / "a.mp4", 30, fps=Fraction(30_000, 1001)))
    assert info.fps == Fraction(30_000, 1001)
    assert info.duration_s == pytest.approx(1.001)
    assert (info.kind, info.n_frames, info.codec, info.pixel_format) == (
        "video",
        30,
        "h264",
        "yuv420p",
    )
    assert not info.variable_frame_rate


@pytest.mark.parametrize("starts_s", [0.0, 1.0])
@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_sound_that_outlasts_the_picture_does_not_lengthen_it(tmp_path, ending, starts_s):
    sound = media.Sound(starts_s=starts_s, lasts_s=5.0)
    clip = media.write_clip(tmp_path / f"a.{ending}", 50, starts_s=starts_s, sound=sound)
    assert probe(clip).duration_s == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("ending", ["mkv", "ts", "flv"])
def test_the_rate_survives_containers_that_round_time_stamps(tmp_path, ending):
    info = probe(media.write_clip(tmp_path / f"a.{ending}", 40, fps=Fraction(30_000, 1001)))
    assert info.fps == Fraction(30_000, 1001)
    assert not info.variable_frame_rate
    assert info.duration_s == pytest.approx(40 * 1.001 / 30, abs=0.04)


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_variable_rate_is_noticed_and_averaged(tmp_path, ending):
    times = [0.04 * k + 0.013 * (k % 3) + (0.4 if k > 12 else 0) for k in range(30)]
    info = probe(media.write_clip(tmp_path / f"a.{ending}", 30, times_s=times))
    assert info.variable_frame_rate
    assert float(info.fps) == pytest.approx(29 / times[-1], rel=0.05)


def test_one_dropped_frame_makes_no_variable_rate(tmp_path):
    times = [0.04 * (k + (k > 30)) for k in range(100)]
    info = probe(media.write_clip(tmp_path / "a.mp4", 100, times_s=times))
    assert not info.variable_frame_rate
    assert info.fps == 25


@pytest.mark.parametrize("turn_deg", [0, 90, 180, 270])
def test_width_and_height_are_those_of_the_upright_picture(tmp_path, turn_deg):
    clip = media.write_clip(tmp_path / "a.mp4", 3, size=(128, 96), turn_deg=turn_deg)
    info = probe(clip)
    assert (info.rotation_deg, info.width_px, info.height_px) == (turn_deg, 128, 96)


def test_a_recording_without_a_duration_is_measured(tmp_path):
    clip = media.write_clip(tmp_path / "a.mkv", 50, container_options={"live": "1"})
    info = probe(clip)
    assert info.duration_s == pytest.approx(2.0)
    assert info.n_frames == 50


def test_a_stream_without_time_stamps_is_timed_by_its_rate(tmp_path):
    clip = media.write_clip(tmp_path / "a.h264", 50, fps=Fraction(25))
    info = probe(clip)
    assert (info.fps, info.duration_s) == (25, 2.0)
    times = [frame.t_s for frame in Reader(clip).all_frames()]
    assert times == pytest.approx([k / 25 for k in range(50)])


def test_a_clip_whose_clock_stands_still_is_timed_by_its_rate(tmp_path):
    clip = tmp_path / "a.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for rgb in media.numbered_frames(300):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts = 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    info = probe(clip)
    assert (info.fps, info.duration_s, info.n_frames) == (25, 12.0, 300)
    times = [frame.t_s for frame in Reader(clip).all_frames()]
    assert times == pytest.approx([k / 25 for k in range(300)])


def key_times(path: Path) -> list[float]:
    """When key frames are shown, by decoding everything."""
    with av.open(str(path)) as container:
        frames = list(container.decode(container.streams.video[0]))
    return [frame.time - frames[0].time for frame in frames if frame.key_frame]


@pytest.mark.parametrize("bframes", [0, 3])
def test_key_frames_are_known_where_the_container_lists_them_all(tmp_path, bframes):
    options = {"x264-params": f"keyint=40:scenecut=0:bframes={bframes}"}
    clip = media.write_clip(tmp_path / "a.mp4", 400, options=options)
    assert len(key_times(clip)) == 10
    assert probe(clip).key_times_s == pytest.approx(key_times(clip))
    half_listed = media.write_clip(tmp_path / "a.mkv", 400, options=options)
    assert probe(half_listed).key_times_s == ()  # beyond the packets that were looked at


def test_key_frames_of_a_trimmed_copy_count_from_its_first_shown_frame(tmp_path):
    options = {"x264-params": "keyint=40:scenecut=0:bframes=0"}
    whole = media.write_clip(tmp_path / "a.mp4", 400, options=options)
    trimmed = tmp_path / "b.mp4"
    with av.open(str(whole)) as source, av.open(str(trimmed), "w") as copy:
        stream = source.streams.video[0]
        out = copy.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                earlier = int(0.6 / stream.time_base)  # an edit list hides what begins before 0
                packet.pts, packet.dts = packet.pts - earlier, packet.dts - earlier
                packet.stream = out
                copy.mux(packet)
    shown = probe(trimmed)
    assert shown.key_times_s == pytest.approx([1.6 * k + 1.0 for k in range(9)])


def test_sound_is_announced(tmp_path):
    clip = media.write_clip(tmp_path / "a.mp4", 5, sound=media.Sound(rate_hz=44_100))
    assert (probe(clip).has_audio, probe(clip).audio_rate_hz) == (True, 44_100)
    assert not probe(media.write_clip(tmp_path / "b.mp4", 5)).has_audio


@pytest.mark.parametrize("name", ["with space.mp4", "日本語 ünï.mp4", "12:30.mp4", "%03d.mp4"])
def test_any_file_name_can_be_read(tmp_path, name):
    clip = media.write_clip(tmp_path / "plain.mp4", 5).rename(tmp_path / name)
    assert probe(clip).n_frames == 5
    assert len(list(Reader(clip).all_frames())) == 5


def test_a_name_that_looks_like_an_address_is_a_file(tmp_path, monkeypatch):
    media.write_clip(tmp_path / "plain.mp4", 5).rename(tmp_path / "concat:x.mp4")
    monkeypatch.chdir(tmp_path)
    assert probe(Path("concat:x.mp4")).n_frames == 5


def _text(path: Path) -> None:
    path.write_text("The quick brown fox jumps over the lazy dög.\n" * 200)


def _sound_only(path: Path) -> None:
    media.write_sound(path, media.Sound())


BAD_FILES = {
    "missing": (lambda path: None, "no such file"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "empty": (lambda path: path.touch(), "empty"),
    "text": (_text, "holds text"),
    "playlist": (lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\nother.ts\n"), "holds text"),
    "noise": (lambda path: path.write_bytes(bytes(range(256)) * 40), "neither a video nor"),
    "index lost": (lambda path: media.cut(media.write_clip(path, 60), 0.6), "lacks its index"),
    "index cut": (
        lambda path: media.cut(
            media.write_clip(path, 60, container_options={"movflags": "faststart"}), 0.06
        ),
        "index",
    ),
    "sound only": (_sound_only, "sound only"),
    "heic": (lambda path: path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), "HEIC"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(tmp_path, case):
    make, words = BAD_FILES[case]
    path = tmp_path / "file.mp4"
    make(path)
    with pytest.raises(UnreadableMediaError, match=words) as refusal:
        probe(path)
    assert str(path) in str(refusal.value)
    with pytest.raises(UnreadableMediaError, match=words):
        Reader(path)


def test_a_file_without_the_right_to_read_says_so(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    clip = media.write_clip(tmp_path / "a.mp4", 2)
    monkeypatch.setattr(Path, "open", refuse)  # chmod does not stop a superuser
    with pytest.raises(UnreadableMediaError, match="permission denied"):
        probe(clip)


def test_a_video_stream_with_nothing_decodable_is_refused(tmp_path):
    clip = media.write_clip(tmp_path / "a.mp4", 20, container_options={"movflags": "faststart"})
    data = clip.read_bytes()
    media_data = data.index(b"mdat") + 4
    clip.write_bytes(data[:media_data] + bytes(len(data) - media_data))
    with pytest.raises(UnreadableMediaError, match="not a single frame"):
        probe(clip)


def test_titles_in_old_encodings_do_no_harm(tmp_path):
    clip = media.write_clip(tmp_path / "a.mp4", 5)
    clip.write_bytes(clip.read_bytes().replace(b"VideoHandler", b"Vide\xf6Handler"))
    assert probe(clip).n_frames == 5


def test_no_file_makes_us_call_out(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x.ts"
        playlist = tmp_path / "a.mp4"
        playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{address}\n")
        with pytest.raises(UnreadableMediaError):
            probe(playlist)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    ("n_b_frames", "container_options", "by_header"),
    [
        (3, None, True),
        # Without a list of frames it is known that they are out of order, not how far.
        (3, {"movflags": "frag_keyframe+empty_moov"}, False),
        (0, None, False),
    ],
)
def test_a_header_is_enough_where_it_tells_the_order_of_frames(
    tmp_path, n_b_frames, container_options, by_header
):
    options = {"bf": str(n_b_frames)}
    clip = media.write_clip(
        tmp_path / "a.mp4", options=options, container_options=container_options
    )
    container, stream = open_picture(clip)
    with container:
        was_decoded = stream.codec_context.pix_fmt is not None
    assert was_decoded is not by_header
    with Reader(clip) as reader:
        assert [media.number_of(frame.rgb) for frame in reader.all_frames()] == list(range(30))
