"""Exported graphs: one file, any batch size, and nothing of the network they were made from.

And what they are for: every network, and its graph, scans a real video.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from cases import CASES, Case, batch, rows

from face_clips import write_walk
from media import Sound
from unmask.errors import UsageError
from unmask.models.base import Network
from unmask.models.checkpoint import (
    GRAPH,
    METADATA,
    OPENVINO_GRAPH,
    WEIGHTS,
    read_checkpoint,
    sha256,
)
from unmask.models.export import OPSET, as_function, export_onnx
from unmask.models.table import TABLE
from unmask.models.weights import add_graph, load_network, save_checkpoint
from unmask.pipeline.detector import Detector, load
from unmask.pipeline.exporting import export
from unmask.pipeline.runtime import OpenVinoRuntime, TorchRuntime
from unmask.types import Batch, Report

CASE = next(case for case in CASES if case.name == "dtn bare")  # the quickest to export


@pytest.fixture
def network() -> Network:
    return CASE.settled()


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported graph, alone in its folder."""
    file = tmp_path_factory.mktemp("graph") / "model.onnx"
    export_onnx(CASE.settled(), file)
    return file


def test_a_graph_does_not_tell_whose_files_it_was_made_from(graph: Path) -> None:
    assert b".py" not in graph.read_bytes()


def save(folder: Path, network: Network) -> None:
    save_checkpoint(folder, network, name=CASE.model)


def test_a_graph_names_its_inputs_and_outputs_and_has_a_free_batch_axis(graph: Path):
    assert [file.name for file in graph.parent.iterdir()] == ["model.onnx"], "weights lie outside"
    model = onnx.load(graph)
    onnx.checker.check_model(model)
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    size = CASE.network().input_spec.size_px
    assert list(shapes) == ["frames", "logit", "cam"]
    assert shapes["frames"][1:] == [1, 3, size, size]
    batch_axis = {shape[0] for shape in shapes.values()}
    assert len(batch_axis) == 1
    assert isinstance(batch_axis.pop(), str), "the batch axis is a constant"
    assert [o.version for o in model.opset_import if o.domain == ""] == [OPSET]


def test_exporting_leaves_the_network_as_it_was(network: Network, tmp_path: Path):
    network.train().to(torch.bfloat16)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    export_onnx(network, tmp_path / "model.onnx")
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    model = onnx.load(tmp_path / "model.onnx")
    assert {i.type.tensor_type.elem_type for i in model.graph.input} == {onnx.TensorProto.FLOAT}


def test_a_graph_is_recorded_with_its_hash_and_dies_with_its_weights(
    network: Network, tmp_path: Path
):
    save(tmp_path, network)
    assert read_checkpoint(tmp_path).graph is None
    checkpoint = add_graph(tmp_path)
    assert checkpoint.graph == tmp_path / GRAPH
    assert checkpoint.meta.sha256 == {
        WEIGHTS: sha256(tmp_path / WEIGHTS),
        GRAPH: sha256(tmp_path / GRAPH),
    }
    assert read_checkpoint(tmp_path).meta == checkpoint.meta
    save(tmp_path, CASE.settled(seed=5))
    assert read_checkpoint(tmp_path).graph is None
    assert {file.name for file in tmp_path.iterdir()} == {METADATA, WEIGHTS}


def test_a_checkpoint_kept_in_half_precision_has_such_a_graph_with_its_answers(
    network: Network, tmp_path: Path
):
    clips = batch(network.input_spec, 3)
    plain, answers, sizes = Batch(frames=clips.frames.numpy()), [], []
    for storage in (torch.float32, torch.float16):
        save_checkpoint(tmp_path, network, name=CASE.model, storage=storage)
        graph = add_graph(tmp_path).graph
        assert graph is not None
        session = onnxruntime.InferenceSession(str(graph))
        answers.append(session.run(["logit"], {"frames": clips.frames.numpy()})[0])
        kernels = [w for w in onnx.load(graph).graph.initializer if len(w.dims) > 1]
        sizes.append({len(w.raw_data) for w in kernels})
        with torch.inference_mode():
            wanted = load_network(read_checkpoint(tmp_path)).eval()(clips).logit.numpy()
        np.testing.assert_allclose(answers[-1], wanted, rtol=0, atol=1e-4)
        np.testing.assert_allclose(
            OpenVinoRuntime(graph, "f32")(plain).logit, answers[-1], rtol=0, atol=1e-4
        )
    assert {2 * size for size in sizes[1]} <= sizes[0]
    assert not np.array_equal(*answers), "weights were rounded"


