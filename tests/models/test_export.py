"""Exported graphs: one file, any batch size, and nothing of the network they were made from."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from cases import CASES, batch

from unmask.models.base import Network
from unmask.models.checkpoint import GRAPH, METADATA, WEIGHTS, read_checkpoint, sha256
from unmask.models.export import OPSET, export_onnx
from unmask.models.weights import add_graph, save_checkpoint

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


def test_clips_of_any_number_go_through(graph: Path):
    session = onnxruntime.InferenceSession(str(graph))
    spec = CASE.network().input_spec
    for n in (1, 2, 7):
        [logit] = session.run(["logit"], {"frames": batch(spec, n).frames.numpy()})
        assert logit.shape == (n,)
