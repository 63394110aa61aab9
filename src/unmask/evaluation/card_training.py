"""What a run folder says of how its detector was trained: steps, time, and what computed."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from unmask.errors import DataError
from unmask.evaluation.cell_metrics import LOG

Event = dict[str, Any]


def training(run: Path) -> dict[str, str]:
    """Facts of a run by name.

    Raises:
        DataError: no run lies there.
    """
    log, config = run / LOG, run / "config.json"
    if not (log.is_file() and config.is_file()):
        raise DataError(
            f"{run}: no run folder of `unmask train`; {LOG} or config.json is not there"
        )
    record = json.loads(config.read_text(encoding="utf-8"))
    events: list[Event] = [
        json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()
    ]
    start: Event = next((e for e in events if e["event"] == "start"), {})
    end: Event = next((e for e in reversed(events) if e["event"] == "end"), {})
    lines = {
        "data digest of the run": f"`{record['data_digest']}`",
        "device": f"{start.get('device', 'not recorded')}, {start.get('precision', '')}".strip(
            ", "
        ),
        "steps": _steps(events, start, end),
        "time in steps": _hours(events, int(record["recipe"]["train"]["batch"])),
        "best on the validation side": _best(events, end),
        "computed with": ", ".join(f"{k} {v}" for k, v in record.get("versions", {}).items()),
    }
    return {name: text for name, text in lines.items() if text}


def _steps(events: list[Event], start: Event, end: Event) -> str:
    """How far it came, of how many, and why it ended."""
    done = max((event.get("step", 0) for event in events), default=0)
    planned = start.get("total_steps")
    of = f" of {planned}" if planned else ""
    return f"{done}{of}, {end.get('stopped', 'not ended')}"


def _hours(events: list[Event], batch: int) -> str:
    """Time that steps took by their logged speed; validation, loading and saving come on top."""
    logged = [event for event in events if event["event"] == "train" and event.get("img_per_s")]
    steps = [0, *(event["step"] for event in logged)]
    spans = [max(after - before, 0) for before, after in pairwise(steps)]
    seconds = sum(n * batch / e["img_per_s"] for n, e in zip(spans, logged, strict=True))
    return f"{seconds / 3600:.2f} h" if logged else ""


def _best(events: list[Event], end: Event) -> str:
    """Scores of the checkpoint that was kept."""
    best = [e for e in events if e["event"] == "valid" and e["step"] == end.get("best_step")]
    if not best:
        return ""
    at = best[-1]
    return f"step {at['step']}: AUC {at['auc']:.3f}, {at['n']} examples, {at['n_fake']} fake"
