"""What each network costs at its paper's size: time and memory of a forward and a training step.

    python benchmarks/models.py [--names NAME ...] [--batch N] [--repeats N] [--json FILE]

Every cell is measured in a process of its own, so that one network's memory is not another's. A
training step is the system's objective (with its teacher where the paper has one), forward,
backward and Adam in float32. Memory is the peak of the whole process less what it had before the
network was built. Linux and macOS only.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from machine import describe

NAMES = (
    *("vit_distill", "vit_distill/baseline_b7", "av_cae", "av_cae/full_last", "dtn"),
    *("vit", "cvit", "evit", "cevit", "xception", "long_distance", "resnet3d/r18", "resnet3d"),
    *("resnet3d/se", "resnet3d/nl1234", "timesformer", "timesformer/divided"),
)
MODES = ("forward f32", "forward bf16", "step f32")
TEACHERS = {"vit_distill": "vit_distill/baseline_b7"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", nargs="+", default=NAMES)
    parser.add_argument("--batch", type=int, default=2, help="clips in a batch")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs; the median counts")
    parser.add_argument("--json", type=Path, help="write all numbers here")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "MODE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*args.one, args.batch, args.repeats)))
        return
    print(f"{describe()}; batch {args.batch}, median of {args.repeats} after one to warm up\n")
    print("| network | input | " + " | ".join(f"{mode}, s | MB" for mode in MODES) + " |")
    print("|---|---|" + "---|---|" * len(MODES), flush=True)
    rows = [row_of(name, args.batch, args.repeats) for name in args.names]
    if args.json:
        args.json.write_text(json.dumps({"machine": describe(), "rows": rows}, indent=1))


def row_of(name: str, batch: int, repeats: int) -> dict[str, Any]:
    """Measure one network in every mode and print its row."""
    row: dict[str, Any] = {"name": name}
    for mode in MODES:
        options = ["--one", name, mode, "--batch", str(batch), "--repeats", str(repeats)]
        child = subprocess.run(
            [sys.executable, __file__, *options], capture_output=True, text=True, check=False
        )
        if child.returncode:  # 24 GiB do not hold everything: a row says so and the rest goes on
            row[mode] = None
            print(f"{name}, {mode}: {child.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        else:
            row[mode] = json.loads(child.stdout.splitlines()[-1])
            row["input"] = row[mode]["input"]
    cells = [
        f"{row[mode]['s']:.3g} | {row[mode]['mb']:.0f}" if row[mode] else "failed | "
        for mode in MODES
    ]
    print(f"| {name} | {row.get('input', '')} | {' | '.join(cells)} |", flush=True)
    return row


def measure(name: str, mode: str, batch: int, repeats: int) -> dict[str, Any]:
    """Time one mode of one network in this process."""
    import torch

    from unmask.models import create
    from unmask.models.base import example

    torch.manual_seed(0)
    before = peak_mb()
    network = create(name)
    clips = example(network, batch, device="cpu")
    run = step_of(name, network, clips) if mode.startswith("step") else forward_of(network, clips)
    with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in mode):
        run()
        times = [seconds(run) for _ in range(repeats)]
    shape = "x".join(map(str, clips.frames.shape[1:]))
    return {"s": median(times), "mb": peak_mb() - before, "input": shape}


def forward_of(network: Any, clips: Any) -> Callable[[], object]:
    """A pass as a scan makes it."""
    import torch

    network.eval()

    def run() -> None:
        with torch.inference_mode():
            network(clips)

    return run


def step_of(name: str, network: Any, clips: Any) -> Callable[[], object]:
    """A training step: losses, gradients, Adam."""
    import torch

    from unmask.models import create, create_objective, entry

    teacher = create(TEACHERS[name]) if name in TEACHERS else None
    lam = {"lam": 1.0} if name in TEACHERS.values() else {}  # a teacher has no teacher
    objective = create_objective(entry(name).system, network, teacher=teacher, **lam).train()
    optimizer = torch.optim.Adam(objective.param_groups(), lr=1e-4)
    clips.frames.normal_()
    clips.label = (torch.arange(clips.size) % 2).float()

    def run() -> None:
        optimizer.zero_grad()
        objective(clips).total.backward()
        optimizer.step()

    return run


def seconds(run: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def peak_mb() -> float:
    """Most memory this process has had, MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    main()
