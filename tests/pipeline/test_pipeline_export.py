"""Laws of exporting: the folder answers as the checkpoint does, or is not written."""

import json
from dataclasses import dataclass

import numpy as np
import onnxruntime
import pytest

from face_clips import write_walk
from unmask.datasets.learned import read_learned
from unmask.errors import CheckpointError, OutputError, UsageError
from unmask.models import create
from unmask.models.checkpoint import GRAPH, METADATA, packaged, read_checkpoint
from unmask.models.export import export_onnx
from unmask.openvino_core import openvino_core
from unmask.pipeline import integers
from unmask.pipeline.detector import load
from unmask.pipeline.exporting import export
from unmask.pipeline.integers import compare, quantised
from unmask.pipeline.runtime import OpenVinoRuntime
from unmask.types import Batch, Calibration, Output, Thresholds

FORMS = [("onnx", "f32"), ("openvino", "f32"), ("openvino", "bf16")]


def logits(model, clip):
    report = load(model, backend="openvino").scan(clip, n_frames=4)
    return report, np.array([score.logit for track in report.tracks for score in track.scores])


@pytest.fixture(scope="module")
def source(tiny_checkpoint):
    return read_checkpoint(tiny_checkpoint)


@pytest.fixture(scope="module", params=FORMS, ids=" ".join)
def exported(request, source, tmp_path_factory):
    form, precision = request.param
    out = tmp_path_factory.mktemp("exported") / form
    assert export(source, out, form=form, precision=precision) is None
    return out, precision


def test_an_exported_folder_answers_as_its_checkpoint_does(exported, tiny_checkpoint, face_clip):
    out, precision = exported
    wanted_report, wanted = logits(tiny_checkpoint, face_clip)
    report, found = logits(out, face_clip)
    assert report.verdict == wanted_report.verdict
    assert report.model.thresholds == wanted_report.model.thresholds
    assert len(wanted) == 4
    bound = 0.03 if "bf16" in (wanted_report.model.runtime + report.model.runtime) else 1e-4
    np.testing.assert_allclose(found, wanted, rtol=0, atol=bound)
    if precision == "f32":
        assert report.model.runtime == "openvino f32"


def test_all_that_tells_how_to_ask_travels_along(exported, source):
    out, precision = exported
    meta = read_checkpoint(out).meta
    assert meta.precision == precision
    changed = {"precision", "sha256"}
    assert meta.model_dump(exclude=changed) == source.meta.model_dump(exclude=changed)
    assert set(meta.sha256) == {file.name for file in out.iterdir()} - {METADATA}


def test_what_it_learned_from_and_was_fitted_on_is_known_of_every_form(tmp_path):
    shipped = read_checkpoint(packaged("default"))
    export(shipped, tmp_path / "out", form="openvino")
    records = [name for name in shipped.meta.sha256 if name.endswith(".txt")]
    assert len(records) == 2
    for name in records:
        assert (tmp_path / "out" / name).read_bytes() == (shipped.folder / name).read_bytes()
    assert read_learned(tmp_path / "out") == read_learned(shipped.folder)


def test_a_damaged_part_of_the_graph_is_refused(source, tmp_path):
    export(source, tmp_path / "out", form="openvino")
    weights = bytearray((tmp_path / "out" / "model.bin").read_bytes())
    weights[100] ^= 1
    (tmp_path / "out" / "model.bin").write_bytes(weights)
    with pytest.raises(CheckpointError, match=r"model\.bin"):
        load(tmp_path / "out")


def test_bf16_halves_a_graph(source, tmp_path):
    sizes = []
    for precision in ("f32", "bf16"):
        export(source, tmp_path / precision, form="openvino", precision=precision)
        sizes.append((tmp_path / precision / "model.bin").stat().st_size)
    assert 0.45 < sizes[1] / sizes[0] < 0.65


