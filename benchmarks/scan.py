"""How fast is a scan, beside what it cannot beat and beside what people use instead?

    python benchmarks/scan.py [--quick] [--peers DIR] [--clips FILE ...] [--out DIR]

Every way of scanning (see `scan_contenders.py`) runs in processes of its own on the same clips, at
the same 32 frames and with the same network: floors (decoding the wanted frames, the network
alone), peers in float32, ours. Ways take turns, there and back, since machines slow down and
recover; a process scans the short clip to warm up, then the clip that counts.
Printed for each: seconds by stage, in all and of all cores together, the time until it is ready,
that of the first scan, peak memory, all of the round in the middle. Ratios are taken in every
round, and their median is printed with the least and the most. Stages of ours overlap, so their
sum is more than the whole; what the detectors take alone is measured apart.
A clip of minutes is scanned once, and once more with a key frame every 2 s.

Peers and int8 need packages that unmask does not. They go into a folder of their own:

    uv pip install --target DIR --no-deps facenet-pytorch dlib-bin nncf ninja pydot tabulate psutil
    uv pip install --target DIR requests
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from machine import describe
from scan_clips import write_clip
from scan_contenders import CONTENDERS, middle
from scan_memory import FPS, LOOP_S

PEER = "OpenCV, facenet-pytorch, timm"
FACES, PEERS_FACES = "faces alone: unmask", "faces alone: facenet-pytorch"
QUICK = ("floor: decoding", "floor: network bf16", PEER, "unmask, bf16")
TUNED, SEEKING = "the same, small batches", "the same, small batches, seeking"
IN_LONG = {*QUICK, TUNED, SEEKING, "unmask, int8", "floor: network int8"}
LONG = tuple(name for name in CONTENDERS if name in IN_LONG)
SHORT = tuple(name for name in CONTENDERS if name != SEEKING)  # pays in long ones only
STAGES = ("decode", "detect", "crop", "model", "report")
COLOURS = {"decode": "#4c72b0", "detect": "#dd8452", "model": "#55a868"}  # the others are too short
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="four ways, one clip, one run each")
    parser.add_argument("--peers", type=Path, default=Path("peers"), help="folder of packages")
    parser.add_argument("--clips", type=Path, nargs="*", default=(), help="beside the drawn ones,")
    parser.add_argument("--none-drawn", action="store_true", help="or in place of them")
    parser.add_argument("--rounds", type=int, default=3, help="in which all ways take turns")
    parser.add_argument("--repeats", type=int, default=3, help="scans a round, after the first")
    parser.add_argument("--minutes", type=int, default=10, help="of the long clip; 0 = none")
    parser.add_argument("--only", nargs="*", choices=CONTENDERS, help="these ways alone")
    parser.add_argument("--out", type=Path, help="write scan.json and scan.png here")
    args = parser.parse_args()
    env = {**os.environ, "PYTHONPATH": str(args.peers.resolve())}
    where = describe()
    print(f"{where}; 32 frames, Xception 299 px\n", flush=True)
    results: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = run("scan_networks.py", name, env=env)
        if made.returncode:
            sys.exit(made.stderr)
        warm = write_clip(folder / f"{LOOP_S} s.mp4")
        drawn = [] if args.none_drawn else [warm]
        long = [] if args.quick or args.none_drawn else long_clips(folder, args.minutes)
        for clip in (*drawn, *long, *args.clips):
            names = args.only or (QUICK if args.quick else LONG if clip in long else SHORT)
            once = args.quick or clip in long
            times = (1, 1) if once else (args.rounds, args.repeats)
            runs = run_all(names, (str(clip), str(warm), name), times, env)
            results[clip.stem] = report(clip, runs)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        document = {"machine": where, "clips": results}
        (args.out / "scan.json").write_text(json.dumps(document, indent=1) + "\n")
        draw(results, args.out / "scan.png", where)


def long_clips(folder: Path, minutes: int) -> list[Path]:
    """The same pictures for minutes, with x264's usual key frames and with frequent ones."""
    if not minutes:
        return []
    usual = write_clip(folder / f"{minutes} min.mp4", 60 * minutes)
    name = f"{minutes} min, a key frame every 2 s.mp4"
    return [usual, write_clip(folder / name, 60 * minutes, group=2 * FPS)]


def run_all(
    names: Sequence[str], places: tuple[str, str, str], times: tuple[int, int], env: dict[str, str]
) -> dict[str, list[Row]]:
    """Scan a clip in every way: `times` is rounds, and scans in each.

    `places`: the clip, the one to warm up with, the folder of networks.
    """
    rounds, repeats = times
    runs: dict[str, list[Row]] = {name: [] for name in names}
    for k in range(rounds):
        for name in list(runs)[:: -1 if k % 2 else 1]:
            words = (name, *places, str(time.time()), str(repeats))
            child = run("scan_contenders.py", *words, env=env)
            if child.returncode:  # a peer that is not installed, int8 without nncf: go on
                why = child.stderr.strip().splitlines()[-1]
                print(f"{name}: {why}", file=sys.stderr, flush=True)
                del runs[name]
                continue
            runs[name].append(json.loads(child.stdout.splitlines()[-1]))
    return runs


