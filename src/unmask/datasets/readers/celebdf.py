"""Celeb-DF v1 and v2 (Li et al. 2020).

    Celeb-real/id<person>_<recording>.mp4
    YouTube-real/<NNNNN>.mp4                           some copies write Youtube-real,
    Celeb-synthesis/id<target>_id<source>_<recording>.mp4   and some put videos/ in between
    List_of_testing_videos.txt                         lines such as: 1 YouTube-real/00170.mp4

**In the list 1 is real and 0 is fake.** It names the test set alone. Rules: `official`: the list is
test; the rest is train, except what shares a recording with a test video, which is on no side.
Nearly every person stays on both sides, as in every published number. `identity`: ours, people
divided by a hash; a fake of two people on different sides is on none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from unmask.datasets.manifest import ORIGINAL, Kinship, Video
from unmask.datasets.readers.listing import (
    Listing,
    Problem,
    ReadOptions,
    choose_rule,
    make_listing,
)
from unmask.datasets.readers.tree import below, find, read_lines, videos_in
from unmask.datasets.splits import SHARES, split_by_identity
from unmask.errors import DataError

FOLDERS = {"Celeb-real": 0, "YouTube-real": 0, "Celeb-synthesis": 1}
METHOD = "Celeb-synthesis"
LIST = "List_of_testing_videos.txt"
LISTED_LABELS = {"1": 0, "0": 1}  # as the list writes them: ours
SPLITS = ("official", "identity")
IDENTITY_SALT = "celebdf"

_NAMES = {
    "Celeb-real": re.compile(r"(?P<target>id\d+)_(?P<recording>\d+)"),
    "YouTube-real": re.compile(r"\d+"),
    "Celeb-synthesis": re.compile(r"(?P<target>id\d+)_(?P<source>id\d+)_(?P<recording>\d+)"),
}


def reader_of(dataset: str) -> Callable[[Path, ReadOptions], Listing]:
    """Return the reader of `celebdf-v1` or `celebdf-v2`; the trees differ in their counts alone."""
    return partial(_read, dataset)


def _read(dataset: str, root: Path, options: ReadOptions) -> Listing:
    rule = choose_rule(dataset, options.split, SPLITS)
    videos: dict[str, Video] = {}  # by folder/name, as the list spells them, in small letters
    problems: list[Problem] = []
    for folder in FOLDERS:
        for path in videos_in(find(root, folder) or find(root, "videos", folder)).values():
            video = _video(dataset, folder, path.stem, below(root, path))
            if video is None:
                odd = Problem(kind="odd_name", path=below(root, path), reason=f"not of {folder}")
                problems.append(odd)
            else:
                videos[f"{folder}/{path.stem}".lower()] = video
    tree = f"{', '.join(FOLDERS)} and {LIST}"
    if not videos:  # the list alone is no data set
        return make_listing(dataset, root, (), (), rule=rule, tree=tree)
    overlaps: tuple[Kinship, ...] = ()
    if rule == "identity":
        divided = split_by_identity(videos.values(), SHARES, salt=IDENTITY_SALT)
    else:
        divided, lost = _official(dataset, root, videos)
        problems, overlaps = problems + lost, ("identity",)
    return make_listing(dataset, root, divided, problems, rule=rule, tree=tree, overlaps=overlaps)


def _video(dataset: str, folder: str, name: str, path: str) -> Video | None:
    """Return what folder and name say, on no side yet; None where the name says nothing."""
    match = _NAMES[folder].fullmatch(name)
    if match is None:
        return None
    fake = folder == METHOD
    said = match.groupdict()
    recording = f"{said['target']}_{said['recording']}" if fake else name
    return Video(
        id=f"{dataset}/{METHOD if fake else ORIGINAL}/{name}",
        path=path,
        dataset=dataset,
        method=METHOD if fake else ORIGINAL,
        label=int(fake),
        original=f"{dataset}/{ORIGINAL}/{recording}" if fake else None,
        sources=(f"celebdf/{recording}",),  # v1 is part of v2
        identities=tuple(said[who] for who in ("target", "source") if said.get(who)),
        picture_label=int(fake),
    )


def _official(
    dataset: str, root: Path, videos: dict[str, Video]
) -> tuple[list[Video], list[Problem]]:
    file = find(root, LIST)
    if file is None:
        reason = "not in the root; without it nothing is on a side"
        bare = [replace(v, split_reason=f"{LIST} is not there") for v in videos.values()]
        return bare, [Problem(kind="no_lists", path=LIST, reason=reason)]
    tested: dict[str, Video] = {}
    for line in read_lines(file):
        key, video = _listed(dataset, root, file, line, videos)
        tested[key] = replace(video, split="test", split_reason=LIST)
    recordings = {source for video in tested.values() for source in video.sources}
    rest = []
    for key in videos.keys() - tested.keys():
        if recordings & set(videos[key].sources):
            reason = "shares its recording with a video of the test list"
            rest.append(replace(videos[key], split_reason=reason))
        else:
            rest.append(replace(videos[key], split="train", split_reason=f"not in {LIST}"))
    return [*tested.values(), *rest], []


def _listed(
    dataset: str, root: Path, file: Path, line: str, videos: dict[str, Video]
) -> tuple[str, Video]:
    """Return the video that a line means, marked as missing where it is not there."""
    mark, where = (*line.split(maxsplit=1), "")[:2]
    spelt = PurePosixPath(where)
    named = spelt.parts[0].lower() if spelt.parts else ""
    folder = next((f for f in FOLDERS if f.lower() == named), None)
    if mark not in LISTED_LABELS or folder is None or LISTED_LABELS[mark] != FOLDERS[folder]:
        raise DataError(f"{file}: '{line}'; expected 1 for real or 0 for fake, and a video's path")
    key = f"{folder}/{spelt.stem}".lower()
    if key in videos:
        return key, videos[key]
    place = find(root, folder) or root / folder
    video = _video(dataset, folder, spelt.stem, below(root, place / spelt.name))
    if video is None:
        raise DataError(f"{file}: '{line}' names no video of {folder}")
    return key, replace(video, outcome="missing", reason=f"named by {LIST}, but not there")
