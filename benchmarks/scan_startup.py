"""How long a person waits: for the help text, a scan's first frames and its end.

    python benchmarks/scan_startup.py [--model NAME|DIR] [--repeats N]

Every run is a process of its own. Cold: nothing of unmask's own cache is there (weights of the
face detector), as on the first run after an installation; the system's file cache is warm.
First frames: the first eight sampled ones are decoded and searched for faces.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from statistics import median

from machine import describe
from unmask.forge.demo_clip import portrait_clip

SECONDS = 2.0
# Scans as `unmask scan` does and tells when the first frames have been searched.
CHILD = """
import sys, time
from unmask.faces.detect import FaceDetector
detect, told = FaceDetector.detect, []
def telling(self, images):
    found = detect(self, images)
    told or told.append(time.time())
    return found
FaceDetector.detect = telling
from unmask.cli.main import run
try:
    run()
finally:
    sys.stderr.write(f"first {told[0]}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default", help="a detector's name or a folder")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    where = describe()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        portrait = Path(str(files("unmask") / "assets" / "astronaut.jpg"))
        clip = portrait_clip(portrait, folder / "clip.mp4", seconds=SECONDS)
        helps = [run(["-m", "unmask", "--help"], folder)[1] for _ in range(args.repeats)]
        scan = ["-c", CHILD, "scan", str(clip), "--model", args.model]
        cold = [run(scan, folder / f"cold-{k}") for k in range(args.repeats)]
        run(scan, folder / "warm")
        warm = [run(scan, folder / "warm") for _ in range(args.repeats)]
    print(f"{where}; median of {args.repeats}, clip of {SECONDS:g} s, 512 x 512 px\n")
    print("| what | cold cache | warm cache | aim |")
    print("|---|---|---|---|")
    print(f"| `unmask --help` | | {median(helps):.2f} s | 0.50 s |")
    for i, (what, aim) in enumerate(
        (("first frames searched", "2.00 s"), ("end of the scan", "2.00 s warm"))
    ):
        columns = (median(seconds[i] for seconds in runs) for runs in (cold, warm))
        print(f"| {what} | {' | '.join(f'{value:.2f} s' for value in columns)} | {aim} |")


def run(args: list[str], cache: Path) -> tuple[float, float]:
    """Seconds from the command to the first frames (0 where none are told) and to the end."""
    started = time.time()
    env = {**os.environ, "UNMASK_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, *args], env=env, capture_output=True, text=True, check=False
    )
    ended = time.time()
    if done.returncode:
        sys.exit(done.stderr)
    first = done.stderr.rpartition("first ")[2]
    return (float(first) - started if first else 0.0), ended - started


if __name__ == "__main__":
    main()
