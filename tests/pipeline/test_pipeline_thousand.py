"""A thousand files: memory, handles and threads after all of them are those after the first few."""

import json
import subprocess
import sys

import pytest

import media
from face_clips import write_walk

# Scans the files named, and says what the process holds early, late and after all of them.
CHILD = """
import gc, json, os, sys, threading
from pathlib import Path
import unmask
from unmask.pipeline.batch import Failure, scan_all

def held():
    gc.collect()
    status = Path("/proc/self/status").read_text()
    kb = int(next(l for l in status.splitlines() if l.startswith("VmRSS")).split()[1])
    return kb / 1e3, len(os.listdir("/proc/self/fd")), threading.active_count()

detector = unmask.load(sys.argv[1])
files = [Path(line) for line in Path(sys.argv[2]).read_text().splitlines()]
early, late = len(files) // 5, len(files) - len(files) // 20  # both while scans go on
failures, told = [], {}
for k, answer in enumerate(scan_all(detector, files, n_frames=2, workers=2), start=1):
    if isinstance(answer, Failure):
        failures.append(k - 1)
    if k in (early, late):
        told["early" if k == early else "late"] = held()
children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
print(json.dumps({**told, "end": held(), "failures": failures, "children": children}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="what is held is read from /proc")
def test_memory_handles_and_threads_do_not_grow_over_1000_files(tiny_checkpoint, tmp_path):
    kinds = [write_walk(tmp_path / f"walk{k}.mp4", 4 + k) for k in range(4)]
    kinds += [media.write_clip(tmp_path / f"wall.{e}", 8, size=(160, 96)) for e in ("mkv", "mp4")]
    kinds += [media.write_still(tmp_path / "still.png", next(media.numbered_frames(1)))]
    bad = [media.cut(media.write_clip(tmp_path / "cut.mp4", 9, size=(160, 96)), 0.3)]
    bad += [tmp_path / "text.mp4", tmp_path / "noise.mp4"]
    bad[1].write_text("no video")
    bad[2].write_bytes(kinds[0].read_bytes()[:20] + bytes(2000))
    files = [(bad[k // 10 % 3] if k % 10 == 9 else kinds[k % 7]) for k in range(1000)]
    listing = tmp_path / "files.txt"
    listing.write_text("\n".join(map(str, files)))
    command = [sys.executable, "-c", CHILD, str(tiny_checkpoint), str(listing)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["failures"] == list(range(9, 1000, 10)), "each corrupt file is answered as such"
    assert told["children"] == []
    early_mb, *_ = told["early"]
    late_mb, *_ = told["late"]
    _, handles, threads = told["end"]
    assert late_mb < early_mb * 1.05 + 5
    assert handles < 10, "standard streams and what Python itself holds"
    assert threads == 1
