"""The laws that every network and every objective of ours keeps, each at a tiny size."""

from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from cases import CASES, TINY, Case, batch, nudge, rows, settling_norms
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.models.base import Network, Objective
from unmask.models.checkpoint import read_checkpoint
from unmask.models.export import export_onnx
from unmask.models.table import TABLE
from unmask.models.weights import load_network, save_checkpoint
from unmask.openvino_core import openvino_core
from unmask.types import Batch

GOLDEN = Path(__file__).with_name("golden_logits.json")
ACCEPT = "UNMASK_ACCEPT_GOLDEN"  # UNMASK_ACCEPT_GOLDEN=1 pytest tests/models -m "" -k golden

law = pytest.mark.parametrize("case", rows("lead", "path"))
costly_law = pytest.mark.parametrize("case", rows("lead"))


@pytest.fixture(autouse=True)
def _kept_defects(request: pytest.FixtureRequest) -> None:
    """Expect the laws that a network is known to break to fail, and report it if one holds."""
    case = request.node.callspec.params.get("case") if hasattr(request.node, "callspec") else None
    reason = case and case.tiny.breaks.get(request.node.originalname)
    if reason:
        request.node.add_marker(
            pytest.mark.xfail(reason=reason, raises=AssertionError, strict=True)
        )


def score(network: Network, clips: Batch) -> Tensor:
    with torch.no_grad():
        return network(clips).logit


def part(clips: Batch, keep: slice | list[int]) -> Batch:
    """Some clips of a batch."""
    return Batch(
        frames=clips.frames[keep],
        audio=None if clips.audio is None else clips.audio[keep],
        label=clips.label[keep],
    )


