"""How much faster the engine learns than a plain loop, and how long it waits for data.

    python benchmarks/training.py [--names NAME ...] [--batch N] [--steps N]

Plain: float32, eager, default memory layout, Adam one tensor after the other. Ours: the engine with
`precision = bf16-mixed`, `channels_last`, fused Adam and the average of the weights. Both learn
from the same batches of the same loader; only steps are timed, each in a process of its own. What
the loader costs is the share of the engine's time spent waiting for a batch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from machine import describe

NAMES = ("dtn", "xception", "long_distance/spatial")
LOOPS = ("plain", "ours")
N_PICTURES, SIDE = 512, 224  # as DFDC's crops


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", nargs="+", default=NAMES)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=8, help="timed ones; two more warm up")
    parser.add_argument("--one", nargs=3, metavar=("NAME", "LOOP", "DATA"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        name, loop, data = args.one
        print(json.dumps(LEARN[loop](name, Path(data), args.batch, args.steps)))
        return
    print(f"{describe()}; batch {args.batch}, {args.steps} steps\n")
    print("| network | plain, img/s | ours, img/s | ratio | waiting for data |")
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder))
        for name in args.names:
            plain, ours = (measured(name, loop, folder, args.batch, args.steps) for loop in LOOPS)
            ratio = ours["img_per_s"] / plain["img_per_s"]
            rates = f"{plain['img_per_s']:.2f} | {ours['img_per_s']:.2f} | {ratio:.2f}"
            print(f"| {name} | {rates} | {ours['waited']:.1%} |", flush=True)


def measured(name: str, loop: str, data: str, batch: int, steps: int) -> dict[str, float]:
    """Run one loop in a process of its own."""
    options = ["--one", name, loop, data, "--batch", str(batch), "--steps", str(steps)]
    child = subprocess.run(
        [sys.executable, __file__, *options], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, float] = json.loads(child.stdout.splitlines()[-1])
    return found


def write_pictures(folder: Path) -> None:
    """Smooth noise as JPEG: as costly to decode as a face."""
    rng = np.random.default_rng(0)
    encoded = []
    for _ in range(N_PICTURES):
        coarse = rng.integers(0, 256, (28, 28, 3), np.uint8)
        picture = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        encoded.append(cv2.imencode(".jpg", picture)[1].tobytes())
    columns = {
        "image": encoded,
        "label": pa.array([i % 2 for i in range(N_PICTURES)], pa.int8()),
        "video": [f"v{i}" for i in range(N_PICTURES)],
        "original": [f"v{i // 2 * 2}" for i in range(N_PICTURES)],
    }
    pq.write_table(pa.table(columns), folder / "train.parquet")


def setting(name: str, data: Path) -> tuple[Any, Any]:
    """Objective and training samples."""
    from unmask.datasets.samples import DataConfig, open_samples
    from unmask.models import create, create_objective, entry

    network = create(name)
    config = DataConfig(paths=(data,), calib_share=0.1, forged_share=0.0)
    samples = open_samples(config, network.input_spec, "train")
    return create_objective(entry(name).system, network), samples


def learn_plainly(name: str, data: Path, batch: int, steps: int) -> dict[str, float]:
    """Do what a first script does."""
    import torch

    from unmask.datasets import loader
    from unmask.models.base import to_tensors

    objective, samples = setting(name, data)
    optimizer = torch.optim.Adam(objective.parameters(), lr=1e-4, foreach=False)
    objective.train()
    times = []
    for clips in loader.batches(samples, batch, seed=0, epoch=0, workers=1):
        start = time.perf_counter()
        optimizer.zero_grad()
        objective(to_tensors(clips)).total.backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
        if len(times) == steps + 2:
            break
    return {"img_per_s": batch / float(np.median(times[2:])), "waited": 0.0}


def learn_with_the_engine(name: str, data: Path, batch: int, steps: int) -> dict[str, float]:
    """Do what `unmask train` does, validation and saving left out."""
    from unmask.datasets import loader
    from unmask.training.engine import train
    from unmask.training.log import LOG
    from unmask.training.plan import TrainConfig

    objective, samples = setting(name, data)
    config = TrainConfig(
        batch=batch,
        steps=steps + 2,
        lr=1e-4,
        optimizer="adam",
        precision="bf16-mixed",
        channels_last=True,
        ema_decay=0.999,
        device="cpu",
        log_every=1,
        valid_every=steps + 2,
        save_every_s=1e9,
    )
    few = open_few(samples, batch)
    with tempfile.TemporaryDirectory() as folder:
        train(
            objective,
            samples,
            few,
            loader=loader,
            config=config,
            folder=Path(folder),
            keep_best=forget,
        )
        lines = (Path(folder) / LOG).read_text().splitlines()
    events = [json.loads(line) for line in lines]
    learned = [event for event in events if event["event"] == "train"][2:]
    return {
        "img_per_s": float(np.median([event["img_per_s"] for event in learned])),
        "waited": float(np.median([event["waited"] for event in learned])),
    }


def forget(*_: object) -> None:
    """Keep nothing."""


def open_few(samples: Any, n: int) -> Any:
    """Few pictures of both classes, since the engine validates in the end."""
    from unmask.datasets.samples import PlainSamples

    labels = samples.source.labels
    rows = np.concatenate([np.flatnonzero(labels == label)[: n // 2] for label in (0, 1)])
    return PlainSamples(source=samples.source.take(rows), input_spec=replace(samples.input_spec))


LEARN = {"plain": learn_plainly, "ours": learn_with_the_engine}


if __name__ == "__main__":
    main()
