"""Samples -> batches, in an order that is a function of (seed, epoch) alone.

Threads make whole batches ahead of time: decoding and OpenCV release Python's lock, nothing is
copied between processes, and batches leave in order however many threads there are. Views are
stacked as uint8 and normalised once per batch, by the same function a scan uses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np

from unmask.clips.tensors import normalise
from unmask.datasets.samples import Samples, seeded
from unmask.types import Batch

Make = Callable[..., Batch]  # of samples, indices and an epoch


def make_labelled_batch(samples: Samples, indices: Sequence[int], epoch: int) -> Batch:
    """Make one batch of chosen samples."""
    views, labels = zip(*(samples.get(index, epoch) for index in indices), strict=True)
    frames = normalise(np.stack(views), samples.input_spec)  # (B, T, 3, H, W)
    audio = None
    if samples.input_spec.audio is not None:
        audio = np.stack([samples.sound(index, epoch) for index in indices])  # (B, F, S)
    return Batch(frames=frames, audio=audio, label=np.array(labels, np.float32))


def n_batches(samples: Sized, batch_size: int) -> int:
    """Return how many full batches an epoch has; what is left over is not learned from."""
    return len(samples) // batch_size


def batches(
    samples: Sized,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    start_batch: int = 0,
    workers: int = 0,
    share: tuple[int, int] = (0, 1),
    make: Make = make_labelled_batch,
) -> Iterator[Batch]:
    """Yield one shuffled epoch in full batches with labels, from `start_batch` on.

    The stream from (epoch, start_batch) on is the one an uninterrupted epoch would have shown. Of
    every batch, process `share[0]` of `share[1]` gets its own rows: together they are the batch.
    """
    order = seeded("order", seed, epoch).permutation(len(samples))
    full = order[: n_batches(samples, batch_size) * batch_size].reshape(-1, batch_size)
    rank, size = share
    chunks = full[start_batch:, rank::size].tolist()
    return _in_order(partial(make, samples, epoch=epoch), chunks, workers)


def ordered(
    samples: Sized, batch_size: int, *, workers: int = 0, make: Make = make_labelled_batch
) -> Iterator[Batch]:
    """Yield all samples once, in order; the last batch may be smaller."""
    indices = range(len(samples))
    chunks = [indices[i : i + batch_size] for i in range(0, len(samples), batch_size)]
    return _in_order(partial(make, samples, epoch=0), chunks, workers)


def _in_order(make: Make, chunks: Sequence[Sequence[int]], workers: int) -> Iterator[Batch]:
    if workers == 0:
        yield from map(make, chunks)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="unmask-loader")
    waiting: deque[Future[Batch]] = deque()
    try:
        for chunk in chunks:
            waiting.append(pool.submit(make, chunk))
            if len(waiting) > workers:  # one batch per thread is made ahead
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