def norms_of(module: nn.Module) -> list[nn.Module]:
    return [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def test_every_network_has_a_tiny_form():
    untested = {row.network for row in TABLE.values()} - TINY.keys()
    assert not untested, f"give these classes a line in tests/models/cases.py: {untested}"


def test_every_case_has_its_own_name():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@law
def test_a_clip_gets_one_finite_logit(case: Case):
    network = case.settled()
    for n in (1, 3):
        logit = score(network, batch(network.input_spec, n))
        assert logit.shape == (n,)
        assert logit.isfinite().all()


@law
def test_different_clips_get_different_logits(case: Case):
    network = case.settled()
    assert score(network, batch(network.input_spec, 6)).std() > 1e-3


@law
def test_a_clip_is_scored_without_regard_to_its_batch(case: Case):
    network = case.settled()
    clips = batch(network.input_spec, 4)
    alone = torch.cat([score(network, part(clips, [i])) for i in range(4)])
    strangers = part(clips, slice(None))
    strangers.frames = torch.cat([clips.frames[:2], 10 * clips.frames[2:] + 5])
    torch.testing.assert_close(score(network, clips), alone, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(score(network, strangers)[:2], alone[:2], rtol=1e-4, atol=1e-4)


@law
def test_the_order_of_frames_matters_to_temporal_networks_only(case: Case):
    network = case.settled()
    clips = batch(network.input_spec, 3)
    if network.input_spec.n_frames == 1:
        assert not case.tiny.temporal, "a network of single frames cannot know their order"
        order = [2, 0, 1]
        torch.testing.assert_close(
            score(network, part(clips, order)), score(network, clips)[order], rtol=1e-4, atol=1e-4
        )
        return
    backwards = Batch(frames=clips.frames.flip(1), audio=clips.audio)
    change = (score(network, backwards) - score(network, clips)).abs().max()
    assert change > 1e-3 if case.tiny.temporal else change < 1e-4


@law
def test_the_mean_of_the_activation_map_is_the_logit(case: Case):
    network = case.settled()
    with torch.no_grad():
        out = network(batch(network.input_spec, 3))
    assert ("cam" in out.aux) == network.has_activation_map
    if network.has_activation_map:
        assert out.aux["cam"].dim() == 3
        torch.testing.assert_close(out.aux["cam"].mean((1, 2)), out.logit, rtol=1e-4, atol=1e-4)


@law
def test_a_wrong_shape_is_refused_in_words(case: Case):
    network = case.settled()
    frames = batch(network.input_spec, 2).frames
    wrong = {
        "no time axis": frames[:, 0],
        "a frame too many": torch.cat([frames, frames[:, :1]], 1),
        "too large": F.pad(frames, (0, 1, 0, 1)),
    }
    for fault, given in wrong.items():
        with pytest.raises(ValueError, match=r"frames: expected \(.*\), got \("):
            pytest.fail(f"{fault}: {network(Batch(frames=given))}")


@law
def test_everything_that_may_learn_learns_and_teachers_do_not(case: Case):
    network = case.network()
    objective = case.learner(network)
    nudge(network)  # zero-initialised layers would hide what lies behind them
    # In float64: a deep block may learn a million millionth of what the last one does, and rounding
    # is still far below.
    objective.double().train()
    for norm in norms_of(network):
        norm.eval()  # on its own statistics a batch norm hides the bias before it
    before = {name: value.clone() for name, value in objective.named_buffers()}
    clips = batch(network.input_spec, 8)
    clips.frames = clips.frames.double()
    clips.audio = None if clips.audio is None else clips.audio.double()
    objective(clips).total.backward()

    learning = [p for group in objective.param_groups() for p in group["params"]]
    assert len({id(p) for p in learning}) == len(learning), "a parameter is in two groups"
    assert {id(p) for p in learning} == {
        id(p) for p in objective.parameters() if p.requires_grad
    }, "the optimizer's parameters are not those that may learn"
    rounding = 1e-15 * max(p.grad.abs().max() for p in learning if p.grad is not None)
    for name, parameter in objective.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"{name} has no gradient"
            assert parameter.grad.isfinite().all(), f"{name} has a gradient that is not finite"
            idle = case.tiny.idle is not None and re.search(case.tiny.idle, name) is not None
            largest = parameter.grad.abs().max()
            assert (largest <= rounding) == idle, f"{name} has a gradient of {largest}"
        else:
            assert parameter.grad is None, f"{name} is frozen but has a gradient"
    changed = [n for n, value in objective.named_buffers() if not torch.equal(value, before[n])]
    assert not changed, f"statistics of a frozen part moved: {changed}"


@law
def test_a_teacher_stays_as_it_is_while_the_student_trains(case: Case):
    network = case.network()
    objective = case.learner(network).train()
    assert network.training
    own = {id(m) for m in network.modules()}
    others = [m for m in objective.modules() if id(m) not in own and m is not objective]
    assert not any(m.training for m in others if list(m.parameters())), "a teacher is training"


@law
def test_labels_move_the_loss_and_parts_are_named(case: Case):
    network = case.network()
    objective = case.learner(network).eval()
    clips = batch(network.input_spec, 4)
    clips.label = torch.ones(4)
    with torch.no_grad():
        fake = objective(clips)
        clips.label = torch.zeros(4)
        real = objective(clips)
    assert fake.total.dim() == 0
    assert fake.total.isfinite()
    assert fake.parts
    assert all(value.isfinite().all() for value in fake.parts.values())
    assert fake.logit.shape == (4,)
    assert fake.total != real.total


@law
def test_saved_and_loaded_it_answers_identically(case: Case, tmp_path: Path):
    network = case.settled()
    save_checkpoint(tmp_path, network, name=case.model)
    loaded = load_network(read_checkpoint(tmp_path))
    clips = batch(network.input_spec, 3)
    assert loaded.config == network.config
    assert loaded.input_spec == network.input_spec
    assert torch.equal(score(loaded, clips), score(network, clips))


@law
def test_bf16_trains_and_answers_about_the_same(case: Case):
    network = case.settled()
    clips = batch(network.input_spec, 4)
    exact = score(network, clips)
    with torch.autocast("cpu", torch.bfloat16):
        rough = score(network, clips).float()
        total = case.learner(network).train()(clips).total
    total.float().backward()
    assert total.isfinite()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)
    assert (rough - exact).abs().max() < 0.1 + 0.25 * exact.abs().max()


@costly_law
def test_it_learns_eight_clips_by_heart(case: Case):
    network = case.network()
    clips = batch(network.input_spec, 8)
    for stage, lr in case.stages().items():
        objective = stage(network).train()
        learner = torch.optim.Adam(objective.param_groups(), lr=lr)
        for _ in range(case.tiny.overfit.steps):
            learner.zero_grad()
            objective(clips).total.backward()
            learner.step()
    with torch.no_grad(), settling_norms(network):
        network(clips)
    logit = score(network.eval(), clips)
    assert ((logit > 0) == clips.label.bool()).all(), f"logits {logit.tolist()}"
    assert F.binary_cross_entropy_with_logits(logit, clips.label) < 0.3


@costly_law
def test_the_exported_graph_answers_as_torch_does(case: Case, tmp_path: Path):
    network = case.settled()
    file = tmp_path / "model.onnx"
    export_onnx(network, file)
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino_core().compile_model(str(file), "CPU", settings)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert names == (["logit", "cam"] if network.has_activation_map else ["logit"])
    for n in (1, 3):  # it was exported at 2
        clips = batch(network.input_spec, n)
        inputs = {"frames": clips.frames.numpy()}
        if clips.audio is not None:
            inputs["audio"] = clips.audio.numpy()
        with torch.no_grad():
            out = network(clips)
        truth = {"logit": out.logit, **out.aux}
        by_openvino = compiled(inputs)
        for name, given in zip(names, session.run(None, inputs), strict=True):
            wanted = truth[name].numpy()
            np.testing.assert_allclose(given, wanted, atol=1e-4, rtol=1e-4, err_msg=name)
            np.testing.assert_allclose(
                by_openvino[name], wanted, atol=1e-4, rtol=1e-4, err_msg=f"openvino {name}"
            )


@law
def test_golden_logits(case: Case):
    """Numbers that no commit may move unseen.

    To accept new ones: UNMASK_ACCEPT_GOLDEN=1 pytest tests/models -m "" -k golden, and say in the
    commit why they moved.
    """
    network = case.settled()
    logits = [round(z, 5) for z in score(network, batch(network.input_spec, 4)).tolist()]
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else {}
    if os.environ.get(ACCEPT):
        golden[case.name] = logits
        lines = (f" {json.dumps(name)}: {golden[name]}" for name in sorted(golden))
        GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    assert case.name in golden, f"no golden logits; accept them with {ACCEPT}=1"
    assert logits == pytest.approx(golden[case.name], rel=1e-3, abs=1e-3)


def test_golden_logits_are_small_and_none_is_stale():
    assert GOLDEN.stat().st_size <= 50_000
    assert json.loads(GOLDEN.read_text()).keys() == {case.name for case in CASES}


def test_an_objective_never_shares_a_teacher_with_its_student():
    case = next(case for case in CASES if case.name == "dtn taught")
    network = case.network()
    objective = case.learner(network)
    assert isinstance(objective, Objective)
    before = copy.deepcopy(objective.teacher.state_dict())
    learner = torch.optim.SGD(objective.param_groups(), lr=0.1)
    objective.train()
    objective(batch(network.input_spec, 4)).total.backward()
    learner.step()
    after = objective.teacher.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
