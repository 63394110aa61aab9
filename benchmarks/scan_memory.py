"""Does memory grow with the length of a video? Peak of scans of 1 and of 10 minutes in 1080p.

    python benchmarks/scan_memory.py [--model NAME|DIR] [--frames N] [--minutes 1 10]

The videos are the same 10 seconds (a face that moves before a moving background) over and over:
encoded once, then their packets are written again with later times. Linux and macOS only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import av
import cv2
import numpy as np

from machine import describe

SIZE = (1920, 1080)
FPS = 25
LOOP_S = 10
FACE_SCALE = 2.5  # of the portrait: a face of 220 px


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default", help="a detector's name or a folder")
    parser.add_argument("--frames", default="32")
    parser.add_argument("--minutes", type=int, nargs=2, default=(1, 10))
    args = parser.parse_args()
    where = describe()
    with tempfile.TemporaryDirectory() as name:
        loop = encode_loop(Path(name) / "loop.mp4")
        peaks = []
        for minutes in args.minutes:
            video = repeat(loop, Path(name) / f"{minutes}.mp4", minutes * 60 // LOOP_S)
            options = ["--model", args.model, "--frames", args.frames]
            peaks.append(peak_mb(["scan", str(video), *options]))
    print(f"{where}; {SIZE[0]} x {SIZE[1]} px, {FPS} fps, {args.frames} frames sampled\n")
    print("| video | peak memory |")
    print("|---|---|")
    for minutes, peak in zip(args.minutes, peaks, strict=True):
        print(f"| {minutes} min | {peak:.0f} MB |")
    print(f"| ratio | {peaks[1] / peaks[0]:.3f} (aim: at most 1.10) |")


def encode_loop(path: Path) -> Path:
    """Ten seconds of H.264 that begin with a key frame and refer to nothing outside."""
    options = {"preset": "ultrafast", "g": str(2 * FPS), "bf": "0", "crf": "26"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for rgb in pictures():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def pictures() -> Iterator[np.ndarray]:
    """The portrait drifting over a background that slides."""
    data = (files("unmask") / "assets" / "astronaut.jpg").read_bytes()
    face = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)[0:260, 80:380]
    face = cv2.resize(face, None, fx=FACE_SCALE, fy=FACE_SCALE, interpolation=cv2.INTER_CUBIC)
    height, width = face.shape[:2]
    coarse = np.random.default_rng(0).integers(0, 256, (27, 2 * 48, 3), np.uint8)
    ground = cv2.resize(coarse, (2 * SIZE[0], SIZE[1]), interpolation=cv2.INTER_CUBIC)
    for k in range(LOOP_S * FPS):
        rgb = np.ascontiguousarray(ground[:, 4 * k : 4 * k + SIZE[0]])
        x, y = 200 + 3 * k, 200 + k // 2
        rgb[y : y + height, x : x + width] = face
        yield rgb


def repeat(loop: Path, path: Path, times: int) -> Path:
    """Write the packets of a clip over and over, each time later."""
    with av.open(str(path), "w") as out:
        target = None
        for turn in range(times):
            with av.open(str(loop)) as source:
                stream = source.streams.video[0]
                target = target or out.add_stream_from_template(stream)
                later = int(turn * LOOP_S * Fraction(1) / stream.time_base)
                for packet in source.demux(stream):
                    if packet.size:
                        packet.pts, packet.dts = packet.pts + later, packet.dts + later
                        packet.stream = target
                        out.mux(packet)
    return path


def peak_mb(args: list[str]) -> float:
    """Most memory that `unmask` with these arguments had in use, MB."""
    child = subprocess.Popen([sys.executable, "-m", "unmask", *args], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"unmask {' '.join(args)} failed")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return usage.ru_maxrss * unit / 1e6


if __name__ == "__main__":
    main()
