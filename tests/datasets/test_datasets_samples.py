"""Laws of the examples and of the batches made of them."""

from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from drawn_faces import drawn_face, rows_of, write_parquet

from unmask.clips.tensors import make_batch
from unmask.clips.windows import clip_windows
from unmask.datasets.augment import AugmentConfig
from unmask.datasets.loader import batches, n_batches, ordered
from unmask.datasets.samples import (
    DataConfig,
    DrawnSamples,
    PlainSamples,
    open_samples,
    open_source,
)
from unmask.datasets.sources import WholeTracks
from unmask.errors import ConfigError, DataError
from unmask.forge.selfblend import SelfBlendConfig
from unmask.types import Face, FaceQuality, InputSpec, Track

SPEC = InputSpec(size_px=48, alignment="dlib")
STILL = AugmentConfig(
    p_flip=0, p_move=0, p_light=0, p_colour=0, p_grey=0, p_blur=0, p_resample=0, p_noise=0,
    p_jpeg=0, p_cutout=0,
)  # fmt: skip
# Of every self-blend the source is altered, fully blended in: it differs from its real twin.
STRONG = SelfBlendConfig(augment_target=0.0, ratios=(1.0,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("crops")
    write_parquet(path / "train.parquet", rows_of(30, fakes_each=2))
    write_parquet(path / "val.parquet", rows_of(5, first=200))
    return path


@pytest.fixture
def config(folder):
    return DataConfig(paths=(folder,), calib_share=0.2)


class Tracks(WholeTracks):
    """Tracks in memory, as a scan would find them: tilted faces off the crop's corner."""

    def __init__(self, n_tracks, n_faces):
        rng = np.random.default_rng(5)
        self.labels = np.arange(n_tracks, dtype=np.int8) % 2
        self.originals = [f"o{k // 2}" for k in range(n_tracks)]
        self.tracks = [
            Track(id=k, faces=tuple(self._face(rng, k, t) for t in range(n_faces)))
            for k in range(n_tracks)
        ]

    @staticmethod
    def _face(rng, seed, t):
        landmarks = np.array([(30, 29), (70, 31), (50, 50), (34, 75), (66, 74)]) + rng.normal(
            0, 3, (5, 2)
        )
        return Face(
            t_s=t / 10,
            box_xyxy_px=(220.0, 110.0, 300.0, 200.0),
            landmarks_px=(landmarks * 0.9 + (205, 102)).astype(np.float32),
            confidence=0.99,
            crop=drawn_face(seed * 100 + t, 130),
            crop_origin_px=(200, 95),
            quality=FaceQuality(size_px=80.0, sharpness=50.0, yaw=0.0, roll_deg=2.0),
        )

    def __len__(self):
        return len(self.tracks)

    def take(self, rows):
        raise NotImplementedError

    def track(self, row):
        return self.tracks[row]

    def digest(self):
        return ""


@pytest.mark.parametrize("alignment", ["box", "dlib", "eyes"])
@pytest.mark.parametrize("n_frames", [1, 4])
def test_training_and_scanning_see_the_same_pixels(alignment, n_frames):
    source = Tracks(6, n_frames)
    spec = InputSpec(size_px=64, alignment=alignment, n_frames=n_frames, margin=0.1)
    plain = PlainSamples(source=source, input_spec=spec)
    trained_on = np.concatenate([batch.frames for batch in ordered(plain, 4)])
    clips = [clip.faces for k in range(6) for clip in clip_windows(source.track(k), spec)]
    scanned = make_batch(clips, spec).frames
    assert trained_on.tobytes() == scanned.tobytes()


def test_drawn_samples_without_augmentation_see_the_same_pixels_too():
    source = Tracks(8, 1)
    drawn = DrawnSamples(source, SPEC, DataConfig(augment=STILL, forged_share=0.0))
    for index in range(len(drawn)):
        views, _ = drawn.get(index, 3)
        scanned = make_batch([source.track(drawn.pick(index, 3).row).faces], SPEC).frames[0]
        assert make_batch_of(views).tobytes() == scanned.tobytes()


def make_batch_of(views):
    from unmask.clips.tensors import normalise

    return normalise(views, SPEC)


def test_train_calib_and_val_share_no_recording(config):
    sides = [
        set(open_samples(config, SPEC, split).source.originals)
        for split in ("train", "calib", "val")
    ]
    assert all(sides)
    assert not sides[0] & sides[1]
    assert not sides[2] & (sides[0] | sides[1])
    undivided = open_samples(config, SPEC, "all").source.originals
    assert set(undivided) == sides[0] | sides[1]


@pytest.mark.parametrize("forged_share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("real_repeat", [1, 3])
def test_an_epoch_is_balanced_and_shows_every_real_equally_often(config, forged_share, real_repeat):
    config = replace(config, forged_share=forged_share, real_repeat=real_repeat)
    samples = open_samples(config, SPEC, "train")
    picks = [samples.pick(index, 1) for index in range(len(samples))]
    kinds = Counter(pick.kind for pick in picks)
    assert kinds["real"] == kinds["forged"] + kinds["fake"] == len(samples) // 2
    assert kinds["forged"] == round(forged_share * kinds["real"])
    reals = Counter(pick.row for pick in picks if pick.kind == "real")
    assert set(reals.values()) == {real_repeat}
    assert len(reals) == (samples.source.labels == 0).sum()


def test_fakes_on_disk_take_turns_over_the_epochs(config):
    samples = open_samples(config, SPEC, "train")
    shown = Counter(
        pick.row
        for epoch in range(12)
        for pick in (samples.pick(index, epoch) for index in range(len(samples)))
        if pick.kind == "fake"
    )
    assert len(shown) == (samples.source.labels == 1).sum()
    assert max(shown.values()) - min(shown.values()) <= 1


@pytest.mark.parametrize("order", ["any", "lone"])
@pytest.mark.parametrize("repeat", [1, 3])
def test_reals_without_a_fake_are_forged_as_often_as_they_are_shown(tmp_path, repeat, order):
    rows = rows_of(20) + [(0, f"lone{k}", f"lone{k}") for k in range(6)]
    write_parquet(tmp_path / "train.parquet", rows)
    config = DataConfig(
        paths=(tmp_path,), calib_share=0.0, forged_share=0.4, real_repeat=repeat, forge_first=order
    )
    samples = open_samples(replace(config, calib_share=0.0), SPEC, "train")
    names, forged, shown = samples.source.originals, Counter(), Counter()
    for epoch in range(5):
        for pick in (samples.pick(index, epoch) for index in range(len(samples))):
            {"forged": forged, "real": shown}.get(pick.kind, Counter())[names[pick.row]] += 1
    assert set(shown.values()) == {5 * repeat}
    assert forged.total() == 5 * round(0.4 * 26 * repeat)
    lone = {forged[name] for name in shown if name.startswith("lone")}
    assert (lone == {5 * repeat}) == (order == "lone")
    assert len(forged) > 6 + 4  # the others take turns in what is left


def test_too_small_a_share_to_forge_what_has_no_fake_is_refused(tmp_path):
    rows = rows_of(20) + [(0, f"lone{k}", f"lone{k}") for k in range(6)]
    write_parquet(tmp_path / "train.parquet", rows)
    config = DataConfig(paths=(tmp_path,), forged_share=0.1, forge_first="lone")
    with pytest.raises(DataError, match=r"6 of 26 .* data\.forged_share to 0\.23"):
        DrawnSamples(open_source(config), SPEC, config)


def test_only_reals_are_forged_and_the_label_says_what_was_done(config):
    samples = open_samples(replace(config, augment=STILL, self_blend=STRONG), SPEC, "train")
    labels, plain = samples.source.labels, PlainSamples(source=samples.source, input_spec=SPEC)
    for index in range(len(samples)):
        pick, (views, label) = samples.pick(index, 0), samples.get(index, 0)
        on_disk, _ = plain.get(pick.row)
        assert label == (pick.kind != "real")
        assert labels[pick.row] == (pick.kind == "fake")  # a self-blend is never made of a fake
        assert (views != on_disk).any() == (pick.kind == "forged")


def test_a_forged_face_and_its_real_twin_share_what_was_done_to_both(config):
    # The target is always altered, the blend has no strength: the fake is its real twin.
    nothing_blended = SelfBlendConfig(augment_target=1.0, ratios=(0.0,))
    config = replace(config, augment=STILL, self_blend=nothing_blended)
    samples = open_samples(config, SPEC, "train")
    half, plain = len(samples) // 2, PlainSamples(source=samples.source, input_spec=SPEC)
    twins = [i for i in range(half, 2 * half) if samples.pick(i, 0).kind == "forged"]
    for index in twins:
        row = samples.pick(index, 0).row
        assert samples.pick(index - half, 0).row == row
        (fake, _), (real, _) = samples.get(index, 0), samples.get(index - half, 0)
        np.testing.assert_array_equal(fake, real)
        assert (real != plain.get(row)[0]).any()


def test_all_frames_of_a_clip_are_treated_alike(config):
    # One face three times: whatever happens to it must happen to all three.
    spec = replace(SPEC, n_frames=3)
    samples = open_samples(config, spec, "train")
    differing = []
    for index in range(len(samples)):
        views, _ = samples.get(index, 0)
        assert views.shape == (3, 48, 48, 3)
        np.testing.assert_array_equal(views[1:], views[:-1])
        differing.append(views[0].tobytes())
    assert len(set(differing)) == len(samples)


def test_the_same_index_differs_between_epochs_and_seeds_and_nothing_else(config):
    samples = open_samples(config, SPEC, "train")
    again = open_samples(config, SPEC, "train")
    other = open_samples(replace(config, seed=1), SPEC, "train")
    for index in range(0, len(samples), 5):
        views, _ = samples.get(index, 4)
        np.testing.assert_array_equal(views, again.get(index, 4)[0])
        assert (views != samples.get(index, 5)[0]).any()
        assert (views != other.get(index, 4)[0]).any()


def test_one_face_is_augmented_anew_in_every_epoch():
    samples = DrawnSamples(Tracks(2, 1), SPEC, DataConfig(forged_share=0.0))
    views = [samples.get(index, epoch)[0].tobytes() for index in range(2) for epoch in range(10)]
    assert len({samples.pick(0, epoch).row for epoch in range(10)}) == 1
    assert len(set(views)) == 20


def stream(samples, **settings):
    return [
        (b.frames.tobytes(), b.label.tobytes()) for b in batches(samples, 8, seed=3, **settings)
    ]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_number_of_workers_changes_nothing(config, workers):
    samples = open_samples(config, SPEC, "train")
    assert stream(samples, epoch=2, workers=workers) == stream(samples, epoch=2)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_epoch_goes_on_where_it_stopped(config, workers):
    samples = open_samples(config, SPEC, "train")
    whole = stream(samples, epoch=1)
    assert len(whole) == n_batches(samples, 8) == len(samples) // 8
    for start in (1, 3, len(whole)):
        assert stream(samples, epoch=1, start_batch=start, workers=workers) == whole[start:]


def test_epochs_are_shuffled_differently_and_show_each_index_once(config):
    samples = Recorder(40)
    orders = []
    for epoch in (0, 1):
        samples.asked.clear()
        batches_made = list(batches(samples, 8, seed=0, epoch=epoch))
        assert len(batches_made) == 5
        orders.append([index for index, asked_epoch in samples.asked if asked_epoch == epoch])
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(40))


class Recorder:
    """Samples that remember what was asked of them."""

    input_spec = SPEC

    def __init__(self, n):
        self.n, self.asked = n, []

    def __len__(self):
        return self.n

    def get(self, index, epoch):
        if index < 0:
            raise DataError("the image of video 'x' is damaged")
        self.asked.append((index, epoch))
        return np.zeros((1, 4, 4, 3), np.uint8), float(index % 2)


def test_ordered_batches_end_with_what_is_left():
    made = list(ordered(Recorder(10), 4, workers=2))
    assert [batch.size for batch in made] == [4, 4, 2]
    assert np.concatenate([batch.label for batch in made]).tolist() == [0, 1] * 5
    assert made[0].label.dtype == np.float32


def test_leaving_early_stops_the_workers():
    import threading

    samples = Recorder(10_000)
    few = list(islice(stream_of := ordered(samples, 4, workers=3), 2))
    stream_of.close()
    assert len(few) == 2
    assert len(samples.asked) < 100
    assert not [t for t in threading.enumerate() if t.name.startswith("unmask-loader")]


def test_what_goes_wrong_in_a_worker_is_raised_where_batches_are_used():
    samples = Recorder(8)
    samples.get = lambda index, epoch: Recorder.get(samples, -1, epoch)
    with pytest.raises(DataError, match="damaged"):
        list(ordered(samples, 4, workers=2))


def test_a_limit_takes_some_of_the_rows(config):
    assert 10 <= len(open_source(replace(config, limit=10))) <= 12


def test_what_cannot_be_drawn_is_said(folder, tmp_path):
    write_parquet(tmp_path / "train.parquet", [(0, f"r{k}", f"r{k}") for k in range(40)])
    reals = DataConfig(paths=(tmp_path,))
    with pytest.raises(DataError, match="forged_share = 1"):
        open_samples(reals, SPEC, "train")
    assert len(open_samples(replace(reals, forged_share=1.0), SPEC, "train")) > 0
    with pytest.raises(DataError, match="no data was named"):
        open_samples(DataConfig(), SPEC, "train")
    for wrong in ({"calib_share": 1.5}, {"forged_share": -0.1}, {"limit": 0}, {"real_repeat": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            DataConfig(paths=(folder,), **wrong)
    with pytest.raises(IndexError):
        open_samples(DataConfig(paths=(folder,)), SPEC, "train").get(10**6, 0)
