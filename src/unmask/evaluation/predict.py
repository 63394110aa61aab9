"""Score labelled faces with exactly what would be shipped: the exported graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.loader import ordered
from unmask.datasets.samples import PlainSamples
from unmask.pipeline.runtime import Runtime

BATCH = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """Logits with what is known of each example; all of the same length."""

    logit: NDArray[np.float64]
    label: NDArray[np.int8]  # 1 = fake
    source: Sequence[str]  # real recording that the example comes from: the unit of resampling
    data: str  # which data these are, for the reader of a table

    @property
    def n_fake(self) -> int:
        """Number of fakes."""
        return int(self.label.sum())


def score(samples: PlainSamples, runtime: Runtime, *, data: str, workers: int = 1) -> Scores:
    """Score every example once, in order, untouched by augmentation."""
    logits = [runtime(batch).logit for batch in ordered(samples, BATCH, workers=workers)]
    rows = [samples.row(index) for index in range(len(samples))]
    return Scores(
        logit=np.concatenate(logits).astype(np.float64),
        label=np.asarray(samples.source.labels, np.int8)[rows],
        source=[samples.source.originals[row] for row in rows],
        data=data,
    )
