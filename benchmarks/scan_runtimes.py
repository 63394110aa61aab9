"""Each system at its paper's size in every runtime: clips a second of one core's work.

    python benchmarks/scan_runtimes.py [--names NAME ...] [--seconds S] [--write PAGE]

Random weights, which take as long as learned ones. Every cell is a process of its own: it opens the
runtime as a scan does, warms up with one clip and then asks about one clip after the other for
`--seconds`, three clips at least. What counts is the time that cores worked on it, all together,
so that other work on the machine costs little; with several cores a runtime does more a second.
`--write` puts the table into a page, between two marks. int8 needs nncf (`unmask[export]`); a cell
that could not be measured is empty; stderr tells why.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import describe

NAMES = (
    *("vit_distill", "av_cae", "dtn", "dtn/small", "long_distance", "resnet3d", "timesformer"),
    *("xception", "mesonet-4"),
)
RUNTIMES = ("torch f32", "torch bf16", "openvino f32", "openvino bf16", "openvino int8")
FEWEST = 3  # clips that are timed
BEGIN, END = "<!-- runtimes -->", "<!-- end of runtimes -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", nargs="+", default=NAMES)
    parser.add_argument("--runtimes", nargs="+", default=RUNTIMES, choices=RUNTIMES)
    parser.add_argument("--seconds", type=float, default=5.0, help="a cell is timed")
    parser.add_argument("--write", type=Path, help="a page with the two marks")
    parser.add_argument("--one", nargs=3, metavar=("WHAT", "NAME", "DIR"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        what, name, folder = args.one
        made = (
            save(name, Path(folder))
            if what == "save"
            else measure(what, Path(folder), args.seconds)
        )
        print(json.dumps(made))
        return
    command = f"python benchmarks/scan_runtimes.py --seconds {args.seconds:g}"
    lines = [f"{describe()}. `{command}`", "", header(args.runtimes)]
    print("\n".join(lines), flush=True)
    for name in args.names:
        lines.append(row(name, args.runtimes, args.seconds))
        print(lines[-1], flush=True)
    if args.write:
        write(args.write, lines)


def header(runtimes: list[str]) -> str:
    """Head of the table."""
    return f"| network | clip | {' | '.join(runtimes)} |\n|---|---|{'---|' * len(runtimes)}"


def row(name: str, runtimes: list[str], seconds: float) -> str:
    """One network in every runtime."""
    with tempfile.TemporaryDirectory() as folder:
        saved = child("save", name, folder, seconds)
        cells = [child(runtime, name, folder, seconds) if saved else None for runtime in runtimes]
    shape = saved["clip"] if saved else ""
    texts = ["" if cell is None else f"{cell['per_s']:.3g}" for cell in cells]
    return f"| `{name}` | {shape} | {' | '.join(texts)} |"


def child(what: str, name: str, folder: str, seconds: float) -> dict[str, Any] | None:
    """Run one step in a process of its own; None, with the reason on stderr, if it fails."""
    options = ["--one", what, name, folder, "--seconds", str(seconds)]
    done = subprocess.run(
        [sys.executable, __file__, *options],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
        print(f"{name}, {what}: {reason}", file=sys.stderr, flush=True)
        return None
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def save(name: str, folder: Path) -> dict[str, Any]:
    """Write the network with random weights, and its graph."""
    import torch

    from unmask.models import create
    from unmask.models.weights import add_graph, save_checkpoint

    torch.manual_seed(0)
    network = create(name)
    save_checkpoint(folder / "source", network, name=name, trained=False)
    shapes = network.input_spec.clip_shapes
    del network
    add_graph(folder / "source")
    return {"clip": " + ".join("x".join(map(str, shape)) for shape in shapes.values())}


def measure(runtime: str, folder: Path, seconds: float) -> dict[str, float]:
    """Clips a second of one core's work, one after the other."""
    import numpy as np

    from unmask.types import Batch

    ask, shapes = opened(runtime, folder)
    rng = np.random.default_rng(0)
    clip = {name: rng.standard_normal((1, *shape), np.float32) for name, shape in shapes.items()}
    batch = Batch(**clip)
    ask(batch)
    started, n = time.process_time(), 0
    while n < FEWEST or time.process_time() - started < seconds:
        ask(batch)
        n += 1
    return {"per_s": n / (time.process_time() - started)}


def opened(runtime: str, folder: Path) -> tuple[Any, dict[str, tuple[int, ...]]]:
    """The network in a runtime, and the shapes of its inputs."""
    from unmask.models.checkpoint import GRAPH, read_checkpoint
    from unmask.pipeline.runtime import OpenVinoRuntime, TorchRuntime

    checkpoint = read_checkpoint(folder / "source")
    shapes = checkpoint.meta.input_spec.clip_shapes
    graph = folder / "source" / GRAPH
    backend, precision = runtime.split()
    if backend == "torch":
        from unmask.models.weights import load_network

        return TorchRuntime(load_network(checkpoint), "cpu", precision), shapes
    if precision == "int8":
        graph = in_integers(graph, folder / "int8.xml", shapes)
    return OpenVinoRuntime(graph, precision), shapes


def in_integers(graph: Path, file: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    """The graph in int8, calibrated on noise: its time does not depend on what it learned."""
    import numpy as np

    from unmask.openvino_core import openvino_core
    from unmask.pipeline.integers import quantised
    from unmask.types import Batch

    rng = np.random.default_rng(1)
    clip = {name: rng.standard_normal((1, *shape), np.float32) for name, shape in shapes.items()}
    model = quantised(openvino_core().read_model(str(graph)), [Batch(**clip)])
    import openvino  # quiet by now

    openvino.save_model(model, str(file), compress_to_fp16=False)
    return file


def write(page: Path, lines: list[str]) -> None:
    """Replace what is between the marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text("\n".join([before + BEGIN, *lines, END + after]), encoding="utf-8")


if __name__ == "__main__":
    main()
