"""Laws of forged twins and the demo clip, on files encoded at test time from NASA's portrait."""

import json
from fractions import Fraction
from importlib import resources
from pathlib import Path

import av
import numpy as np
import pytest

from unmask.errors import UnmaskError, UsageError
from unmask.faces.detect import FaceDetector
from unmask.forge.demo_clip import moving_portrait, portrait_clip
from unmask.forge.twin import Twin, forge_twin
from unmask.video import open_media
from unmask.video.encode import write_video

FPS = 10
N_FRAMES = 12
STEADY = 1.6  # most temporal change inside the mask, times the original's


@pytest.fixture(scope="session")
def detector():
    return FaceDetector()


@pytest.fixture(scope="session")
def portrait():
    """The portrait's head, 300 px."""
    with open_media(Path(str(resources.files("unmask") / "assets" / "astronaut.jpg"))) as reader:
        return next(reader.all_frames()).rgb[0:260, 80:380]


def with_sound(path: Path, frames: list[np.ndarray]) -> Path:
    """An .mp4 with an AAC tone, written by PyAV alone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=16000)
        sound.layout = "mono"
        for rgb in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(video.encode(None))
        tone = np.sin(np.arange(16000 * len(frames) // FPS) / 5).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.rate = 16000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory, portrait):
    frames = [f.rgb for f in moving_portrait(portrait, n_frames=N_FRAMES, fps=FPS, seed=0)]
    return with_sound(tmp_path_factory.mktemp("clips") / "ein Gesicht é.mp4", frames)


@pytest.fixture(scope="session", params=["self_blend", "swap", "reenact", "resynthesise"])
def twin(request, clip, detector, tmp_path_factory) -> Twin:
    folder = tmp_path_factory.mktemp(request.param)
    return forge_twin(
        clip,
        folder / "fake.mp4",
        method=request.param,
        seed=1,
        real_out=folder / "real.mp4",
        detector=detector,
    )


def pictures(path: Path) -> np.ndarray:
    with open_media(path) as reader:
        return np.stack([frame.rgb for frame in reader.all_frames()]).astype(np.float32)


def times(path: Path) -> list[float]:
    with open_media(path) as reader:
        return [frame.t_s for frame in reader.all_frames()]


def sound_packets(path: Path) -> list[tuple[float, bytes]]:
    """Packets that start while there is a picture, with their times."""
    end_s = N_FRAMES / FPS
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        timed = [(float(packet.pts * packet.time_base), bytes(packet)) for packet in packets]
    return [(t_s, data) for t_s, data in timed if t_s < end_s]


def test_a_twin_has_the_frames_times_size_and_sound_of_its_original(twin, clip):
    for path in (twin.path, twin.real_path):
        np.testing.assert_allclose(times(path), times(clip), atol=1e-4)
        assert pictures(path).shape == pictures(clip).shape
        assert sound_packets(path) == sound_packets(clip) != []
    np.testing.assert_allclose(times(twin.mask_path), times(clip), atol=1e-4)


def test_only_what_lies_under_the_mask_is_forged(twin):
    fake, real, mask = map(pictures, (twin.path, twin.real_path, twin.mask_path))
    change = np.abs(fake - real).mean(axis=-1)
    outside, inside = mask[..., 0] < 2, mask[..., 0] > 150
    assert 0.02 < inside.mean() < 0.5
    assert change[outside].mean() < 1  # the encoder's share
    assert change[inside].mean() > 2


def test_a_twin_is_as_steady_as_its_original(twin):
    if twin.method == "reenact":
        pytest.skip("is made to move; see test_forge_steadiness")
    fake, real, mask = map(pictures, (twin.path, twin.real_path, twin.mask_path))
    inside = (mask[..., 0] > 150).all(axis=0)
    outside = (mask[..., 0] < 2).all(axis=0)
    moved, moved_real = (np.abs(np.diff(p, axis=0)).mean(axis=(0, 3)) for p in (fake, real))
    assert moved[outside].mean() == pytest.approx(moved_real[outside].mean(), rel=0.1)
    assert moved[inside].mean() < STEADY * moved_real[inside].mean()


def test_encoder_and_container_do_not_give_the_label_away(twin):
    def facts(path: Path) -> tuple:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            context = stream.codec_context
            return (
                *(context.name, context.profile, context.pix_fmt, context.extradata),
                *(stream.time_base, stream.average_rate, context.color_range),
                *(sorted(container.metadata.items()), sorted(stream.metadata.items())),
            )

    assert facts(twin.path) == facts(twin.real_path)


def test_the_label_file_says_what_was_done(twin, clip):
    fake = json.loads(twin.label_path.read_text())
    assert fake["schema"] == "unmask.forged/1"
    assert (fake["path"], fake["label"], fake["method"]) == ("fake.mp4", 1, twin.method)
    assert fake["seed"] == 1
    assert fake["source"] == str(clip)
    assert (twin.path.parent / fake["mask"]).is_file()
    assert fake["params"]["crf"] > 0
    assert len(fake["params"]) > 2
    assert (fake["picture_label"], fake["audio_label"]) == (1, None)
    assert fake["spans_s"][0][0] == pytest.approx(0, abs=1 / FPS)
    real = json.loads((twin.path.parent / "real.json").read_text())
    assert (real["path"], real["label"], real["method"]) == ("real.mp4", 0, "original")


def test_the_same_seed_makes_the_same_twin_and_another_seed_another(clip, detector, tmp_path):
    made = [
        forge_twin(clip, tmp_path / f"{n}.mp4", seed=seed, detector=detector)
        for n, seed in enumerate((4, 4, 5))
    ]
    first, again, other = (pictures(twin.path) for twin in made)
    # Some builds of x264 are not exactly repeatable, by a few levels here and there.
    assert np.abs(first - again).mean() < 0.3
    assert np.abs(first - other).mean() > 1
    assert made[0].params == made[1].params != made[2].params


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30000, 1001), None])
def test_odd_rates_and_irregular_times_are_kept(rate, portrait, detector, tmp_path):
    irregular = [0.0, 0.1, 0.15, 0.4, 0.5, 0.52, 0.8]
    frames = [f.rgb for f in moving_portrait(portrait, n_frames=7, fps=FPS, seed=0)]
    source = tmp_path / "source.mp4"
    write_video(source, frames, rate or Fraction(10), times_s=None if rate else irregular)
    twin = forge_twin(source, tmp_path / "fake.mp4", detector=detector)
    np.testing.assert_allclose(times(twin.path), times(source), atol=1e-4)
    with open_media(source) as original, open_media(twin.path) as forged:
        assert forged.info.variable_frame_rate == original.info.variable_frame_rate
        if rate:
            assert float(forged.info.fps) == pytest.approx(float(rate), rel=1e-4)


def test_a_clip_without_a_face_is_an_error_and_leaves_nothing_behind(detector, tmp_path):
    source = tmp_path / "wall.mp4"
    write_video(source, [np.full((64, 96, 3), 90, np.uint8)] * 5, Fraction(5))
    folder = tmp_path / "out"
    with pytest.raises(UnmaskError, match=r"wall\.mp4: no face was found"):
        forge_twin(source, folder / "fake.mp4", detector=detector)
    assert not folder.exists()


def test_requests_that_make_no_sense_are_refused(clip, tmp_path):
    out = tmp_path / "fake.mp4"
    with pytest.raises(UsageError, match="overwrite"):
        forge_twin(clip, clip)
    with pytest.raises(UsageError, match=r"real\.mp4: would overwrite"):
        forge_twin(tmp_path / "real.mp4", out, real_out=tmp_path / "real.mp4")
    with pytest.raises(UsageError, match=r"fake\.mp4: would overwrite"):
        forge_twin(clip, out, real_out=out)
    with pytest.raises(UsageError, match="donor"):
        forge_twin(clip, out, donor=clip)
    with pytest.raises(UsageError, match=r"\.mp4"):
        forge_twin(clip, tmp_path / "fake.avi")
    with pytest.raises(UsageError, match="no forging method"):
        forge_twin(clip, out, method="melt")
    with pytest.raises(UsageError, match="still picture"):
        forge_twin(Path(str(resources.files("unmask") / "assets" / "astronaut.jpg")), out)


def test_the_portrait_clip_is_a_short_real_video_of_a_face(detector, tmp_path):
    portrait = Path(str(resources.files("unmask") / "assets" / "astronaut.jpg"))
    out = portrait_clip(portrait, tmp_path / "clip.mp4", seconds=0.6, fps=10)
    with open_media(out) as reader:
        info = reader.info
        frames = [frame.rgb for frame in reader.all_frames()]
    assert (info.codec, info.fps, len(frames)) == ("h264", 10, 6)
    assert frames[0].shape[0] % 2 == frames[0].shape[1] % 2 == 0
    change = np.abs(np.diff(np.stack(frames).astype(np.float32), axis=0)).mean(axis=(1, 2, 3))
    assert change.min() > 0.2  # it moves
    assert change.max() < 15  # gently
    assert all(detector.detect([frames[0], frames[-1]]))


def test_the_moving_camera_never_shows_the_edge_of_the_still():
    """The still has a white frame just inside what the camera crops away."""
    still = np.zeros((200, 200, 3), np.uint8)
    still[:3] = still[-3:] = 255
    still[:, :3] = still[:, -3:] = 255
    for frame in moving_portrait(still, n_frames=60, fps=2, seed=3):
        assert frame.rgb.max() < 60


def test_a_clip_of_no_frames_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no frame"):
        portrait_clip(tmp_path / "x.jpg", tmp_path / "x.mp4", seconds=0)
