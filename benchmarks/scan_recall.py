"""Does following faces lose any? Frames and boxes of ours beside facenet-pytorch's MTCNN.

    python benchmarks/scan_recall.py FOLDER_OR_VIDEO... [--peers DIR] [--frames N]

Of every video the frames that a scan would sample. A frame counts as lost where the peer finds a
face with at least `SURE` confidence and ours finds none that overlaps it; boxes are compared for
the largest face. Ours is run twice: as a scan does, and searching every frame. For DIR see
`scan.py`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from machine import describe
from scan_contenders import HALVED_FROM_PX
from unmask.faces.boxes import areas, overlaps
from unmask.faces.detect import FaceDetector
from unmask.faces.follow import follow
from unmask.pipeline.batch import find_media
from unmask.types import Frame
from unmask.video import open_media
from unmask.video.sample import evenly

SURE = 0.95  # of the peer: below, it takes sleeves and hands for faces
FOUND = 0.3  # overlap from which two boxes are one face
Boxes = np.ndarray  # (N, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--peers", type=Path, default=Path("peers"), help="folder of packages")
    parser.add_argument("--frames", type=int, default=32, help="of every video")
    args = parser.parse_args()
    sys.path.append(str(args.peers))
    detector = FaceDetector()
    ways: dict[str, Callable[[Sequence[Frame]], Iterable[Boxes]]] = {
        "facenet-pytorch": facenet(),
        "followed": lambda frames: (boxes(found) for _, found in follow(frames, detector)),
        "searched": lambda frames: (boxes(detector.detect([f.rgb])[0]) for f in frames),
    }
    print(f"{describe()}; {args.frames} frames of every video\n", flush=True)
    found: dict[str, list[Boxes]] = {way: [] for way in ways}
    worked = dict.fromkeys(ways, 0.0)
    for file in find_media(args.paths):
        with open_media(file) as reader:
            frames = list(reader.frames(evenly(reader.info, args.frames)))
        for way, find in ways.items():
            started = time.process_time()
            found[way] += list(find(frames))
            worked[way] += time.process_time() - started
    report(found, worked)


def facenet() -> Callable[[Sequence[Frame]], Iterable[Boxes]]:
    """The peer, on frames of half the size where they are large."""
    from facenet_pytorch import MTCNN

    mtcnn = MTCNN(keep_all=True, device="cpu")

    def find(frame: Frame) -> Boxes:
        scale = 0.5 if min(frame.rgb.shape[:2]) > HALVED_FROM_PX else 1.0
        small = cv2.resize(frame.rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        own, sure = mtcnn.detect(small)
        if own is None:
            return np.empty((0, 4), np.float32)
        return np.asarray(own[sure >= SURE] / scale, np.float32)

    return lambda frames: map(find, frames)


def boxes(found: Sequence[Any]) -> Boxes:
    """Boxes of detections, (N, 4)."""
    return np.array([face.box_xyxy_px for face in found], np.float32).reshape(-1, 4)


def report(found: dict[str, list[Boxes]], worked: dict[str, float]) -> None:
    """Print who lost what, how boxes agree and what it took."""
    theirs = found.pop("facenet-pytorch")
    n_with_face = sum(map(bool, map(len, theirs)))
    print("| detector | frames lost | of those with a face | median IoU | least | ms a frame |")
    print("|---|---|---|---|---|---|")
    milliseconds = 1000 * worked["facenet-pytorch"] / len(theirs)
    print(f"| facenet-pytorch | | {n_with_face} of {len(theirs)} | | | {milliseconds:.1f} |")
    for way, ours in found.items():
        shares = [best_overlap(a, b) for a, b in zip(theirs, ours, strict=True) if len(a)]
        met = [share for share in shares if share >= FOUND]
        lost = len(shares) - len(met)
        milliseconds = 1000 * worked[way] / len(theirs)
        print(
            f"| {way} | {lost} | {lost / max(1, n_with_face):.2%} | {median(met):.3f} | "
            f"{min(met):.3f} | {milliseconds:.1f} |"
        )


def best_overlap(theirs: Boxes, ours: Boxes) -> float:
    """How far one of ours covers the largest of theirs."""
    if not len(ours):
        return 0.0
    largest = theirs[[areas(theirs).argmax()]]
    return float(overlaps(largest, ours).max())


if __name__ == "__main__":
    main()
