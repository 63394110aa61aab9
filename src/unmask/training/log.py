"""What a run writes and shows: one JSON object a line for programs, a progress bar for people."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

LOG = "log.jsonl"  # its name in a run folder
BOARD = "tensorboard"  # folder of its event files
BOARD_EVENTS = frozenset({"train", "valid"})
PLAIN_LINE_EVERY_S = 30.0  # where there is no terminal to redraw


class RunLog:
    """Appends events to `log.jsonl`, and their numbers to `tensorboard/` beside it.

    A resumed run cuts the log back to where its state was saved, so that every step that counts
    appears once.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self._board_folder = path.parent / BOARD if path.name == LOG else None
        self._board: SummaryWriter | None = None

    @property
    def length(self) -> int:
        """Bytes written so far."""
        return self._file.tell()

    def cut(self, length: int) -> None:
        """Forget what was written after the log was `length` bytes long."""
        self._file.truncate(min(length, self.length))
        self._file.seek(0, 2)

    def write(self, event: str, **values: Any) -> None:
        """Append one event and hand it to the operating system at once."""
        line = json.dumps({"event": event, **values}, default=str, allow_nan=False)
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        if event in BOARD_EVENTS and self._board_folder is not None:
            self._show(event, values)

    def _show(self, event: str, values: dict[str, Any]) -> None:
        """Hand numbers to TensorBoard, which forgets what it had from this first step on."""
        step = values["step"]
        if self._board is None:
            self._board = SummaryWriter(str(self._board_folder), purge_step=step)
        parts = values.get("parts", {})
        for name, value in {**values, **parts}.items():
            if isinstance(value, float | int) and name != "step":
                self._board.add_scalar(f"{event}/{name}", value, step)
        self._board.flush()

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


class Window:
    """Means over the steps since the last log line, and how fast they went."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._steps = 0
        self._seconds = 0.0
        self._waited_s = 0.0

    def add(self, values: Mapping[str, Tensor], *, seconds: float, waited_s: float) -> None:
        """Count a step that took `seconds`, of which `waited_s` for its data.

        Values stay on their device until they are read, so that a GPU is not made to wait.
        """
        for name, value in values.items():
            total = value.detach().to(torch.float32)
            self._sums[name] = self._sums[name] + total if name in self._sums else total
        self._steps += 1
        self._seconds += seconds
        self._waited_s += waited_s

    def means(self) -> dict[str, float]:
        """Mean of every value."""
        return {name: float(total) / self._steps for name, total in self._sums.items()}

    @property
    def steps_per_s(self) -> float:
        """Optimizer steps a second, validation and saving left out."""
        return self._steps / max(self._seconds, 1e-9)

    @property
    def waited(self) -> float:
        """Share of the time spent waiting for data."""
        return self._waited_s / max(self._seconds, 1e-9)


class Display:
    """A progress bar on stderr; where stderr is no terminal, a plain line now and then."""

    def __init__(self, total_steps: int, step: int, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar = Progress(
            BarColumn(bar_width=12, table_column=Column(min_width=12)),
            MofNCompleteColumn(
                table_column=Column(no_wrap=True, min_width=len(f"{total_steps}/") * 2)
            ),
            TextColumn(
                "{task.fields[text]}", table_column=Column(no_wrap=True, overflow="ellipsis")
            ),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=total_steps, completed=step, text="")
        self._last_line_s = -PLAIN_LINE_EVERY_S

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def step(self, step: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=step)

    def text(self, step: int, text: str) -> None:
        """Show the latest figures."""
        self._bar.update(self._task, completed=step, text=text)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line_s >= PLAIN_LINE_EVERY_S:
            self._last_line_s = now
            self.say(f"step {step}: {text}")

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def figures(
    *, lr: float, means: Mapping[str, float], rate: float, left_s: float, waited: float
) -> str:
    """One line of figures for a person, the most wanted first, to fit beside the bar.

    >>> means = {"loss": 2.41735, "ce": 0.58593, "grad_norm": 64.5}
    >>> figures(lr=1e-4, means=means, rate=4.42, left_s=3725, waited=0.3)
    '1 h 02 min left, 4.4 img/s, 30% waiting for data, loss 2.42, ce 0.586, lr 0.0001'
    """
    speed = f"{rate:.1f} img/s" if rate < 100 else f"{rate:.0f} img/s"
    wait = [f"{waited:.0%} waiting for data"] if waited >= 0.1 else []
    losses = [f"{name} {value:#.3g}" for name, value in means.items() if name != "grad_norm"]
    return ", ".join([f"{duration(left_s)} left", speed, *wait, *losses, f"lr {lr:.2g}"])


def duration(seconds: float) -> str:
    """Seconds in words a person reads at a glance.

    >>> duration(42), duration(3725), duration(3 * 86400 + 3600)
    ('42 s', '1 h 02 min', '3 d 1 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
