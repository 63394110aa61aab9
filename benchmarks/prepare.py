"""How fast a data set is prepared, and on what the time goes.

    python benchmarks/prepare.py [--data FOLDER] [--videos N] [--workers 1 2] [--json FILE]

Without --data: copies of 10 seconds of 1080p with one face of 220 px, about a DFDC video. Every run
prepares all of them anew, in processes of their own, as `unmask prepare` does; starting those is
part of the time. Shares are of the workers' own time, added up.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from machine import describe
from scan_memory import encode_loop
from unmask.datasets.extract import Settings
from unmask.datasets.manifest import ORIGINAL, Manifest, Video
from unmask.datasets.prepare import prepare
from unmask.pipeline.batch import find_media

PRESETS = ("evenly32", "clips16", "every")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder of videos instead of drawn ones")
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--json", type=Path, help="write all numbers here")
    args = parser.parse_args()
    where = describe()
    print(f"{where}; {args.data or 'drawn 1080p clips of 10 s'}\n")
    print("| preset | workers | videos/s | faces/s | decode | detect | write | kB a face |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = find_media([args.data])[: args.videos] if args.data else drawn(folder, args.videos)
        for preset in args.presets:
            for n_workers in args.workers:
                rows.append(run(files, folder / "out", preset, n_workers))
                print(line(rows[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps({"machine": where, "rows": rows}, indent=1) + "\n")


def drawn(folder: Path, n_videos: int) -> list[Path]:
    """Equal videos under different names."""
    loop = encode_loop(folder / "0.mp4")
    copies = [folder / f"{k}.mp4" for k in range(1, n_videos)]
    return [loop, *(Path(shutil.copy(loop, copy)) for copy in copies)]


def run(files: Sequence[Path], out: Path, preset: str, n_workers: int) -> dict[str, Any]:
    """Prepare everything once."""
    videos = tuple(
        Video(id=f"bench/{k}", path=str(f), dataset="bench", method=ORIGINAL, label=0)
        for k, f in enumerate(files)
    )
    manifest = Manifest(dataset="bench", root=str(files[0].parent), videos=videos)
    started = time.perf_counter()
    result = prepare(manifest, str(out), Settings(sampling=preset), n_workers=n_workers)
    seconds = time.perf_counter() - started
    size = sum(file.stat().st_size for file in (out / "faces").iterdir())
    shutil.rmtree(out)
    return {
        "preset": preset,
        "workers": n_workers,
        "seconds": seconds,
        "videos": len(videos),
        "faces": result.coverage.n_faces,
        "bytes_a_face": size / max(1, result.coverage.n_faces),
        **asdict(result.spent),
    }


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    spent = [row["decode_s"], row["detect_s"], row["write_s"]]
    shares = " | ".join(f"{seconds / sum(spent):.0%}" for seconds in spent)
    rates = [f"{row[what] / row['seconds']:.2f}" for what in ("videos", "faces")]
    size = f"{row['bytes_a_face'] / 1000:.0f}"
    return f"| {row['preset']} | {row['workers']} | {' | '.join(rates)} | {shares} | {size} |"


if __name__ == "__main__":
    main()
