"""Many files: how many a minute, by how many at once, and what memory that takes.

    python benchmarks/scan_files.py [--files N] [--workers 1 2 ...] [--model NAME|DIR] [FOLDER]

Without a folder, copies of a clip of 2 s, 512 px, are scanned. Every row is one `unmask scan` of
all of them, start-up included.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

from machine import describe
from unmask.forge.demo_clip import portrait_clip
from unmask.pipeline.batch import find_media


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="of files of yours")
    parser.add_argument("--files", type=int, default=100, help="copies, without a folder")
    parser.add_argument("--workers", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--model", default="default", help="a detector's name or a folder")
    args = parser.parse_args()
    where = describe()
    with tempfile.TemporaryDirectory() as name:
        folder = args.folder or copies(Path(name), args.files)
        n_files = len(find_media([folder]))
        print(f"{where}; {n_files} files\n")
        print("| files at once | files a minute | peak memory |")
        print("|---|---|---|")
        for workers in args.workers:
            seconds, peak_mb = scan(folder, args.model, workers)
            print(f"| {workers} | {60 * n_files / seconds:.0f} | {peak_mb:.0f} MB |", flush=True)


def copies(folder: Path, n: int) -> Path:
    """A folder of one clip under many names."""
    portrait = Path(str(files("unmask") / "assets" / "astronaut.jpg"))
    clip = portrait_clip(portrait, folder / "0.mp4", seconds=2.0)
    for k in range(1, n):
        shutil.copy(clip, folder / f"{k}.mp4")
    return folder


def scan(folder: Path, model: str, workers: int) -> tuple[float, float]:
    """Seconds and peak memory, MB, of scanning a folder."""
    command = [sys.executable, "-m", "unmask", "scan", str(folder), "--model", model]
    started = time.time()
    child = subprocess.Popen(
        [*command, "--workers", str(workers)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status >> 8 > 1:  # 1: some could not be read
        sys.exit(f"{' '.join(command)} failed")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return time.time() - started, usage.ru_maxrss * unit / 1e6


if __name__ == "__main__":
    main()
