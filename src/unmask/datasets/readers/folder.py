"""Any collection of real and fake videos: two folders, or a list in a CSV file.

    [train/ val/ test/]real/**  and  [train/ val/ test/]fake/**       a folder
    file,label[,split,method,...]              a CSV file, or manifest.csv in the folder

In folders a fake belongs to the real of the same name; `real/a.mp4` has `fake/a.mp4`,
`fake/a.swap.mp4` and `fake/any/a.mp4`. `a.swap.mask.mp4` is its mask and `a.swap.json`, as
`unmask forge` writes it, its method and labels. A fake that belongs to no real is a recording of
its own. Rules: `given`: the sides of folders or of the column `split`; `kin`: ours, by recording
and person. Without a word of sides in the data, `kin`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from unmask.datasets.manifest import ORIGINAL, Split, Video
from unmask.datasets.readers.folder_csv import read_rows
from unmask.datasets.readers.listing import (
    Listing,
    Problem,
    ReadOptions,
    choose_rule,
    make_listing,
)
from unmask.datasets.readers.tree import (
    VIDEO_SUFFIXES,
    below,
    files_below,
    find,
    is_video,
    read_json,
    videos_below,
)
from unmask.datasets.splits import split_by_kin

KINDS = ("real", "fake")  # folder of each label
SPLITS = ("given", "kin")
METHOD = "fake"  # of fakes that do not say their own
MASK_ENDING = ".mask"
LIST = "manifest.csv"  # where a folder has one, it alone counts; `unmask forge` writes it


def read_folder(root: Path, options: ReadOptions) -> Listing:
    """List a folder with real/ and fake/, or the rows of a CSV file.

    Raises:
        DataError: no video is there, or a row of the list is not as it must be.
    """
    table = root if root.is_file() else root / LIST
    dataset = root.stem if root.is_file() else root.name
    videos: list[Video] = []
    problems: list[Problem] = []
    if table.is_file():
        videos = read_rows(table, dataset)
    else:
        videos, problems = _read_folders(root, dataset)
    given = any(video.split for video in videos)
    rule = choose_rule("folder", options.split or (None if given else "kin"), SPLITS)
    if rule == "kin":
        videos = split_by_kin(videos)
    tree = "real/ and fake/ with videos in them (or in train/, val/ and test/), or a .csv file"
    return make_listing(dataset, table.parent, videos, problems, rule=rule, tree=tree)


def _read_folders(root: Path, dataset: str) -> tuple[list[Video], list[Problem]]:
    videos: list[Video] = []
    problems: list[Problem] = []
    for side in (None, *get_args(Split)):
        place = find(root, side) if side else root
        real, fake = (find(place, kind) if place else None for kind in KINDS)
        problems += [_passed_over(root, path) for kind in (real, fake) for path in _others(kind)]
        found = list(videos_below(real)) if real else []
        videos += [_real(root, dataset, _name(real, path), path, side) for path in found]
        reals = {_name(real, path): path for path in reversed(found)}  # a.mp4 before a.mov's name
        for path in videos_below(fake) if fake else ():
            if path.stem.endswith(MASK_ENDING):
                continue
            kin = _real_of(_name(fake, path), reals)
            if kin is None and reals:
                reason = "is named after no video in real/, so it counts as its own recording"
                problems.append(Problem(kind="doubtful", path=below(root, path), reason=reason))
            shown = kin is not None and _shows(kin, path)
            original = _id(root, dataset, ORIGINAL, reals[kin]) if kin and shown else None
            video = _fake(root, dataset, path, kin or _name(fake, path))
            reason = _reason(side)
            videos.append(replace(video, split=side, split_reason=reason, original=original))
    return videos, problems


def _name(folder: Path | None, path: Path) -> str:
    inside = path.relative_to(folder) if folder else path
    return inside.with_suffix("").as_posix()


def _real_of(name: str, reals: Mapping[str, Path]) -> str | None:
    """Return the real that a fake is named after, the longest name first."""
    spellings = []
    for spelt in (name, name.rpartition("/")[2]):
        words = spelt.split(".")
        spellings += [".".join(words[:n]) for n in range(len(words), 0, -1)]
    return next((spelt for spelt in spellings if spelt in reals), None)


def _shows(real: str, fake: Path) -> bool:
    """Whether a fake is sure to show what the real of its name shows.

    One name alone is not: in collections that count their files, real/1 and fake/1 are strangers,
    and faces would be cut out where the other video has them.
    """
    return fake.stem != real.rpartition("/")[2] or bool(_said(fake.with_suffix(".json")))


def _others(folder: Path | None) -> Iterator[Path]:
    """Give the files that are neither videos nor written by `unmask forge`."""
    for path in files_below(folder) if folder else ():
        ours = path.suffix == ".json" or path.stem.endswith(MASK_ENDING)
        if not is_video(path.name) and not ours:
            yield path


def _passed_over(root: Path, path: Path) -> Problem:
    known = ", ".join(sorted(VIDEO_SUFFIXES))
    reason = f"does not end like a video ({known}), so it is left out"
    return Problem(kind="doubtful", path=below(root, path), reason=reason)


def _real(root: Path, dataset: str, name: str, path: Path, side: Split | None) -> Video:
    return Video(
        id=_id(root, dataset, ORIGINAL, path),
        path=below(root, path),
        dataset=dataset,
        method=ORIGINAL,
        label=0,
        split=side,
        split_reason=_reason(side),
        sources=(f"{dataset}/{name}",),
        picture_label=0,
    )


def _fake(root: Path, dataset: str, path: Path, kin: str) -> Video:
    """Return a fake made of the recording `kin`, with what its record says of it."""
    said = _said(path.with_suffix(".json"))
    mask = path.with_name(f"{path.stem}{MASK_ENDING}{path.suffix}")
    method = str(said.get("method", METHOD))
    donor = said.get("donor") or said.get("params", {}).get("donor")
    return Video(
        id=_id(root, dataset, method, path),
        path=below(root, path),
        dataset=dataset,
        method=method,
        label=1,
        sources=(f"{dataset}/{kin}", *([f"{dataset}/{Path(donor).stem}"] if donor else [])),
        picture_label=said.get("picture_label"),
        audio_label=said.get("audio_label"),
        mask=below(root, mask) if mask.is_file() else None,
    )


def _said(record: Path) -> dict[str, Any]:
    """Return what a record of `unmask forge` beside a fake says; other files say nothing."""
    said = read_json(record) if record.is_file() else {}
    ours = isinstance(said, dict) and str(said.get("schema", "")).startswith("unmask.forged/")
    return said if ours else {}


def _id(root: Path, dataset: str, method: str, path: Path) -> str:
    return f"{dataset}/{method}/{below(root, path)}"


def _reason(side: Split | None) -> str:
    return f"folder {side}/" if side else "no train/, val/ or test/ around it"
