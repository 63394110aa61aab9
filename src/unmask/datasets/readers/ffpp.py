"""FaceForensics++ (Roessler et al. 2019): originals and five methods, as its script downloads them.

    original_sequences/youtube/{raw,c23,c40}/videos/<NNN>.mp4
    manipulated_sequences/<METHOD>/{raw,c23,c40}/videos/<target>_<source>.mp4
    manipulated_sequences/<METHOD>/masks/videos/<target>_<source>.mp4      (none for FaceShifter)
    {train,val,test}.json, in the root, in splits/ or in dataset/splits/

The lists hold pairs such as ["071", "054"]: both are originals, and every method has 071_054 and
054_071. They alone make sides and say what should be there; a name they lack is on no side.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from unmask.datasets.manifest import ORIGINAL, Split, Video
from unmask.datasets.readers.listing import Listing, Problem, ReadOptions, choose_rule, make_listing
from unmask.datasets.readers.tree import (
    below,
    by_compression,
    find,
    masks_in,
    read_json,
    videos_in,
)
from unmask.errors import DataError

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
SPLITS = ("official",)
LIST_FOLDERS = ((), ("splits",), ("dataset", "splits"))
SOURCE = "ffpp/{}"  # how data sets made of these recordings name them

_NAME = re.compile(r"\d{3}(_\d{3})?")
_Sides = dict[str, Split]


def read_ffpp(root: Path, options: ReadOptions) -> Listing:
    """List a FaceForensics++ tree or the part of it that is there.

    Raises:
        DataError: nothing of it is there, or a list is damaged.
    """
    rule = choose_rule("ffpp", options.split, SPLITS)
    sides, problems = read_sides(root)
    videos: list[Video] = []
    for method, compression, folder in places(root, options):
        listed, odd = _read_folder(root, folder, method, compression, sides)
        videos += listed
        problems += odd
    tree = "original_sequences/youtube/c23/videos/000.mp4 and so on"
    return make_listing("ffpp", root, videos, problems, rule=rule, tree=tree)


def places(root: Path, options: ReadOptions) -> Iterator[tuple[str, str, Path]]:
    """Give method, compression and folder of everything that is there."""
    parents = [(ORIGINAL, ("original_sequences", "youtube"))]
    parents += [(method, ("manipulated_sequences", method)) for method in METHODS]
    for method, parts in parents:
        for compression, folder in by_compression(find(root, *parts), options.compressions):
            yield method, compression, folder


def read_sides(root: Path) -> tuple[_Sides, list[Problem]]:
    """Return the side of every name in the lists, and names that two of them claim.

    Raises:
        DataError: a list is not one of pairs of names.
    """
    claims: dict[str, set[Split]] = defaultdict(set)
    absent = []
    for side in get_args(Split):
        file = next((f for f in (find(root, *w, f"{side}.json") for w in LIST_FOLDERS) if f), None)
        if file is None:
            absent.append(f"{side}.json")
            continue
        for a, b in _pairs(file):
            for name in (a, b, f"{a}_{b}", f"{b}_{a}"):
                claims[name].add(side)
    problems = [
        Problem(
            kind="two_sides", path=name, reason=f"is in the lists of {' and '.join(sorted(claim))}"
        )
        for name, claim in sorted(claims.items())
        if len(claim) > 1
    ]
    if absent:
        reason = "not in the root, in splits/ or in dataset/splits/; without it its side is empty"
        problems += [Problem(kind="no_lists", path=name, reason=reason) for name in absent]
    return {name: next(iter(c)) for name, c in claims.items() if len(c) == 1}, problems


def _pairs(file: Path) -> list[tuple[str, str]]:
    pairs = read_json(file)
    if not (isinstance(pairs, list) and all(isinstance(p, list) and len(p) == 2 for p in pairs)):
        raise DataError(f'{file}: expected a list of pairs such as ["071", "054"]')
    return [(str(a), str(b)) for a, b in pairs]


def _read_folder(
    root: Path, folder: Path, method: str, compression: str, sides: _Sides
) -> tuple[list[Video], list[Problem]]:
    """List one folder of videos: those there, and those that the lists promise."""
    files = {Path(name).stem: path for name, path in videos_in(folder).items()}
    masks = masks_in(folder.parent) if method != ORIGINAL else {}
    promised = {name for name in sides if ("_" in name) == (method != ORIGINAL)}
    videos, problems = [], []
    for name in sorted(files.keys() | promised):
        path = files.get(name, folder / "videos" / f"{name}.mp4")
        where = below(root, path)
        if not _NAME.fullmatch(name) or ("_" in name) == (method == ORIGINAL):
            problems.append(Problem(kind="odd_name", path=where, reason="is no name of this set"))
            continue
        side = sides.get(name)
        if sides and side is None:
            problems.append(Problem(kind="unlisted", path=where, reason="is in no list of a side"))
        mask = masks.get(name)
        here = name in files
        videos.append(
            Video(
                id=f"ffpp/{method}/{compression}/{name}",
                path=where,
                dataset="ffpp",
                method=method,
                label=int(method != ORIGINAL),
                compression=compression,
                split=side,
                split_reason=f"{side}.json" if side else "in no list of a side",
                original=_original(name, method, compression),
                sources=tuple(SOURCE.format(part) for part in name.split("_")),
                picture_label=int(method != ORIGINAL),
                outcome="pending" if here else "missing",
                reason="" if here else "named by the lists, but not there",
                mask=below(root, mask) if mask else None,
            )
        )
    return videos, problems


def _original(name: str, method: str, compression: str) -> str | None:
    if method == ORIGINAL:
        return None
    return f"ffpp/{ORIGINAL}/{compression}/{name[:3]}"
