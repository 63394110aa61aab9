"""Cases through a network: views are made in threads, batches follow one another in order.

Batches are filled within the cases given and from nothing else, so that the same cases give the
same numbers to the last bit, however many threads there are.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unmask.clips.mel import Sound
from unmask.clips.tensors import normalise
from unmask.evaluation.exam import Case, Piece, Views
from unmask.evaluation.rows import Row, Rows
from unmask.pipeline.runtime import Runtime
from unmask.types import Batch, InputSpec

CLIPS_AT_ONCE, FRAMES_AT_ONCE = 64, 128  # in one batch, whichever is fewer; at least one clip

_Clip = tuple[int, NDArray[np.uint8], Sound | None]  # place of its row, views, sound


def score_cases(
    cases: Sequence[Case], runtime: Runtime, spec: InputSpec, *, workers: int = 1
) -> Rows:
    """Score every clip of some videos; what cannot be scored is a row with its reason."""
    size = max(1, min(CLIPS_AT_ONCE, FRAMES_AT_ONCE // spec.n_frames))
    pieces = [piece for case in cases for piece in case.pieces(case.facts)]
    rows: list[Row] = []
    waiting: list[_Clip] = []
    for views in _made(pieces, workers):
        waiting += _clips(views, len(rows))
        rows += views.rows
        while len(waiting) >= size:
            _score(waiting[:size], rows, runtime, spec)
            waiting = waiting[size:]
    if waiting:
        _score(waiting, rows, runtime, spec)
    return Rows.of(rows)


def _clips(views: Views, first: int) -> list[_Clip]:
    if views.frames is None:
        return []
    sounds: Sequence[Sound | None] = [None] * len(views.rows)
    if views.audio is not None:
        sounds = list(views.audio)
    places = range(first, first + len(views.rows))
    return list(zip(places, views.frames, sounds, strict=True))


def _score(clips: Sequence[_Clip], rows: list[Row], runtime: Runtime, spec: InputSpec) -> None:
    """Put the scores of one batch into its rows."""
    frames = normalise(np.stack([views for _, views, _ in clips]), spec)  # (B, T, 3, H, W)
    sounds = [sound for _, _, sound in clips if sound is not None]
    batch = Batch(frames=frames, audio=np.stack(sounds) if sounds else None)
    for (place, _, _), logit in zip(clips, runtime(batch).logit.tolist(), strict=True):
        rows[place] = _scored(rows[place], logit)


def _scored(row: Row, logit: float) -> Row:
    if math.isfinite(logit):
        return replace(row, logit=logit)
    return replace(row, outcome="not_finite", reason=f"the network answered {logit}")


def _made(pieces: Sequence[Piece], workers: int) -> Iterator[Views]:
    """Make views in order, a few ahead of the network."""
    if workers <= 1:
        yield from (piece() for piece in pieces)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="unmask-views")
    running: deque[Future[Views]] = deque()
    try:
        for piece in pieces:
            running.append(pool.submit(piece))
            if len(running) > 2 * workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
