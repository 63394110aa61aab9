"""One folder with every kind of file that people give a scanner, good and bad, made on the spot."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from face_clips import FPS, SIZE, scene, walk, write_walk
from media import (
    Sound,
    cut,
    numbered_frames,
    write_animation,
    write_clip,
    write_sound,
)

TWO_WIDE = (480, 240)
VARIED_S = (0.0, 0.1, 0.3, 0.35, 0.9, 1.0, 1.1, 1.9, 2.0, 2.2)  # times of the variable frames
SPACED = "ein Gesicht – é 日本.mp4"


def fill(folder: Path) -> Path:
    """Write all files; those of `BAD` cannot be read."""
    folder.mkdir(parents=True)
    _good(folder)
    _bad(folder)
    (folder / "._face.mp4").write_bytes(b"\0\5\26\7 what macOS keeps beside a file")
    (folder / "notes.txt").write_text("no media")
    return folder


def _good(folder: Path) -> None:
    write_walk(folder / SPACED)
    write_clip(folder / "no_face.mp4", frames=numbered_frames(8, SIZE), fps=FPS)
    write_walk(folder / "one_frame.mp4", 1)
    both = {"ann": (0, 5), "bea": (240, 5)}
    write_clip(folder / "two_people.mp4", frames=[scene(both, TWO_WIDE)] * 8, fps=FPS)
    shots = [*walk(6), *walk(6, who="bea", place=1)]
    write_clip(folder / "cut.mp4", frames=shots, fps=FPS)
    write_walk(folder / "turned.mp4", turn_deg=90)
    write_walk(folder / "odd_width.mkv", size=(321, 241), pixel_format="yuv444p")
    write_walk(folder / "variable.mp4", len(VARIED_S), times_s=VARIED_S)
    write_walk(folder / "hevc_10bit.mp4", codec="libx265", pixel_format="yuv420p10le")
    for name in ("animated.webp", "animated.avif"):
        write_animation(folder / name, walk(6), [200] * 6)
    _cut_in_a_frame(folder / "cut_short.mp4")
    portrait = resources.files("unmask") / "assets" / "astronaut.jpg"
    shutil.copy(str(portrait), folder / "portrait.jpg")


def _bad(folder: Path) -> None:
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("This is a note, not a video.\n" * 50)
    cut(write_walk(folder / "no_index.mp4"), 0.6)
    write_sound(folder / "sound.mp4", Sound())
    (folder / "broken.jpg").write_bytes((folder / "portrait.jpg").read_bytes()[:300])


BAD = {
    "empty.mp4": "empty",
    "text.mp4": "holds text",
    "no_index.mp4": "index",
    "sound.mp4": "sound only",
    "broken.jpg": "damaged or cut short",
    "missing.mp4": "no such file",
}


def _cut_in_a_frame(path: Path) -> None:
    """Index in front, then a key frame every half second; the end of the bytes is missing."""
    options = {"g": "3", "sc_threshold": "0", "bf": "0"}
    write_walk(path, 20, options=options, container_options={"movflags": "faststart"})
    cut(path, 0.7)
