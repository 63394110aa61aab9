"""DFDC-Preview (Dolhansky et al. 2019): two methods, 66 actors.

    dataset.json    {"method_A/.../x.mp4": {"label": "fake", "set": "train", "target_id": 1,
                     "swapped_id": 2, ...}, "original_videos/.../y.mp4": {"label": "real", ...}}
    method_A/ method_B/ original_videos/

`dataset.json` alone says label and side; there is no validation set. It names the people, and not
the original of a fake, so kin are known by person.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from unmask.datasets.manifest import ORIGINAL, Video
from unmask.datasets.readers.listing import (
    Listing,
    Problem,
    ReadOptions,
    choose_rule,
    make_listing,
)
from unmask.datasets.readers.tree import below, find, read_json, videos_below
from unmask.errors import DataError

SPLITS = ("official",)
FOLDERS = ("method_A", "method_B", "original_videos")

_LABELS = {"real": 0, "fake": 1}


def read_dfdc_preview(root: Path, options: ReadOptions) -> Listing:
    """List DFDC-Preview, in `root` or in `dfdc_preview_set/` below it.

    Raises:
        DataError: no dataset.json, or one with unknown labels or sides.
    """
    rule = choose_rule("dfdc-preview", options.split, SPLITS)
    file = find(root, "dataset.json") or find(root, "dfdc_preview_set", "dataset.json")
    if file is None:
        raise DataError(
            f"{root}: no dataset.json, which alone says what is fake; download it again"
        )
    entries = read_json(file)
    videos = [_video(root, file, name, entry) for name, entry in entries.items()]
    listed = {video.path for video in videos}
    here = (below(root, path) for name in FOLDERS for path in _files(file.parent, name))
    problems = [
        Problem(kind="unlisted", path=path, reason="is not in dataset.json")
        for path in here
        if path not in listed
    ]
    tree = "dataset.json, method_A, method_B, original_videos"
    return make_listing("dfdc-preview", root, videos, problems, rule=rule, tree=tree)


def _files(root: Path, name: str) -> list[Path]:
    folder = find(root, name)
    return list(videos_below(folder)) if folder else []


def _video(root: Path, file: Path, name: str, entry: dict[str, Any]) -> Video:
    label = _LABELS.get(str(entry.get("label")).lower())
    side = entry.get("set")
    if label is None or side not in ("train", "test"):
        raise DataError(
            f"{file}: {name} has label {entry.get('label')!r} and set {side!r}; known: real and "
            "fake, train and test"
        )
    path = find(file.parent, *PurePosixPath(name).parts)
    method, *inside = PurePosixPath(name).with_suffix("").parts
    method = method if label else ORIGINAL
    people = [entry.get("target_id"), entry.get("swapped_id") if label else None]
    return Video(
        id="/".join(("dfdc-preview", method, *inside)),
        path=below(root, path or file.parent / name),
        dataset="dfdc-preview",
        method=method,
        label=label,
        split=side,
        split_reason="dataset.json",
        sources=() if label else ("/".join(("dfdc-preview", *inside)),),
        identities=tuple(dict.fromkeys(str(who) for who in people if who is not None)),
        picture_label=label,
        outcome="pending" if path else "missing",
        reason="" if path else "named by dataset.json, but not there",
    )