def test_onnx_is_read_by_another_tool(source, tmp_path, tiny_detector, face_clip):
    export(source, tmp_path / "out", form="onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    (batch,) = tiny_detector.batches(face_clip, n_frames=3)
    wanted = OpenVinoRuntime(tmp_path / "out" / "model.onnx", "f32")(batch).logit
    (found,) = session.run(["logit"], {"frames": batch.frames})
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "onnx", "precision": "int8"}, "--format openvino"),
        ({"form": "openvino", "precision": "int8"}, "two or more"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything_is_written(
    source, tmp_path, options, message
):
    with pytest.raises(UsageError, match=message):
        export(source, tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_as_it_is(source, tmp_path):
    kept = tmp_path / "out" / "thesis.txt"
    kept.parent.mkdir()
    kept.write_text("years of work")
    with pytest.raises(OutputError, match="not an empty folder"):
        export(source, kept.parent, form="onnx")
    assert kept.read_text() == "years of work"


def test_an_export_is_not_exported_again_for_it_has_lost_what_it_takes(source, tmp_path):
    export(source, tmp_path / "once", form="openvino", precision="bf16")
    with pytest.raises(UsageError, match="was itself exported"):
        export(read_checkpoint(tmp_path / "once"), tmp_path / "twice", form="onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["once"]


@dataclass
class Fixed:
    """A network whose logits are known."""

    logits: list[float]
    name: str = "fixed"

    def __call__(self, batch):
        return Output(logit=np.array([self.logits[int(batch.frames[0])]]))


def test_agreement_is_that_of_a_hand_count():
    """p = sigmoid(2 logit): .5, .88, .12 and .98 against .5, .95, .12 and .5."""
    clips = [Batch(frames=np.array([k])) for k in range(4)]
    exact, other = Fixed([0.0, 1.0, -1.0, 2.0]), Fixed([0.0, 1.5, -1.0, 0.0])
    p = 1 / (1 + np.exp(-2 * np.array([exact.logits, other.logits])))
    thresholds = Thresholds(fake=0.9, real=0.4, unit="image")
    found = compare(exact, other, clips, Calibration(slope=2.0), thresholds)
    assert found.n_clips == 4
    assert found.changed_sides == 0.5  # the second and the fourth
    assert found.most_logit == 2.0
    assert found.most_p_fake == pytest.approx(abs(p[0] - p[1]).max())
    assert found.mean_p_fake == pytest.approx(abs(p[0] - p[1]).mean())
    assert not found.is_close
    assert compare(exact, exact, clips, Calibration(), None).is_close


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    return [write_walk(folder / f"{k}.mp4", 3 + k) for k in range(2)]


@pytest.mark.slow
def test_depthwise_kernels_are_quantised_channel_by_channel(tmp_path):
    """Quantised otherwise, as by their columns, they stay in floats when the graph is run."""
    pytest.importorskip("nncf")
    export_onnx(create("xception"), tmp_path / GRAPH)
    clip = Batch(frames=np.zeros((1, 1, 3, 299, 299), np.float32))
    model = quantised(openvino_core().read_model(str(tmp_path / GRAPH)), [clip])
    depthwise = [node for node in model.get_ops() if node.get_type_name() == "GroupConvolution"]
    assert len(depthwise) == 34  # two or three in each of Xception's twelve blocks, and two more
    for node in depthwise:
        kernel = node.input_value(1).get_node()
        assert kernel.get_type_name() == "Multiply", "integers times the size of a step"
        n_channels, *others = kernel.input_value(1).get_shape()
        assert n_channels == node.get_output_partial_shape(0)[1].get_length()
        assert set(others) == {1}


@pytest.mark.slow
def test_integers_that_change_verdicts_are_refused_and_leave_nothing(
    source, faces, tmp_path, monkeypatch
):
    pytest.importorskip("nncf")
    monkeypatch.setattr(integers, "MEAN_LIMIT", -1.0)
    with pytest.raises(CheckpointError, match="int8 would change its answers"):
        export(source, tmp_path / "out", form="openvino", precision="int8", faces=faces)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_integers_tell_how_exact_they_are_and_scan(source, faces, tmp_path, monkeypatch, capsys):
    pytest.importorskip("nncf")
    monkeypatch.setattr(integers, "SIDES_LIMIT", 1.0)
    out = tmp_path / "out"
    agreement = export(source, out, form="openvino", precision="int8", faces=faces)
    assert capsys.readouterr().out == "", "progress is no data"
    assert agreement.n_clips == 4
    told = json.loads((out / METADATA).read_text())["metrics"]["int8_against_f32"]
    assert told["n_clips"] == 4
    report, found = logits(out, faces[1])
    assert report.model.runtime == "openvino int8"
    _, wanted = logits(source.folder, faces[1])
    assert np.abs(found - wanted).max() < 1
    assert (found != wanted).any()
