"""Can training be fed? Clips read from prepared data a second, beside a training step's appetite.

    python benchmarks/samples.py [--names NAME ...] [--videos N] [--threads N] [--json FILE]

Drawn 1080p videos with one face of 220 px are prepared once for every kind of clip; then each
network's clips are read in random order, cut and stacked into batches as in training, without and
with augmentation. A training step is that of `models.py`: forward, backward and Adam in float32
with the batch given. The system's file cache is warm.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from machine import describe
from models import measure
from scan_memory import encode_loop
from unmask import models
from unmask.datasets.augment import AugmentConfig
from unmask.datasets.extract import Settings
from unmask.datasets.loader import batches
from unmask.datasets.manifest import ORIGINAL, Manifest, Video
from unmask.datasets.prepare import prepare
from unmask.datasets.samples import DataConfig, open_samples
from unmask.types import InputSpec

# The fastest network of each system, and of the baselines.
NAMES = (
    *("mesonet-4", "xception", "dtn/small", "dtn", "evit", "vit_distill", "long_distance/n2"),
    *("resnet3d/r18", "timesformer"),
)
BATCHES = 12  # read and timed, after one to warm up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", nargs="+", default=NAMES)
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4, help="clips in a batch")
    parser.add_argument("--threads", type=int, default=1, help="threads that read")
    parser.add_argument("--json", type=Path, help="write all numbers here")
    args = parser.parse_args()
    where = describe()
    print(f"{where}; {args.threads} reading, batch {args.batch}\n")
    print("| network | clip | read/s | read and augmented/s | trained on/s | ratio (aim: 2) |")
    print("|---|---|---|---|---|---|", flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        videos = draw(Path(name), args.videos)
        for network in args.names:
            rows.append(run(network, videos, Path(name), args.batch, args.threads))
            print(line(rows[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps({"machine": where, "rows": rows}, indent=1) + "\n")


def draw(folder: Path, n_videos: int) -> Manifest:
    """Equal videos, half of them called fakes."""
    loop = encode_loop(folder / "0.mp4")
    for k in range(1, n_videos):
        shutil.copy(loop, folder / f"{k}.mp4")
    videos = tuple(
        Video(
            id=f"bench/{k}",
            path=f"{k}.mp4",
            dataset="bench",
            method=ORIGINAL if k % 2 == 0 else "copy",
            label=k % 2,
            split="train",
        )
        for k in range(n_videos)
    )
    return Manifest(dataset="bench", root=str(folder), videos=videos)


def run(name: str, manifest: Manifest, folder: Path, batch: int, threads: int) -> dict[str, Any]:
    """Prepare what a network needs, unless that is done, then read and train."""
    spec = models.create(name).input_spec
    preset = "evenly32" if spec.n_frames == 1 else f"clips{spec.n_frames}x{spec.stride}"
    out = folder / preset
    prepare(manifest, str(out), Settings(sampling=preset), n_workers=2)
    speeds = {
        kind: read(out, spec, AugmentConfig(preset=kind), batch, threads)
        for kind in ("none", "ours")
    }
    step = measure(name, "step f32", batch, 3)
    return {
        "name": name,
        "input": step["input"],
        "read_per_s": speeds["none"],
        "augmented_per_s": speeds["ours"],
        "trained_per_s": batch / step["s"],
        "ratio": speeds["none"] * step["s"] / batch,
    }


def read(out: Path, spec: InputSpec, augment: AugmentConfig, batch: int, threads: int) -> float:
    """Clips a second."""
    config = DataConfig(
        reader="prepared",
        paths=(out,),
        choose_on="val",
        forged_share=0.0,
        real_repeat=(BATCHES + 1) * batch,
        augment=augment,
    )
    samples = open_samples(config, spec, "train")
    made = batches(samples, batch, seed=0, epoch=0, workers=threads if threads > 1 else 0)
    next(made)
    started = time.perf_counter()
    n_read = sum(made_one.size for made_one in islice(made, BATCHES))
    seconds = time.perf_counter() - started
    made.close()  # type: ignore[attr-defined]
    return n_read / seconds


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    speeds = [row["read_per_s"], row["augmented_per_s"], row["trained_per_s"]]
    cells = " | ".join(f"{speed:.3g}" for speed in speeds)
    return f"| {row['name']} | {row['input']} | {cells} | {row['ratio']:.1f} |"


if __name__ == "__main__":
    main()