def report(clip: Path, runs: dict[str, list[Row]]) -> list[Row]:
    """Print a clip's table and ratios; returns a row for each way."""
    rows = [middle(own) for own in runs.values()]
    print(f"{clip.stem}\n")
    print(f"| way | {' | '.join(STAGES)} | all, s | of all cores, s | ready, s | first, s | MB |")
    print("|---|" + "---|" * (len(STAGES) + 5))
    print("\n".join(map(line, rows)))
    print("\n" + "\n".join(ratios(runs)) + "\n", flush=True)
    return rows


def run(script: str, *words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script that lies beside this one."""
    command = [sys.executable, str(Path(__file__).with_name(script)), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def line(row: Row) -> str:
    """One row of the table."""
    stages = (row["stages"].get(stage) for stage in STAGES)
    cells = ["" if seconds is None else f"{seconds:.2f}" for seconds in stages]
    times = (row["total"], row["cpu_s"], row["ready_s"], row["first_s"])
    cells += [f"{seconds:.2f}" for seconds in times] + [f"{row['peak_mb']:.0f}"]
    return f"| {row['name']} | {' | '.join(cells)} |"


def ratios(runs: dict[str, list[Row]]) -> list[str]:
    """How every way compares to ours, and ours to the sum of its floors."""
    sentences = []
    for own in ("unmask, f32", "unmask, bf16", "unmask, int8"):
        floors = ("floor: decoding", f"floor: network {own.split()[-1]}")
        if own not in runs:
            continue
        if runs.keys() >= set(floors):
            shares = shares_of(runs, own, *floors)
            sentences.append(f"{own}: {told(shares)} times the sum of its floors")
        sentences += [
            f"{own}: {told(shares_of(runs, name, own))} times as fast as {name}, by time of all "
            f"cores {told(shares_of(runs, name, own, by='cpu_s'))} times"
            for name in runs
            if name.startswith("OpenCV") or name in {TUNED, SEEKING}
        ]
    if runs.keys() >= {FACES, PEERS_FACES}:
        shares = shares_of(runs, PEERS_FACES, FACES)
        sentences.append(f"{FACES}: {told(shares)} times as fast as {PEERS_FACES}")
    return sentences


def shares_of(
    runs: dict[str, list[Row]], name: str, *others: str, by: str = "total"
) -> list[float]:
    """One way's time by that of others together, in every round."""
    together = zip(*(runs[other] for other in others), strict=True)
    return [
        row[by] / sum(other[by] for other in rest)
        for row, rest in zip(runs[name], together, strict=True)
    ]


def told(shares: list[float]) -> str:
    """The median, with the least and the most where there are several."""
    least, most = min(shares), max(shares)
    spread = f" ({least:.2f} to {most:.2f})" if len(shares) > 1 else ""
    return f"{median(shares):.2f}{spread}"


def draw(results: dict[str, list[Row]], file: Path, where: str) -> None:
    """Bars of seconds by stage, a panel for each clip."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    rows = [len(panel) + 1 for panel in results.values()]
    height = 0.34 * sum(rows) + 1.4  # inches
    figure, axes = plt.subplots(
        len(results), 1, figsize=(9, height), height_ratios=rows, squeeze=False
    )
    for axis, (clip, panel) in zip(axes[:, 0], results.items(), strict=True):
        draw_panel(axis, clip, panel)
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in COLOURS.values()]
    handles.append(plt.Line2D([], [], color="black", linewidth=2))
    labels = [*COLOURS, "from start to end"]
    figure.legend(handles, labels, ncols=4, fontsize=8, loc="upper center", frameon=False)
    figure.text(
        0.5,
        0.26 / height,
        "seconds; stages that overlap wait for one another, and so add up to more",
        fontsize=8,
        ha="center",
    )
    figure.text(0.5, 0.08 / height, where, fontsize=5.5, color="#555555", ha="center")
    figure.tight_layout(rect=(0, 0.4 / height, 1, 1 - 0.25 / height))
    figure.savefig(file, dpi=150)


def draw_panel(axis: Any, clip: str, rows: list[Row]) -> None:
    """Every way of scanning one clip."""
    for y, row in enumerate(rows):
        left = 0.0
        for stage, colour in COLOURS.items():
            seconds = row["stages"].get(stage, 0.0)
            axis.barh(y, seconds, left=left, color=colour, height=0.6)
            left += seconds
        axis.plot([row["total"]] * 2, [y - 0.38, y + 0.38], color="black", linewidth=2)
        end = max(left, row["total"])
        axis.text(end, y, f"  {row['total']:.2f} s", va="center", fontsize=8)
    axis.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=8)
    axis.tick_params(axis="x", labelsize=8)
    axis.invert_yaxis()
    axis.set_title(clip, loc="left", fontsize=9, fontweight="bold")
    axis.margins(x=0.12)
    axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
