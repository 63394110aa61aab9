"""Laws of the training loop."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_training
import torch
from sklearn.metrics import log_loss
from tiny_training import PlainNet, TinyLoader, TinyNet, TinySamples, fit, objective
from torch import Tensor, nn

from unmask.errors import DataError, TrainingError, UsageError
from unmask.models.base import Network, freeze
from unmask.training.learner import Learner
from unmask.training.optim import Average, lent, snapshot
from unmask.training.plan import Plan
from unmask.training.state import read_state
from unmask.training.validation import Scores, summarise
from unmask.types import Batch


def events(folder: Path, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == name]


def one_batch(n: int = 8) -> Batch:
    batch = next(
        TinyLoader().batches(TinySamples(64, 3), n, seed=0, epoch=0, start_batch=0, workers=0)
    )
    assert batch.size == n
    return batch


def halves(batch: Batch) -> list[Batch]:
    cut = batch.size // 2
    parts = (slice(None, cut), slice(cut, None))
    return [Batch(frames=batch.frames[part], label=batch.label[part]) for part in parts]


def gradients(learner: Learner) -> Tensor:
    return torch.cat([p.grad.flatten() for p in learner.network.parameters() if p.grad is not None])


def test_training_learns_a_learnable_task(tmp_path: Path) -> None:
    outcome = fit(tmp_path, epochs=15)
    assert outcome.best is not None
    assert outcome.best.auc > 0.9


def test_accumulated_parts_equal_the_whole_batch() -> None:
    whole, parts = (Learner(objective(PlainNet), tiny_training.config()) for _ in range(2))
    batch = one_batch()
    means_whole, means_parts = whole.gradients([batch]), parts.gradients(halves(batch))
    torch.testing.assert_close(gradients(parts), gradients(whole), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(means_parts, means_whole, rtol=1e-5, atol=1e-7)


def test_accumulation_sees_the_same_examples_in_the_same_steps(tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", objective(PlainNet), steps=12)
    parts = fit(tmp_path / "parts", objective(PlainNet), steps=12, accumulate=4)
    assert whole.best is not None
    assert parts.best is not None
    assert parts.best.loss == pytest.approx(whole.best.loss, abs=1e-5)


def test_gradients_are_clipped_to_the_norm_and_kept_in_direction() -> None:
    free = Learner(objective(PlainNet), tiny_training.config())
    tight = Learner(objective(PlainNet), tiny_training.config(clip_norm=0.01))
    norm_free, norm_tight = (x.gradients([one_batch()])["grad_norm"] for x in (free, tight))
    assert norm_free == norm_tight > 0.01  # logged before clipping
    everything = torch.cat([gradients(tight), tight.objective.offset.grad[None]])
    assert everything.norm() == pytest.approx(0.01, rel=1e-3)
    cosine = torch.nn.functional.cosine_similarity(gradients(free), gradients(tight), dim=0)
    assert cosine == pytest.approx(1.0, abs=1e-6)


def test_a_loose_clip_changes_no_bit(tmp_path: Path) -> None:
    free, loose = objective(), objective()
    fit(tmp_path / "free", free, steps=5)
    fit(tmp_path / "loose", loose, steps=5, clip_norm=1e6)
    assert torch.equal(free.model.conv.weight, loose.model.conv.weight)


def test_average_equals_its_recurrence_for_weights_and_buffers() -> None:
    network = TinyNet()
    average = Average(network, decay=0.5)
    expected = {k: v.double().clone() for k, v in network.state_dict().items()}
    for step in range(1, 20):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
            network.norm.running_mean.add_(1.0)
            network.norm.num_batches_tracked.add_(1)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        for key, value in network.state_dict().items():
            expected[key] = decay * expected[key] + (1 - decay) * value.double()
    for key, value in average.tensors.items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), expected[key], rtol=1e-5, atol=1e-5)
    assert average.tensors["norm.num_batches_tracked"] == 19


def test_lent_weights_are_given_back_bit_for_bit_even_after_an_error() -> None:
    network = TinyNet()
    before, others = snapshot(network), {k: v + 1 for k, v in snapshot(network).items()}

    def fail_inside() -> None:
        with lent(network, others):
            assert torch.equal(network.conv.weight, others["conv.weight"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_the_averaged_weights_are_validated_and_kept(tmp_path: Path) -> None:
    kept: list[dict[str, Tensor]] = []
    learner = objective()
    fit(
        tmp_path,
        learner,
        steps=7,
        ema_decay=0.9,
        keep_best=lambda network, scores: kept.append(snapshot(network)),
    )
    average = read_state(tmp_path / "state.pt")["learner"]["average"]
    assert all(torch.equal(kept[-1][k], average[k]) for k in average)
    assert not torch.equal(kept[-1]["conv.weight"], learner.model.conv.weight)


def test_validating_more_often_never_changes_the_weights(tmp_path: Path) -> None:
    class NoisyEvaluation(TinyNet):
        def forward(self, batch: Batch) -> Any:
            torch.rand(3)
            return super().forward(batch)

    rare, often = objective(NoisyEvaluation), objective(NoisyEvaluation)
    fit(tmp_path / "rare", rare, steps=14, valid_every=14)
    fit(tmp_path / "often", often, steps=14, valid_every=1)
    for one, two in zip(rare.parameters(), often.parameters(), strict=True):
        assert torch.equal(one, two)


def test_channels_last_changes_the_layout_and_not_the_result(tmp_path: Path) -> None:
    plain, last = objective(), objective()
    fit(tmp_path / "plain", plain, steps=10)
    fit(tmp_path / "last", last, steps=10, channels_last=True)
    assert last.model.conv.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(
        last.model.conv.weight, plain.model.conv.weight, rtol=1e-4, atol=1e-4
    )


def test_teachers_stay_as_they_are(tmp_path: Path) -> None:
    class WithTeacher(tiny_training.TinyObjective):
        def __init__(self, model: Network, teacher: Network) -> None:
            super().__init__(model)
            self.teacher = freeze(teacher)

        def forward(self, batch: Batch) -> Any:
            losses = super().forward(batch)
            distance = (self.teacher(batch).logit - losses.logit).square().mean()
            return replace(losses, total=losses.total + distance)

    teacher = TinyNet()
    before = snapshot(teacher)
    fit(tmp_path, WithTeacher(TinyNet(), teacher), steps=7, weight_decay=0.1, ema_decay=0.9)
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())


def test_after_step_is_called_once_a_step_with_its_number(tmp_path: Path) -> None:
    seen: list[int] = []
    learner = objective()
    learner.after_step = seen.append  # type: ignore[method-assign]
    fit(tmp_path, learner, steps=5, accumulate=2)
    assert seen == [1, 2, 3, 4, 5]


def test_the_best_candidate_is_kept_not_the_last(tmp_path: Path) -> None:
    kept: list[Scores] = []
    outcome = fit(tmp_path, epochs=6, lr=0.3, keep_best=lambda network, scores: kept.append(scores))
    aucs = [event["auc"] for event in events(tmp_path, "valid")]
    assert outcome.best is not None
    assert outcome.best.auc == max(aucs)
    assert kept[-1] == outcome.best
    assert [s.auc for s in kept] == sorted({s.auc for s in kept})  # only ever better


@pytest.mark.parametrize(
    ("monitor", "better", "worse"),
    [
        ("auc", {"auc": 0.8, "loss": 2.0}, {"auc": 0.7, "loss": 1.0}),
        ("loss", {"auc": 0.7, "loss": 1.0}, {"auc": 0.8, "loss": 2.0}),
        ("ce", {"auc": 0.7, "loss": 2.0, "parts": {"ce": 0.1}}, {"auc": 0.8, "loss": 1.0}),
        ("balanced", {"auc": 0.7, "loss": 2.0, "real_loss": 0.1}, {"auc": 0.8, "loss": 1.0}),
    ],
)
def test_the_monitored_value_decides(monitor: Any, better: Any, worse: Any) -> None:
    counts: dict[str, Any] = {"n": 2, "n_fake": 1, "n_called_fake": 1}
    rest = {"parts": {"ce": 0.5}, "fake_loss": 0.5, "real_loss": 0.5, **counts}
    high, low = Scores(**{**rest, **better}), Scores(**{**rest, **worse})
    assert high.better_than(low, monitor)
    assert not low.better_than(high, monitor)
    assert not high.better_than(high, monitor)
    assert low.better_than(None, monitor)


def test_patience_counts_validations_without_a_better_one(tmp_path: Path) -> None:
    outcome = fit(tmp_path, epochs=50, lr=0.0, patience=3)
    assert outcome.stopped == "patience"
    assert [event["best"] for event in events(tmp_path, "valid")] == [True, False, False, False]


def test_the_time_budget_ends_with_a_validation_and_a_state(tmp_path: Path) -> None:
    outcome = fit(tmp_path, max_hours=0.2 / 3600, steps=100_000, valid_every=100_000)
    assert outcome.stopped == "budget"
    assert 0 < outcome.step < 100_000
    assert [event["step"] for event in events(tmp_path, "valid")] == [outcome.step]
    assert read_state(tmp_path / "state.pt")["progress"]["step"] == outcome.step


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops_after_the_step(tmp_path: Path, number: int) -> None:
    def spoil(batch: Batch, epoch: int, place: int) -> None:
        if (epoch, place) == (0, 3):
            os.kill(os.getpid(), number)

    outcome = fit(tmp_path, loader=TinyLoader(spoil=spoil))
    assert (outcome.stopped, outcome.step) == ("interrupted", 4)
    assert read_state(tmp_path / "state.pt")["progress"]["step"] == 4
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_nan_stops_at_its_step_and_keeps_the_last_good_state(
    tmp_path: Path, clip_norm: float | None
) -> None:
    def spoil(batch: Batch, epoch: int, place: int) -> None:
        if (epoch, place) == (1, 2):
            batch.frames[0] = np.nan

    with pytest.raises(TrainingError, match=r"step 10 \(epoch 1\).*state after step 9 is kept"):
        fit(tmp_path, loader=TinyLoader(spoil=spoil), save_every=3, clip_norm=clip_norm)
    state = read_state(tmp_path / "state.pt")
    assert state["progress"]["step"] == 9
    assert all(t.isfinite().all() for t in state["learner"]["objective"].values())
    (error,) = events(tmp_path, "error")
    assert error["step"] == 10


def test_a_finite_loss_with_a_broken_gradient_stops_too(tmp_path: Path) -> None:
    class Cliff(tiny_training.TinyObjective):
        def forward(self, batch: Batch) -> Any:
            losses = super().forward(batch)
            zero = (losses.logit * 0.0).sum()
            return replace(losses, total=losses.total + torch.sqrt(zero.abs()))  # slope infinite

    with pytest.raises(TrainingError, match=r"no state was saved yet"):
        fit(tmp_path, Cliff(TinyNet()))


def wants_all_memory_of_a_gpu() -> None:
    raise torch.OutOfMemoryError("tried to allocate 80 GiB")


def wants_more_than_there_is() -> None:
    torch.empty(1 << 60)


@pytest.mark.parametrize("wanted", [wants_all_memory_of_a_gpu, wants_more_than_there_is])
def test_too_little_memory_says_what_to_lower(tmp_path: Path, wanted: Callable[[], None]) -> None:
    class Huge(tiny_training.TinyObjective):
        def forward(self, batch: Batch) -> Any:
            if self.training is in_training:
                wanted()
            return super().forward(batch)

    in_training = True
    with pytest.raises(TrainingError, match=r"step 1: 4 examples at once.*accumulate=4"):
        fit(tmp_path / "training", Huge(TinyNet()), accumulate=2)
    in_training = False
    with pytest.raises(TrainingError, match=r"validation: 64 examples .*valid_batch=32"):
        fit(tmp_path / "validation", Huge(TinyNet()))


def test_a_mistake_is_no_lack_of_memory(tmp_path: Path) -> None:
    class Mistaken(tiny_training.TinyObjective):
        def forward(self, batch: Batch) -> Any:
            return torch.ones(2) @ torch.ones(3)

    with pytest.raises(RuntimeError, match="size"):
        fit(tmp_path, Mistaken(TinyNet()))


def test_a_candidate_that_calls_everything_the_same_is_warned_of(tmp_path: Path) -> None:
    learner = objective()
    with torch.no_grad():
        learner.model.head.bias.fill_(50.0)
    outcome = fit(tmp_path, learner, lr=1e-6, epochs=2)
    warnings = events(tmp_path, "warning")
    assert [w["epoch"] for w in warnings] == [0, 1]
    assert "all 40 validation examples are called fake" in warnings[0]["message"]
    assert outcome.stopped == "finished"


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_validation_set_of_one_class_is_refused(tmp_path: Path, share: float) -> None:
    valid = TinySamples(n=20, seed=5, fake_share=share)
    with pytest.raises(DataError, match=f"{int(20 * share)} fakes and .* AUC needs both"):
        fit(tmp_path, valid_set=valid)


def test_an_empty_validation_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="validation set is empty"):
        fit(tmp_path, valid_set=TinySamples(n=0, seed=5))


def test_the_monitored_set_is_never_the_training_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="validation set is the training set"):
        fit(tmp_path, train_set=tiny_training.TRAIN, valid_set=tiny_training.TRAIN)


def test_too_few_examples_for_a_batch_say_what_to_lower(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"train\.batch=5"):
        fit(tmp_path, train_set=TinySamples(n=5, seed=1))


def test_a_device_that_is_not_there_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no CUDA device"):
        fit(tmp_path, device="cuda")


def test_validation_scores_equal_a_plain_pass(tmp_path: Path) -> None:
    learner = objective()
    outcome = fit(tmp_path, learner, steps=5, lr=0.0, valid_batch=7)
    learner.eval()
    (batch,) = TinyLoader().ordered(tiny_training.VALID, 100, workers=0)
    frames, label = torch.as_tensor(batch.frames), torch.as_tensor(batch.label)
    with torch.no_grad():
        logit = learner.model(Batch(frames=frames)).logit
    pairs = logit[label == 1][:, None] > logit[label == 0][None]  # share of pairs in right order
    assert outcome.best is not None
    assert outcome.best.auc == pytest.approx(pairs.double().mean().item(), abs=1e-9)
    loss = nn.functional.binary_cross_entropy_with_logits(logit, label)
    assert outcome.best.loss == pytest.approx(loss.item(), abs=1e-6)
    assert (outcome.best.n, outcome.best.n_fake) == (40, 20)


def test_every_log_line_is_json_with_step_rate_and_loss_parts(tmp_path: Path) -> None:
    fit(tmp_path, steps=6, log_every=2)
    lines = events(tmp_path, "train")
    assert [line["step"] for line in lines] == [2, 4, 6]
    for line in lines:
        assert line["loss"] == pytest.approx(line["bce"])
        assert line["img_per_s"] > 0
        assert 0 <= line["waited"] <= 1
        assert line["lr"] == 0.01
    assert [event["stopped"] for event in events(tmp_path, "end")] == ["finished"]


def test_plan_counts_full_batches_only() -> None:
    plan = Plan.of(60, tiny_training.config(batch=8, epochs=2.5))
    assert (plan.steps_per_epoch, plan.total_steps, plan.valid_every) == (7, 18, 7)
    assert Plan.of(60, tiny_training.config(steps=5)).total_steps == 5


def test_every_epoch_starts_at_its_first_batch_and_none_is_skipped(tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []

    class Watched(TinyLoader):
        def batches(self, *args: Any, **kwargs: Any) -> Iterator[Batch]:
            asked.append((kwargs["epoch"], kwargs["start_batch"]))
            return super().batches(*args, **kwargs)

    fit(tmp_path, loader=Watched(), epochs=2, save_every=4)
    fit(tmp_path, loader=Watched(), epochs=2, steps=4)
    fit(tmp_path, loader=Watched(), epochs=2, resume=True)
    assert asked == [(0, 0), (1, 0), (0, 0), (0, 4), (1, 0)]


def test_a_monitored_part_must_be_there() -> None:
    scores = summarise(np.array([1.0, -1.0]), np.array([1.0, 0.0]), {"loss": 0.3, "mse": 0.3})
    with pytest.raises(UsageError, match=r"monitor = ce.*mse"):
        scores.cost("ce")


def test_log_losses_of_both_classes_equal_sklearn() -> None:
    rng = np.random.default_rng(3)
    logit, label = rng.normal(scale=3, size=50), (rng.random(50) < 0.3).astype(float)
    scores = summarise(logit, label, {"loss": 0.0})
    for y, value in ((1, scores.fake_loss), (0, scores.real_loss)):
        p = 1 / (1 + np.exp(-logit[label == y]))
        assert value == pytest.approx(log_loss([y] * len(p), p, labels=[0, 1]))
