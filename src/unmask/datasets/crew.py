"""Processes that prepare shards, each with its own decoder and face detector.

Processes, not threads: tracking and cutting hold Python's lock half of the time, and a file that
crashes a decoder must not take the others with it. Each worker has its own pipe and shares nothing,
so that one may be killed at any moment. A video on which a worker has died twice is marked and
passed over; where the system killed it, for lack of memory as a rule, the run stops and says so.
"""

from __future__ import annotations

import logging
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from unmask.datasets.extract import Extractor, Kept, Settings, Spent
from unmask.datasets.journal import ShardEntry
from unmask.datasets.manifest import Outcome
from unmask.datasets.shard import Extract, Job, make_shard
from unmask.datasets.store import Store
from unmask.errors import DataError, UnmaskError

log = logging.getLogger(__name__)

DEATHS = 2  # of workers on one video before it is given up


@dataclass(frozen=True, kw_only=True)
class Done:
    """A video is finished."""

    outcome: Outcome
    n_faces: int
    spent: Spent

    @classmethod
    def of(cls, kept: Kept) -> Done:
        """Say it of what was kept."""
        n_faces = sum(len(rows) for rows in kept.tracks)
        return cls(outcome=kept.outcome, n_faces=n_faces, spent=kept.spent)


Told = Callable[[Done], None]


def run_jobs(
    jobs: Sequence[Job],
    url: str,
    settings: Settings,
    *,
    n_workers: int,
    told: Told,
    extractor: Extract | None = None,
) -> Iterator[ShardEntry]:
    """Prepare shards with `n_workers` processes (0: in this one) and yield their entries.

    An extractor of one's own stays in this process.

    `told` hears of every video; of those of a shard whose worker died, twice.
    """
    if extractor is not None or n_workers == 0:
        store, extractor = Store(url), extractor or Extractor(settings)
        for job in jobs:
            yield make_shard(job, store, extractor, lambda kept: told(Done.of(kept)))
        return
    with _Crew(url, settings) as crew:
        yield from crew.run(jobs, n_workers, told)


class _Worker:
    """One process and what it is at."""

    def __init__(self, url: str, settings: Settings) -> None:
        context = get_context(
            "spawn"
        )  # a fork would copy the locks of OpenCV's and FFmpeg's threads
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_work, args=(theirs, url, settings), name="unmask-prepare", daemon=True
        )
        self.process.start()
        theirs.close()
        self.job: Job | None = None
        self.n_done = 0  # videos of the job

    def give(self, job: Job) -> None:
        """Hand over a job."""
        self.job, self.n_done = job, 0
        self.pipe.send(job)

    def stop(self) -> None:
        """End the process, whatever it is doing: what it has not finished is done again."""
        self.process.terminate()
        self.process.join()
        self.pipe.close()


class _Crew:
    """Workers, replaced where they die."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._url, self._settings = url, settings
        self._workers: list[_Worker] = []
        self._deaths: Counter[str] = Counter()

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()

    def run(self, jobs: Sequence[Job], n_workers: int, told: Told) -> Iterator[ShardEntry]:
        waiting = deque(jobs)
        while waiting or any(worker.job for worker in self._workers):
            while waiting and (idle := self._idle(n_workers)):
                idle.give(waiting.popleft())
            busy = {worker.pipe: worker for worker in self._workers if worker.job}
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                try:
                    message = worker.pipe.recv()
                except (EOFError, OSError):
                    waiting.appendleft(self._bury(worker))
                    continue
                if isinstance(message, Exception):
                    raise message
                if isinstance(message, Done):
                    worker.n_done += 1
                    told(message)
                else:
                    worker.job = None
                    yield message

    def _idle(self, n_workers: int) -> _Worker | None:
        idle = next((worker for worker in self._workers if not worker.job), None)
        if idle is None and len(self._workers) < n_workers:
            self._workers.append(idle := _Worker(self._url, self._settings))
        return idle

    def _bury(self, worker: _Worker) -> Job:
        """Take a dead worker's job back, without the video that killed two of them."""
        worker.process.join()
        self._workers.remove(worker)
        job, code = worker.job, worker.process.exitcode or 0
        assert job is not None
        if worker.n_done >= len(job.tasks):
            return job  # it died while it wrote
        video = job.tasks[worker.n_done]
        self._deaths[video.id] += 1
        if self._deaths[video.id] < DEATHS:
            return job
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if code in (0, 1):  # Python ended in good order: no decoder crashed
            raise DataError(f"a worker ended before it could say why ({name}); try --workers 1")
        if name in ("SIGKILL", "SIGTERM"):
            raise DataError(
                f"{video.id}: the system ended the worker that prepared it, twice ({name}); there "
                "is too little memory, it seems. Go on with fewer --workers"
            )
        crashed = replace(video, crashed=f"reading it ends the process ({name})")
        tasks = tuple(crashed if task.id == video.id else task for task in job.tasks)
        return replace(job, tasks=tasks)


def _work(pipe: Connection, url: str, settings: Settings) -> None:
    """Prepare what comes through the pipe, until it closes; ends alone if the parent has died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told and decides
    import cv2

    cv2.setNumThreads(1)  # the other cores have workers of their own

    def told(kept: Kept) -> None:
        pipe.send(Done.of(kept))

    try:
        store, extractor = Store(url), Extractor(settings)
        while True:
            job: Any = pipe.recv()
            pipe.send(make_shard(job, store, extractor, told))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except UnmaskError as error:
        pipe.send(error)
    except MemoryError:
        pipe.send(DataError("too little memory; go on with fewer --workers"))
    except Exception as error:  # a mistake of ours is told, not taken for a crash of the decoder
        log.info("unexpected failure", exc_info=True)
        pipe.send(DataError(f"a worker failed unexpectedly ({type(error).__name__}: {error})"))