def test_clips_of_any_number_go_through(graph: Path):
    session = onnxruntime.InferenceSession(str(graph))
    spec = CASE.network().input_spec
    for n in (1, 2, 7):
        [logit] = session.run(["logit"], {"frames": batch(spec, n).frames.numpy()})
        assert logit.shape == (n,)


def inputs(clips: Batch) -> tuple[torch.Tensor, ...]:
    return (clips.frames,) if clips.audio is None else (clips.frames, clips.audio)


@pytest.mark.parametrize("case", rows("lead"))
def test_torch_export_answers_as_the_network_does_for_any_number_of_clips(case: Case):
    network = case.settled()
    function = as_function(network)
    clips = torch.export.Dim("clips", min=1, max=64)
    given = inputs(batch(network.input_spec, 2))
    shapes = tuple({0: clips} for _ in given)
    program = torch.export.export(function, given, dynamic_shapes=shapes).module()
    for n in (1, 3):
        others = inputs(batch(network.input_spec, n, seed=n))
        with torch.no_grad():
            for wanted, found in zip(function(*others), program(*others), strict=True):
                torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face, and a click now and then."""
    path = tmp_path_factory.mktemp("talking") / "talking.mp4"
    return write_walk(path, sound=Sound((0.3, 1.1, 1.9)))


def told(report: Report) -> list[float]:
    """All logits, after the laws that hold for every report of an untrained network."""
    assert report.verdict == "undecided"
    assert report.reasons[:2] == ("untrained", "uncalibrated")
    (track,) = report.tracks
    assert track.scores
    return [score.logit for score in track.scores]


@pytest.mark.parametrize("case", rows("lead", "path"))
def test_every_network_scans_a_real_video_unless_it_detects_nothing(
    case: Case, talking: Path, tmp_path: Path
):
    save_checkpoint(tmp_path, case.settled(), name=case.model, trained=False)
    if not TABLE[case.model].detects:
        with pytest.raises(UsageError, match="detects nothing"):
            load(tmp_path, allow_untrained=True)
        return
    detector = load(tmp_path, backend="torch", allow_untrained=True)
    report = detector.scan(talking, n_frames=12)
    logits = told(report)
    assert np.isfinite(logits).all()
    assert len(logits) == -(-report.n_frames_sampled // detector.input_spec.n_frames)


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if TABLE[c.model].detects], ids=lambda c: c.name)
def test_every_graph_gives_a_video_the_networks_scores(case: Case, talking: Path, tmp_path: Path):
    save_checkpoint(tmp_path, case.settled(), name=case.model, trained=False)
    checkpoint = add_graph(tmp_path)
    export(checkpoint, tmp_path / "openvino", form="openvino")
    runtimes = (
        OpenVinoRuntime(tmp_path / GRAPH, "f32"),
        OpenVinoRuntime(tmp_path / "openvino" / OPENVINO_GRAPH, "f32"),
        TorchRuntime(load_network(checkpoint), "cpu"),
    )
    *graphs, network = (
        told(Detector(checkpoint, r, "").scan(talking, n_frames=12)) for r in runtimes
    )
    for graph in graphs:
        # Settled on noise, networks of random weights answer a face far from where they are exact.
        np.testing.assert_allclose(graph, network, rtol=0, atol=0.02 * max(1, *np.abs(network)))
