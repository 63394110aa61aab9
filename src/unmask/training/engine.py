"""The training loop. Read `train` once from top to bottom; everything else is one of its steps.

An epoch is one pass over the training examples; a step is one move of the weights. The loop stands
at a step, and from the step alone follow the epoch, the batches to come and the learning rate, so
that a resumed run goes on exactly where the killed one stopped. Candidates are chosen on the
validation set; the loop has no handle on a test set.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sized
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, Self

from lightning_fabric import Fabric
from rich.console import Console
from torch import Tensor

from unmask.errors import TrainingError, UsageError
from unmask.models.base import Network, Objective
from unmask.training.crew import Crew
from unmask.training.failures import (
    not_finite,
    saying_what_to_lower,
    too_large,
    too_large_to_validate,
)
from unmask.training.learner import Learner
from unmask.training.log import LOG, Display, RunLog, Window, duration, figures
from unmask.training.optim import lr_factor, snapshot
from unmask.training.plan import Loader, Plan, TrainConfig
from unmask.training.shards import whole
from unmask.training.signals import Interrupts
from unmask.training.state import (
    Progress,
    random_state,
    read_state,
    seed_all,
    set_random_state,
    write_state,
)
from unmask.training.validation import Scores, validate
from unmask.types import Batch

KeepBest = Callable[[Network, Scores], None]
Stopped = Literal["finished", "patience", "budget", "interrupted"]
ENDINGS: dict[Stopped, str] = {
    "finished": "finished",
    "patience": "stopped, since validation got no better,",
    "budget": "stopped at the end of the time budget,",
    "interrupted": "interrupted; --resume goes on from here,",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How training ended."""

    stopped: Stopped
    step: int
    best_step: int | None
    best: Scores | None


def train(
    objective: Objective,
    train_set: Sized,
    valid_set: Sized,
    *,
    loader: Loader,
    config: TrainConfig,
    folder: Path,
    keep_best: KeepBest,
    resume: bool = False,
    fabric: Fabric | None = None,
) -> Outcome:
    """Train until the plan is done, patience or time is out, or somebody interrupts.

    Args:
        objective: model, teachers and losses.
        train_set: examples to learn from.
        valid_set: other examples, to choose on.
        loader: makes batches of both.
        config: see `TrainConfig`.
        folder: gets `log.jsonl` and `state.pt`.
        keep_best: told the network and its scores whenever they are the best so far.
        resume: go on from `state.pt` if there is one.
        fabric: this process among others, already launched; None = as `config` says.
    """
    if valid_set is train_set:
        raise UsageError("the validation set is the training set: nothing can be chosen on it")
    plan = Plan.of(len(train_set), config)
    seed_all(config.seed)
    learner = Learner(objective, config, fabric)
    crew = learner.crew
    seed_all(config.seed + crew.rank)  # the weights are one, the chances in training are not
    run = Run(learner, plan, config, folder, keep_best)
    if resume and run.state_path.exists():
        run.restore()
    elif crew.leads:
        run.log.cut(0)  # of a run that was killed before it saved anything
    steps = batches_of_steps(loader, train_set, plan, config, start=run.progress.step, crew=crew)
    with run, closing(steps), Interrupts() as interrupts:
        while True:
            if run.validation_is_due():
                run.validate(loader, valid_set, interrupts)
            if stopped := crew.agreed(run.reason_to_stop(interrupts)):
                break
            run.step(steps)
            if run.save_is_due():
                run.save()
        if stopped == "budget" and run.progress.validated_step < run.progress.step:
            run.validate(loader, valid_set, interrupts)
            if run.progress.validated_step < run.progress.step:
                stopped = "interrupted"  # in the middle of it
        run.end(stopped)
    done = run.progress
    return Outcome(stopped=stopped, step=done.step, best_step=done.best_step, best=done.best)


def batches_of_steps(
    loader: Loader, samples: Sized, plan: Plan, config: TrainConfig, *, start: int, crew: Crew
) -> Generator[list[Batch], None, None]:
    """Batches of every step from `start` on, epoch after epoch, in `accumulate` parts each."""
    step = start
    while True:
        epoch, done = divmod(step, plan.steps_per_epoch)
        batches = loader.batches(
            samples,
            config.batch // config.accumulate,
            seed=config.seed,
            epoch=epoch,
            start_batch=done * config.accumulate,
            workers=config.workers,
            share=(crew.rank, crew.size),
        )
        for _ in range(done, plan.steps_per_epoch):
            parts = list(islice(batches, config.accumulate))
            assert len(parts) == config.accumulate, "the loader ended before its epoch"
            yield parts
            step += 1


