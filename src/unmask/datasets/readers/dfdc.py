"""DeepFake Detection Challenge (Dolhansky et al. 2020): train parts, validation and test.

    [train/]dfdc_train_part_<0..49>/metadata.json     {"a.mp4": {"label": "FAKE", "original": ...}}
    test/ or test_videos/                             metadata.json {"a.mp4": {"is_fake": 0}}, or
    validation/ or validation_videos/                 labels.csv with filename,label (1 = fake)

Any part alone will do, and so will Kaggle's `train_sample_videos`. The method of a fake is not
published, and some fakes are fake in the sound alone: `picture_label` and `audio_label` of fakes
are not known until somebody compares them with their originals (datasets/tampering.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from unmask.datasets.manifest import ORIGINAL, Split, Video
from unmask.datasets.readers.dfdc_folds import SPLITS, side_of_held_out, side_of_part
from unmask.datasets.readers.dfdc_lists import held_out_list, train_list
from unmask.datasets.readers.listing import (
    Listing,
    Problem,
    ReadOptions,
    choose_rule,
    make_listing,
)
from unmask.datasets.readers.tree import below, find, folders, videos_in

FAKE = "fake"  # method of all fakes: which one it was is not published

_PART = re.compile(r"dfdc_train_part_(\d{1,2})")
_HELD_OUT: tuple[tuple[Split, tuple[str, ...]], ...] = (
    ("val", ("validation", "validation_videos")),
    ("test", ("test", "test_videos")),
)
_Side = tuple[Split | None, str]  # and the reason
_Found = tuple[list[Video], list[Problem]]


def read_dfdc(root: Path, options: ReadOptions) -> Listing:
    """List what is there of DFDC.

    Raises:
        DataError: nothing of it is there, or a list is damaged or has an unknown label.
    """
    rule = choose_rule("dfdc", options.split, SPLITS)
    videos: list[Video] = []
    problems: list[Problem] = []
    for part, folder in _train_parts(root):
        reason = "train_sample_videos" if part is None else f"dfdc_train_part_{part}"
        listed, odd = _read_part(root, folder, (side_of_part(part, rule), reason))
        videos, problems = videos + listed, problems + odd
    for side, folder in _held_out(root):
        stands = side_of_held_out(side, rule)
        reason = f"the {side} set" if stands else f"the {side} set has no part in rule {rule}"
        listed, odd = _read_test(root, folder, (stands, reason))
        videos, problems = videos + listed, problems + odd
    tree = "dfdc_train_part_0/metadata.json, or test/ with metadata.json or labels.csv"
    return make_listing("dfdc", root, videos, problems, rule=rule, tree=tree)


def _train_parts(root: Path) -> Iterator[tuple[int | None, Path]]:
    """Give number and folder of every part; unpacking may have put a part into its own name."""
    unpacked = root.parent if _PART.fullmatch(root.name) else None  # the root is a part itself
    for place in (unpacked,) if unpacked else (root, find(root, "train")):
        for folder in folders(place) if place else []:
            match = _PART.fullmatch(folder.name)
            if match and (unpacked is None or folder == root):
                inside = next((f for f in folders(folder) if _PART.fullmatch(f.name)), folder)
                yield int(match[1]), inside
    sample = root if root.name == "train_sample_videos" else find(root, "train_sample_videos")
    if sample:
        yield None, sample


def _held_out(root: Path) -> Iterator[tuple[Split, Path]]:
    for side, names in _HELD_OUT:
        inside = (find(root, name) for name in names)
        yield from ((side, folder) for folder in inside if folder is not None)
        if root.name in names:
            yield side, root


def _read_part(root: Path, folder: Path, side: _Side) -> _Found:
    known = train_list(folder)
    if known is None:
        return [], [_no_list(root, folder, "metadata.json")]
    labels, originals = known
    return _listed(root, folder, labels, originals, side)


def _read_test(root: Path, folder: Path, side: _Side) -> _Found:
    labels = held_out_list(root, folder)
    if labels is None:
        return [], [_no_list(root, folder, "metadata.json and no labels.csv")]
    return _listed(root, folder, labels, {}, side)


def _no_list(root: Path, folder: Path, name: str) -> Problem:
    reason = f"has no {name}, so that no label is known; download it again"
    return Problem(kind="no_lists", path=below(root, folder), reason=reason)


def _listed(
    root: Path,
    folder: Path,
    labels: Mapping[str, int],
    originals: Mapping[str, str | None],
    side: _Side,
) -> _Found:
    files = videos_in(folder)
    unlisted = [
        Problem(
            kind="unlisted", path=below(root, files[name]), reason="is not in the folder's list"
        )
        for name in sorted(files.keys() - labels.keys())
    ]
    videos = []
    for name, label in labels.items():
        source = originals.get(name) if label else name
        videos.append(
            Video(
                id=_id(name, label),
                path=below(root, files.get(name) or folder / name),
                dataset="dfdc",
                method=FAKE if label else ORIGINAL,
                label=label,
                split=side[0],
                split_reason=side[1],
                original=_id(source, 0) if source and label else None,
                sources=(f"dfdc/{_stem(source)}",) if source else (),
                picture_label=None if label else 0,
                audio_label=None if label else 0,
                outcome="pending" if name in files else "missing",
                reason="" if name in files else "named by the folder's list, but not there",
            )
        )
    return videos, unlisted


def _id(name: str, label: int) -> str:
    return f"dfdc/{FAKE if label else ORIGINAL}/{_stem(name)}"


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name
