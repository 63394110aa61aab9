"""A network, examples and a loader small enough to train a hundred times a minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from unmask.models.base import Network, Objective
from unmask.training import engine
from unmask.training.plan import TrainConfig
from unmask.training.validation import Scores
from unmask.types import Batch, InputSpec, Losses, Output

SIZE = 8


class TinyNet(Network):
    """Convolution, batch norm and dropout: weights, buffers and chance, as in a real network."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.config, self.input_spec = None, InputSpec(size_px=SIZE)
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.drop, self.head = nn.Dropout(dropout), nn.Linear(4, 1)

    def forward(self, batch: Batch) -> Output:
        x = torch.relu(self.norm(self.conv(batch.frames.flatten(0, 1))))
        return Output(logit=self.head(self.drop(x.mean((2, 3)))).squeeze(-1))


class PlainNet(Network):
    """No batch statistics and no chance, so that the parts of a batch do not feel each other."""

    def __init__(self) -> None:
        super().__init__()
        self.config, self.input_spec = None, InputSpec(size_px=SIZE)
        self.head = nn.Linear(3 * SIZE * SIZE, 1)

    def forward(self, batch: Batch) -> Output:
        return Output(logit=self.head(batch.frames.flatten(1)).squeeze(-1))


class TinyObjective(Objective):
    """Cross-entropy, with a criterion's own parameter as centre losses have one."""

    def __init__(self, model: Network) -> None:
        super().__init__()
        self.model = model
        self.offset = nn.Parameter(torch.zeros(()))

    def forward(self, batch: Batch) -> Losses:
        logit = self.model(batch).logit
        bce = nn.functional.binary_cross_entropy_with_logits(
            logit.float() + self.offset.float(), batch.label.float()
        )
        return Losses(total=bce, parts={"bce": bce}, logit=logit)

    def param_groups(self) -> list[dict[str, Any]]:
        return [*super().param_groups(), {"params": [self.offset], "weight_decay": 0.0}]


@dataclass(frozen=True)
class TinySamples:
    """Noise pictures; fakes are a little brighter in red."""

    n: int
    seed: int
    fake_share: float = 0.5

    def __len__(self) -> int:
        return self.n

    def get(self, index: int, epoch: int) -> tuple[np.ndarray, float]:
        rng = np.random.default_rng((self.seed, epoch, index))
        label = float(index % 10 < 10 * self.fake_share)
        frame = rng.normal(size=(1, 3, SIZE, SIZE)).astype(np.float32)
        frame[:, 0] += 0.6 * label
        return frame, label


@dataclass(frozen=True)
class TinyLoader:
    """The contract of `datasets/loader.py` in ten lines; `spoil` may damage a batch on its way."""

    spoil: Callable[[Batch, int, int], None] = lambda batch, epoch, place: None

    def batches(
        self,
        samples: TinySamples,
        batch_size: int,
        *,
        seed: int,
        epoch: int,
        start_batch: int,
        workers: int,
        share: tuple[int, int] = (0, 1),
    ) -> Iterator[Batch]:
        order = np.random.default_rng((seed, epoch)).permutation(len(samples))
        for place in range(start_batch, len(samples) // batch_size):
            chosen = order[place * batch_size : (place + 1) * batch_size]
            batch = self._batch(samples, chosen[share[0] :: share[1]], epoch)
            self.spoil(batch, epoch, place)
            yield batch

    def ordered(self, samples: TinySamples, batch_size: int, *, workers: int) -> Iterator[Batch]:
        for start in range(0, len(samples), batch_size):
            yield self._batch(samples, range(start, min(start + batch_size, len(samples))), 0)

    @staticmethod
    def _batch(samples: TinySamples, chosen: Any, epoch: int) -> Batch:
        frames, labels = zip(*(samples.get(int(i), epoch) for i in chosen), strict=True)
        return Batch(frames=np.stack(frames), label=np.array(labels, np.float32))


TRAIN, VALID = TinySamples(n=60, seed=1), TinySamples(n=40, seed=2)


def objective(network: type[Network] = TinyNet) -> TinyObjective:
    torch.manual_seed(7)
    return TinyObjective(network())


def config(**changes: Any) -> TrainConfig:
    return TrainConfig(**{"batch": 8, "epochs": 3, "lr": 0.01, "log_every": 1, **changes})


def fit(
    folder: Path,
    learner: Objective | None = None,
    *,
    train_set: TinySamples = TRAIN,
    valid_set: TinySamples = VALID,
    loader: TinyLoader | None = None,
    keep_best: Callable[[Network, Scores], None] = lambda network, scores: None,
    resume: bool = False,
    **changes: Any,
) -> engine.Outcome:
    folder.mkdir(parents=True, exist_ok=True)
    return engine.train(
        learner or objective(),
        train_set,
        valid_set,
        loader=loader or TinyLoader(),
        config=config(**changes),
        folder=folder,
        keep_best=keep_best,
        resume=resume,
    )


def slowly(batch: Batch, epoch: int, place: int) -> None:
    """Give a killer time to aim."""
    time.sleep(0.03)


def fit_slowly(folder: Path, resume: bool, changes: dict[str, Any]) -> None:
    """Target of the process that gets killed."""
    torch.set_num_threads(1)
    fit(folder, loader=TinyLoader(spoil=slowly), resume=resume, **changes)
