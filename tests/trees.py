"""Miniature official trees of data sets: few videos, truly encoded, no two files alike."""

import json
import struct
import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path

from media import write_clip

FPS = Fraction(30_000, 1001)
N_FRAMES = 6
PAIRS = {
    "train": [["071", "054"], ["087", "081"]],
    "val": [["720", "672"]],
    "test": [["000", "003"]],
}
FF_METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
VARIANTS = ("end_to_end", "end_to_end_level_5", "reenact_postprocess")
CELEB_TEST = (
    *("1 Celeb-real/id0_0001.mp4", "1 YouTube-real/00170.mp4"),
    *("0 Celeb-synthesis/id0_id1_0001.mp4", "0 Celeb-synthesis/id2_id3_0000.mp4"),
)


@cache
def clip():
    """The bytes of one tiny clip."""
    with tempfile.TemporaryDirectory() as folder:
        return write_clip(Path(folder) / "clip.mp4", N_FRAMES, size=(96, 64), fps=FPS).read_bytes()


def put(path, words=None):
    """Write the clip with `words` (its own path if left out) in a box that players pass over."""
    note = (str(path) if words is None else words).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(clip() + struct.pack(">I4s", 8 + len(note), b"free") + note)
    return path


def put_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def ffpp(root, *, lists="splits", compressions=("c23",), methods=FF_METHODS, pairs=None):
    pairs = pairs or PAIRS
    for side, listed in pairs.items():
        put_json(root / lists / f"{side}.json", listed)
    listed = {tuple(pair) for side in pairs.values() for pair in side}
    for compression in compressions:
        for a, b in listed:
            for name in (a, b):
                put(root / f"original_sequences/youtube/{compression}/videos/{name}.mp4")
            for method in methods:
                for name in (f"{a}_{b}", f"{b}_{a}"):
                    folder = root / "manipulated_sequences" / method
                    put(folder / compression / "videos" / f"{name}.mp4")
                    if method != "FaceShifter":
                        put(folder / "masks/videos" / f"{name}.mp4")
    return root


def dfd(root, compression="c23"):
    for actor in ("01", "02", "03", "05"):
        for scene in ("exit_phone_room", "hugging_happy"):
            name = f"{actor}__{scene}.mp4"
            put(root / f"original_sequences/actors/{compression}/videos/{name}")
    folder = root / "manipulated_sequences/DeepFakeDetection"
    for pair in ("01_03", "01_02", "02_05", "03_01"):
        name = f"{pair}__exit_phone_room__YVGY8LOK.mp4"
        put(folder / compression / "videos" / name)
        put(folder / "masks/videos" / name)
    return root


def dfdc(root, parts=(0, 36, 49), test="metadata"):
    for part in parts:
        folder = root / f"dfdc_train_part_{part}"
        entries = {f"real{part}.mp4": {"label": "REAL", "split": "train", "original": None}}
        for letter in "ab":
            entries[f"fake{part}{letter}.mp4"] = {
                **{"label": "FAKE", "split": "train"},
                "original": f"real{part}.mp4",
            }
        put_json(folder / "metadata.json", entries)
        for name in entries:
            put(folder / name)
    labels = {f"test{k}.mp4": k % 2 for k in range(4)}
    if test == "metadata":
        entries = {name: {"augmentations": {}, "is_fake": label} for name, label in labels.items()}
        put_json(root / "test/metadata.json", entries)
    else:
        rows = "".join(f"{name},{label}\n" for name, label in labels.items())
        (root / "labels.csv").write_text(f"filename,label\n{rows}")
    for name in labels:
        put(root / ("test" if test == "metadata" else "test_videos") / name)
    put_json(root / "validation/metadata.json", {"val0.mp4": {"is_fake": 1}})
    put(root / "validation/val0.mp4")
    return root


def dfdc_preview(root):
    entries = {}
    for side, people in (("train", (11, 12)), ("test", (21, 22))):
        a, b = people
        name = f"original_videos/{a}/{a}_A_001.mp4"
        entries[name] = {"label": "real", "set": side, "target_id": a, "augmentations": []}
        for method in ("method_A", "method_B"):
            name = f"{method}/{a}/{a}_{b}/{a}_{b}_A_001.mp4"
            entries[name] = {"label": "fake", "set": side, "target_id": a, "swapped_id": b}
    put_json(root / "dataset.json", entries)
    for name in entries:
        put(root / name)
    return root


def celebdf(root, *, youtube="YouTube-real", between="", lines=CELEB_TEST):
    files = {
        "Celeb-real": ("id0_0000", "id0_0001", "id1_0000", "id2_0000"),
        youtube: ("00170", "00011"),
        "Celeb-synthesis": ("id0_id1_0001", "id0_id2_0001", "id0_id1_0000", "id2_id3_0000"),
    }
    for folder, names in files.items():
        for name in names:
            put(root / folder / between / f"{name}.mp4")
    (root / "List_of_testing_videos.txt").write_text("\n".join(lines) + "\n")
    return root


def deeperforensics(root):
    sides = {"train": ("071_W101", "054_M004"), "val": ("720_W010",), "test": ("000_M035",)}
    for side, names in sides.items():
        file = root / f"lists/splits/{side}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{name}.mp4\n" for name in names))
        for variant in VARIANTS:
            for name in names:
                put(root / "manipulated_videos" / variant / f"{name}.mp4")
    put(root / "source_videos/M004/light_up/angry/camera_down/M004_light_up_angry_camera_down.mp4")
    return root


def folder(root, sides=("train", "val", "test")):
    for side in sides:
        for k in range(2):
            put(root / side / "real" / f"{side}{k}.mp4")
            put(root / side / "fake" / f"{side}{k}.swap.mp4")
            put(root / side / "fake" / f"{side}{k}.swap.mask.mp4")
            record = {"schema": "unmask.forged/1", "method": "swap", "picture_label": 1}
            put_json(root / side / "fake" / f"{side}{k}.swap.json", record)
    return root
