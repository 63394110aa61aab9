"""DeepFakeDetection (Google and Jigsaw 2019): 28 actors, in the tree of FaceForensics++.

    original_sequences/actors/{raw,c23,c40}/videos/<actor>__<scene>.mp4
    manipulated_sequences/DeepFakeDetection/{raw,c23,c40}/videos/
        <target>_<source>__<scene>__<8 characters>.mp4
    manipulated_sequences/DeepFakeDetection/masks/videos/ likewise

It has no split of its own. `official`: all of it is test, as publications use it. `identity`: ours,
actors divided by a hash; a fake of two actors on different sides is on none.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

from unmask.datasets.manifest import ORIGINAL, Video
from unmask.datasets.readers.listing import Listing, Problem, ReadOptions, choose_rule, make_listing
from unmask.datasets.readers.tree import below, by_compression, find, masks_in, videos_in
from unmask.datasets.splits import Shares, split_by_identity

METHOD = "DeepFakeDetection"
SPLITS = ("official", "identity")
# Of the 28 actors 17, 4 and 7; with every pair equally frequent, 43 % of the fakes remain.
IDENTITY_SHARES: Shares = {"train": 0.6, "val": 0.15, "test": 0.25}
IDENTITY_SALT = "dfd"

_REAL = re.compile(r"(?P<people>\d\d)__(?P<scene>.+)")
_FAKE = re.compile(r"(?P<people>\d\d_\d\d)__(?P<scene>.+)__\w{8}")


def read_dfd(root: Path, options: ReadOptions) -> Listing:
    """List the DeepFakeDetection part of a FaceForensics++ tree.

    Raises:
        DataError: nothing of it is there.
    """
    rule = choose_rule("dfd", options.split, SPLITS)
    videos: list[Video] = []
    problems: list[Problem] = []
    for method, parts in (
        (ORIGINAL, ("original_sequences", "actors")),
        (METHOD, ("manipulated_sequences", METHOD)),
    ):
        parent = find(root, *parts)
        masks = masks_in(parent) if parent else {}
        for compression, folder in by_compression(parent, options.compressions):
            for path in videos_in(folder).values():
                video = _video(below(root, path), method, compression)
                if video is None:
                    reason = "does not say who and where, as the names of this set do"
                    where = below(root, path)
                    problems.append(Problem(kind="odd_name", path=where, reason=reason))
                    continue
                mask = masks.get(path.stem)
                videos.append(replace(video, mask=below(root, mask) if mask else None))
    if rule == "identity":
        videos = split_by_identity(videos, IDENTITY_SHARES, salt=IDENTITY_SALT)
    tree = f"original_sequences/actors and manipulated_sequences/{METHOD}"
    return make_listing("dfd", root, videos, problems, rule=rule, tree=tree)


def _video(path: str, method: str, compression: str) -> Video | None:
    """Return what a name says, or None where it says nothing."""
    name = PurePosixPath(path).stem
    match = (_REAL if method == ORIGINAL else _FAKE).fullmatch(name)
    if match is None:
        return None
    people = match["people"].split("_")
    recording = f"{people[0]}__{match['scene']}"
    fake = method != ORIGINAL
    return Video(
        id=f"dfd/{method}/{compression}/{name}",
        path=path,
        dataset="dfd",
        method=method,
        label=int(fake),
        compression=compression,
        split="test",
        split_reason="no split of its own: all of it is test",
        original=f"dfd/{ORIGINAL}/{compression}/{recording}" if fake else None,
        sources=(f"dfd/{recording}",),  # of the donor only the person is named
        identities=tuple(people),
        picture_label=int(fake),
    )
