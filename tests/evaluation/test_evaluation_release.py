"""A released checkpoint is what was measured: rounded weights, their graph, thresholds, a card."""

from __future__ import annotations

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from unmask.config import plain
from unmask.datasets.dataconfig import DataConfig
from unmask.errors import CheckpointError
from unmask.evaluation.card import card
from unmask.evaluation.exam import Wanted
from unmask.evaluation.open_exam import open_exam
from unmask.evaluation.release import release
from unmask.evaluation.scoring_pass import score_cases
from unmask.models import create
from unmask.models.weights import load_network, save_checkpoint
from unmask.pipeline.runtime import OpenVinoRuntime, TorchRuntime
from unmask.training.recipe import Recipe

TINY = {"size_px": 32, "groups": ((4, 1), (8, 1)), "depth": 1, "heads": 2, "expert_hidden": 4}


def write_faces(path, recordings: range) -> None:
    """Grey reals and, of each, a slightly redder fake: something any network can be pointed at."""
    rng = np.random.default_rng(recordings.start)
    rows: dict[str, list] = {"image": [], "label": [], "video": [], "original": []}
    for k in recordings:
        grey = rng.normal(120, 30, (40, 40, 1)).repeat(3, 2)
        for label in (0, 1):
            picture = np.clip(grey + rng.normal(0, 10, 3) + (0, 0, 25 * label), 0, 255)
            rows["image"].append(cv2.imencode(".jpg", picture.astype(np.uint8))[1].tobytes())
            rows["label"].append(label)
            rows["video"].append(f"v{k}-{label}")
            rows["original"].append(f"v{k}")
    table = pa.table({**rows, "label": pa.array(rows["label"], pa.int8())})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def rows_of(folder, runtime, spec, recipe=None):
    """What a runtime says of the faces set aside by a recipe, or else of the validation faces."""
    wanted = Wanted(spec=spec, part="calib" if recipe else "val")
    return score_cases(open_exam(folder / "faces", wanted, recipe=recipe).cases, runtime, spec)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    write_faces(folder / "faces" / "train.parquet", range(300))
    write_faces(folder / "faces" / "val.parquet", range(1000, 1060))
    recipe = Recipe(name="toy", system="dtn/small", data=DataConfig(calib_share=0.5))
    torch.manual_seed(0)
    network = create("dtn/small", **TINY).eval()
    scored = rows_of(folder, TorchRuntime(network, "cpu"), network.input_spec, plain(recipe))
    logit, label = scored.numbers("logit"), scored.numbers("label")
    if logit[label == 1].mean() < logit[label == 0].mean():
        with torch.no_grad():  # an untaught head points either way; point it towards fake
            network.head.weight.neg_()
            network.head.bias.neg_()
    save_checkpoint(
        folder / "trained",
        network,
        name="dtn/small",
        recipe=plain(recipe),
        data_digest="d" * 64,
        metrics={"calib": {}},
        licence="for tests",
    )
    return release(folder / "trained", folder / "faces", folder / "out"), folder


def test_the_shipped_graph_and_the_shipped_weights_are_the_same_network(released):
    checkpoint, folder = released
    graph = OpenVinoRuntime(checkpoint.graph, precision="f32")
    weights = TorchRuntime(load_network(checkpoint), "cpu")
    by_graph, by_weights = (
        rows_of(folder, runtime, checkpoint.meta.input_spec) for runtime in (graph, weights)
    )
    np.testing.assert_allclose(by_graph.numbers("logit"), by_weights.numbers("logit"), atol=1e-4)


def test_matrices_are_stored_in_half_precision_and_statistics_exactly(released):
    from safetensors.torch import load_file

    checkpoint, _ = released
    for key, value in load_file(checkpoint.weights).items():
        if value.is_floating_point():
            assert value.dtype == (torch.float16 if value.dim() > 1 else torch.float32), key


def test_thresholds_keep_their_promises_on_the_data_they_were_set_on(released):
    meta = released[0].meta
    calib, thresholds = meta.metrics["calib"], meta.thresholds
    assert calib["reals_called_fake"] <= 0.01
    assert calib["fakes_called_real"] <= 0.05
    assert thresholds.real <= thresholds.fake
    assert thresholds.unit == "image"


def test_the_rates_that_every_answer_repeats_are_held_out_ones(released):
    meta = released[0].meta
    reported, thresholds = meta.metrics["reported"], meta.thresholds
    assert reported["part"] == "val"
    assert thresholds.measured_on.startswith("val part of ")
    assert meta.calibration.measured_on.startswith("calib part of ")
    assert reported["reals_called_fake"] == thresholds.fake_fpr
    assert reported["reals_not_called_real"] == thresholds.real_fpr
    assert reported["fakes_called_real"] == thresholds.real_fnr


def test_the_card_repeats_what_the_checkpoint_says_and_names_no_path(released):
    checkpoint, folder = released
    text = card(checkpoint)
    assert f"{checkpoint.meta.metrics['reported']['auc']['value']:.3f}" in text
    assert all(digest in text for digest in checkpoint.meta.sha256.values())
    assert "unmeasured" in text
    assert str(folder) not in text
    assert str(folder) not in checkpoint.meta.model_dump_json()


def test_a_run_that_used_up_the_last_side_cannot_be_released(released, tmp_path):
    _, folder = released
    recipe = Recipe(name="toy", system="dtn/small", data=DataConfig(choose_on="val"))
    network = create("dtn/small", **TINY)
    save_checkpoint(tmp_path / "trained", network, name="dtn/small", recipe=plain(recipe))
    with pytest.raises(CheckpointError, match=r"data\.choose_on = share"):
        release(tmp_path / "trained", folder / "faces", tmp_path / "out")
    assert not (tmp_path / "out").exists()
