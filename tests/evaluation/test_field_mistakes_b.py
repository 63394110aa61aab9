"""Mistakes 3, 10 and 11 of the field's code, each impossible here: these tests fail if one is made.

3: chosen on the test set. 10: schedules that never step, epochs that are all alike, log loss of
logits. 11: splitting by file instead of by recording.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from handmade_scores import made

from unmask.datasets.manifest import ORIGINAL, Manifest, Video
from unmask.datasets.samples import DataConfig, DrawnSamples, open_samples
from unmask.datasets.splits import check_leaks, split_by_kin
from unmask.errors import DataError
from unmask.evaluation import metrics
from unmask.evaluation.fixing import fix
from unmask.evaluation.ranking import rank
from unmask.training.optim import cosine
from unmask.training.run import run_recipe
from unmask.types import InputSpec

# ---------------------------------------------------------------- 3: chosen on the test set


def test_mistake_3_thresholds_are_never_fixed_on_a_test_side():
    with pytest.raises(DataError, match="this is a test side"):
        fix(made(30), made(150, prefix="other"), level="video")


def test_mistake_3_thresholds_are_never_fixed_on_recordings_that_are_reported():
    validation = made(150, part="val", data="made val")  # the same people p0, p1, ...
    with pytest.raises(DataError, match="share 30 recordings"):
        fix(made(30), validation, level="video")


def test_mistake_3_turning_all_test_labels_round_moves_no_threshold():
    validation = made(150, prefix="v", part="val", data="made val")
    test = made(30)
    turned = replace(test, rows=tuple(replace(r, label=1 - r.label) for r in test.rows))
    one, other = (fix(s, validation, level="video").scores.header for s in (test, turned))
    assert one.thresholds is not None
    assert (one.thresholds, one.calibration) == (other.thresholds, other.calibration)


def write_faces(path, recordings: range, *, turned: bool = False) -> None:
    """Grey reals and redder fakes; `turned` swaps the labels."""
    rng = np.random.default_rng(recordings.start)
    rows: dict[str, list] = {"image": [], "label": [], "video": [], "original": []}
    for k in recordings:
        grey = rng.normal(120, 30, (32, 32, 1)).repeat(3, 2)
        for label in (0, 1):
            picture = np.clip(grey + np.array([0, 0, 25 * label]), 0, 255).astype(np.uint8)
            rows["image"].append(cv2.imencode(".jpg", picture)[1].tobytes())
            rows["label"].append(label ^ turned)
            rows["video"].append(f"v{k}-{label}")
            rows["original"].append(f"v{k}")
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({**rows, "label": pa.array(rows["label"], pa.int8())}), path)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    write_faces(folder / "train.parquet", range(60))
    write_faces(folder / "val.parquet", range(100, 120))
    return folder


STEPS = 6
TINY = (
    *("model.size_px=32", "model.groups=[[4,1],[8,1]]", "model.depth=1", "model.heads=2"),
    *("model.expert_hidden=4", "data.calib_share=0.4", "data.forged_share=0", "train.batch=8"),
    *(f"train.steps={STEPS}", "train.valid_every=2", "train.log_every=1", "train.warmup_steps=0"),
    *("train.schedule=cosine", "train.precision=32-true", "train.device=cpu"),
)


def trained(faces, folder):
    """A tiny network, learned for a few steps: how it ended, and what the run wrote down."""
    outcome, run = run_recipe(
        "dtn/small-dfdc", overrides=TINY, data_dir=faces, out_dir=folder / "run"
    )
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return outcome, run, log


@pytest.fixture(scope="module")
def first_run(faces, tmp_path_factory):
    return trained(faces, tmp_path_factory.mktemp("first"))


def test_mistake_3_training_gives_the_same_network_whatever_the_reported_labels_are(
    faces, first_run, tmp_path
):
    write_faces(tmp_path / "faces" / "val.parquet", range(100, 120), turned=True)
    (tmp_path / "faces" / "train.parquet").write_bytes((faces / "train.parquet").read_bytes())
    outcome, run, _ = trained(tmp_path / "faces", tmp_path)
    assert outcome.best_step == first_run[0].best_step
    assert (run / "best" / "weights.safetensors").read_bytes() == (
        first_run[1] / "best" / "weights.safetensors"
    ).read_bytes()


# ------------------------------------- 10: schedules, epochs, log loss on probabilities as logits


def test_mistake_10_the_learning_rate_follows_its_schedule_at_every_step(first_run):
    rates = [event["lr"] for event in first_run[2] if "lr" in event]
    assert len(rates) == STEPS
    wanted = [cosine(step, total=STEPS, floor=0.0) for step in range(STEPS)]
    assert [rate / rates[0] for rate in rates] == pytest.approx(
        [factor / wanted[0] for factor in wanted], rel=1e-3
    )
    assert all(later < earlier for earlier, later in pairwise(rates))


def test_mistake_10_every_epoch_draws_other_examples_in_another_order(faces):
    config = DataConfig(paths=(faces,), calib_share=0.4, forged_share=0.0)
    samples = open_samples(config, InputSpec(size_px=32), "train")
    assert isinstance(samples, DrawnSamples)
    epochs = [[samples.get(i, epoch)[0] for i in range(8)] for epoch in (0, 0, 1)]
    same = [np.array_equal(a, b) for a, b in zip(epochs[0], epochs[1], strict=True)]
    other = [np.array_equal(a, b) for a, b in zip(epochs[0], epochs[2], strict=True)]
    assert all(same)  # what is drawn follows from the epoch
    assert not any(other)  # and from nothing less


def test_mistake_10_log_loss_of_logits_is_refused_and_of_probabilities_is_that_of_their_logits():
    scores = made(20)
    logits = np.array([row.logit for row in scores.rows])
    label = np.array([row.label for row in scores.rows])
    with pytest.raises(DataError, match="no probabilities"):
        metrics.log_loss(rank(label, logits))
    at = scores.at("clip")
    by_hand = np.mean(
        [math.log1p(math.exp(-z if y else z)) for z, y in zip(logits, label, strict=True)]
    )
    assert metrics.log_loss(rank(at.label, at.p_fake)) == pytest.approx(by_hand)
    twice = 1 / (1 + np.exp(-at.p_fake))  # probabilities put through the sigmoid as if logits
    assert metrics.log_loss(rank(label, twice)) > 1.1 * by_hand


# ------------------------------------------------ 11: splitting by file instead of by recording


def pairs(n: int = 120) -> list[Video]:
    """A real and two fakes of every recording."""
    return [
        Video(
            id=f"made/{method}/{k}", path=f"{method}/{k}.mp4", dataset="made", method=method,
            label=int(method != ORIGINAL), sources=(f"s{k}",),
        )
        for k in range(n)
        for method in (ORIGINAL, "a", "b")
    ]  # fmt: skip


def test_mistake_11_a_fake_is_on_the_side_of_its_original():
    videos = split_by_kin(pairs())
    sides: dict[str, set] = {}
    for video in videos:
        sides.setdefault(video.sources[0], set()).add(video.split)
    assert all(len(found) == 1 for found in sides.values())
    assert {side for found in sides.values() for side in found} == {"train", "val", "test"}
    assert not check_leaks(Manifest(dataset="made", root=".", videos=tuple(videos)))


def test_mistake_11_a_split_by_file_is_found_and_refused():
    rng = np.random.default_rng(0)
    by_file = [replace(v, split=("train", "test")[int(rng.random() < 0.3)]) for v in pairs()]
    assert len(check_leaks(Manifest(dataset="made", root=".", videos=tuple(by_file)))) > 50


def test_mistake_11_who_knows_recordings_by_heart_gains_by_file_and_nothing_by_recording():
    """A detector that only remembers the look and the label of what it was shown."""
    rng = np.random.default_rng(1)
    files = [
        Video(
            id=f"made/{k}/{clip}", path=f"{k}/{clip}.mp4", dataset="made", label=k % 2,
            method=("swap" if k % 2 else ORIGINAL), sources=(f"s{k}",),
        )
        for k in range(200)
        for clip in range(4)
    ]  # fmt: skip
    look = {f"s{k}": rng.normal(size=8) for k in range(200)}
    seen = {video.id: look[video.sources[0]] + rng.normal(0, 0.1, 8) for video in files}

    def right(split: list[Video]) -> float:
        train = [video for video in split if video.split == "train"]
        test = [video for video in split if video.split == "test"]
        known = np.array([seen[video.id] for video in train])
        nearest = [int(((known - seen[video.id]) ** 2).sum(1).argmin()) for video in test]
        calls = np.array([train[place].label for place in nearest], float)
        return metrics.balanced_accuracy(rank([video.label for video in test], calls))

    by_file = [replace(v, split=("train", "test")[int(rng.random() < 0.3)]) for v in files]
    assert right(by_file) > 0.95
    assert abs(right(split_by_kin(files)) - 0.5) < 0.2