class Run:
    """One training run: what learns, where it stands, what is written and shown."""

    def __init__(
        self,
        learner: Learner,
        plan: Plan,
        config: TrainConfig,
        folder: Path,
        keep_best: KeepBest,
    ) -> None:
        self.learner, self.crew = learner, learner.crew
        self.plan, self.config = plan, config
        self.keep_best = keep_best
        self.state_path = folder / "state.pt"
        self.log = RunLog(folder / LOG if self.crew.leads else Path(os.devnull))
        self.progress, self.window = Progress(), Window()
        self.ticked_s = self.saved_s = time.monotonic()
        self.saved_step: int | None = None

    def __enter__(self) -> Self:
        step, plan = self.progress.step, self.plan
        console = Console(stderr=True, quiet=not self.crew.leads)
        self.display = Display(plan.total_steps, step, console).__enter__()
        device, precision = str(self.learner.device), self.config.precision
        self.log.write("start", step=step, device=device, precision=precision, **asdict(plan))
        self.display.say(
            f"training on {device} in {precision} from step {step} of {plan.total_steps} "
            f"({plan.steps_per_epoch} an epoch)"
        )
        return self

    def __exit__(self, *error: object) -> None:
        self.display.__exit__(None, None, None)
        self.log.close()

    @property
    def epoch(self) -> int:
        """Number of the epoch the last step belongs to, from 0."""
        return max(0, self.progress.step - 1) // self.plan.steps_per_epoch

    def validation_is_due(self) -> bool:
        """Whether the weights at this step are a candidate that was not validated yet."""
        step = self.progress.step
        regular = step % self.plan.valid_every == 0 or step == self.plan.total_steps
        return regular and step > self.progress.validated_step

    def reason_to_stop(self, interrupts: Interrupts) -> Stopped | None:
        """Say why no further step should be done, if so."""
        config, progress = self.config, self.progress
        if interrupts.requested and self.validation_is_due():
            return "interrupted"  # in the middle of it
        if progress.step >= self.plan.total_steps:
            return "finished"
        if config.patience is not None and progress.stale >= config.patience:
            return "patience"
        if interrupts.requested:
            return "interrupted"
        if config.max_hours is not None and progress.elapsed_s >= config.max_hours * 3600:
            return "budget"
        return None

    def step(self, steps: Iterator[list[Batch]]) -> None:
        """Move the weights once."""
        began_s = time.monotonic()
        progress, plan, device = self.progress, self.plan, self.learner.device
        with saying_what_to_lower(lambda: too_large(progress.step + 1, self.config, device)):
            parts = next(steps)
            waited_s = time.monotonic() - began_s
            means = self.learner.gradients(parts)
        if not math.isfinite(float(means["loss"] + means["grad_norm"])):
            raise self.broken(self.progress.step + 1, means)
        factor = lr_factor(
            progress.step,
            self.config,
            steps_per_epoch=plan.steps_per_epoch,
            total_steps=plan.total_steps,
            losses=progress.losses,
        )
        progress.step += 1
        self.learner.move(progress.step, lr_factor=factor)
        self.window.add(means, seconds=time.monotonic() - began_s, waited_s=waited_s)
        self.tick()
        self.display.step(progress.step)
        if progress.step % self.config.log_every == 0:
            self.report()

    def validate(self, loader: Loader, valid_set: Sized, interrupts: Interrupts) -> None:
        """Score the candidate, keep it if it is the best, and save; undone if interrupted."""
        progress, learner = self.progress, self.learner
        lower = partial(too_large_to_validate, self.config, learner.device)
        with learner.candidate(), saying_what_to_lower(lower):
            scores = validate(
                learner.model,
                loader.ordered(valid_set, self.config.valid_batch, workers=self.config.workers),
                device=learner.device,
                # Of several processes none may leave the others waiting.
                interrupted=lambda: interrupts.requested and self.crew.size == 1,
            )
            scores = self.crew.agreed(scores)
            if scores is None:
                return
            if not math.isfinite(scores.auc + scores.loss):
                values = {"loss": scores.loss, "AUC": scores.auc}
                raise self.broken(progress.step, values, before="validation after ")
            best = scores.better_than(progress.best, self.config.monitor)
            if best:
                progress.best, progress.best_step = scores, progress.step
                progress.best_weights = whole(snapshot(learner.network))
        progress.losses.append(scores.loss)
        progress.validated_step = progress.step
        progress.stale = 0 if best else progress.stale + 1
        self.announce(scores, best=best)
        self.tick()
        self.save()
        if best:
            self.hand_over_best()

    def hand_over_best(self) -> None:
        """Let the caller keep the best weights; the network gets its own back."""
        progress = self.progress
        assert progress.best is not None
        assert progress.best_weights is not None
        if self.crew.leads:
            with self.learner.holding(progress.best_weights) as network:
                self.keep_best(network, progress.best)

    def save_is_due(self) -> bool:
        """Whether enough steps or seconds have passed since the last saved state."""
        every = self.config.save_every
        by_step = every is not None and self.progress.step % every == 0
        return by_step or time.monotonic() - self.saved_s >= self.config.save_every_s

    def save(self) -> None:
        """Write everything that a resumed run needs."""
        state = {
            "progress": self.progress.state(),
            "learner": self.learner.state(),
            "random": self.crew.gathered(random_state()),
            "log_length": self.log.length,
        }
        if self.crew.leads:
            write_state(self.state_path, state)
        self.saved_s, self.saved_step = time.monotonic(), self.progress.step

    def restore(self) -> None:
        """Go on from the saved state, as if nothing had happened."""
        state = read_state(self.state_path)
        self.progress = Progress.restored(state["progress"])
        self.learner.restore(state["learner"])
        set_random_state(state["random"][self.crew.rank])
        if self.crew.leads:
            self.log.cut(state["log_length"])
        self.saved_step = self.progress.step
        if self.progress.best is not None:
            self.hand_over_best()  # the kill may have come between saving and handing over

    def end(self, stopped: Stopped) -> None:
        """Save what was not saved yet, and say how training ended."""
        progress = self.progress
        if self.saved_step != progress.step:
            self.save()
        self.log.write("end", stopped=stopped, step=progress.step, best_step=progress.best_step)
        best = "nothing was validated yet"
        if progress.best is not None:
            auc, loss = progress.best.auc, progress.best.loss
            best = f"best at step {progress.best_step}: AUC {auc:.4f}, loss {loss:.4f}"
        self.display.say(f"{ENDINGS[stopped]} after {duration(progress.elapsed_s)}; {best}")

    def tick(self) -> None:
        """Count the time since the last tick as training time."""
        now_s = time.monotonic()
        self.progress.elapsed_s += now_s - self.ticked_s
        self.ticked_s = now_s

    def report(self) -> None:
        """Log and show the means since the last report."""
        step, means, window = self.progress.step, self.window.means(), self.window
        left_s = (self.plan.total_steps - step) / window.steps_per_s
        if self.config.max_hours is not None:
            budget_s = self.config.max_hours * 3600 - self.progress.elapsed_s
            left_s = max(0.0, min(left_s, budget_s))
        lr, rate = self.learner.lr, window.steps_per_s * self.config.batch
        speed = {"img_per_s": round(rate, 2), "waited": round(window.waited, 3)}
        self.log.write("train", step=step, epoch=self.epoch, lr=lr, **speed, **means)
        text = figures(lr=lr, means=means, rate=rate, left_s=left_s, waited=window.waited)
        self.display.text(step, text)
        self.window = Window()

    def announce(self, scores: Scores, *, best: bool) -> None:
        """Log and show a validation; warn of a candidate that calls everything the same."""
        step, epoch = self.progress.step, self.epoch
        self.log.write("valid", step=step, epoch=epoch, best=best, **asdict(scores))
        self.display.say(
            f"step {step} (epoch {epoch}): validation AUC {scores.auc:.4f}, "
            f"loss {scores.loss:.4f}{', the best so far' if best else ''}"
        )
        if scores.one_class_called:
            name = "fake" if scores.n_called_fake else "real"
            message = f"epoch {epoch}: all {scores.n} validation examples are called {name}"
            self.log.write("warning", step=step, epoch=epoch, message=message)
            self.display.say(f"warning: {message}")

    def broken(
        self, step: int, values: Mapping[str, Tensor | float], *, before: str = ""
    ) -> TrainingError:
        """Log and make the error for numbers that are none; nothing is saved after it."""
        kept = "no state was saved yet"
        if self.saved_step is not None:
            kept = f"the state after step {self.saved_step} is kept in {self.state_path}"
        epoch = max(0, step - 1) // self.plan.steps_per_epoch
        error = not_finite(f"{before}step {step} (epoch {epoch})", values, kept)
        self.log.write("error", step=step, message=str(error))
        return error
