"""What a data set holds: one `Video` per file, with its label, its kin and its side of the split.

A reader makes these of an official tree, `prepare` adds what became of each, and everything after
that reads them from `manifest.parquet`. What is known of a video is a column here and is never
parsed out of a path again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from unmask.errors import DataError

Split = Literal["train", "val", "test"]
Outcome = Literal["pending", "prepared", "no_face", "unreadable", "missing"]

ORIGINAL = "original"  # method of a video that nobody forged


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video (or picture) of a data set.

    Two videos are kin if they share a source or an identity; kin never stand on two sides of a
    split. `original` names the one real video whose picture a fake shows, where that is known: it
    has the same faces at the same places.
    """

    id: str  # data set/method/compression/name, unique; parts that do not exist are left out
    path: (
        str  # below the root, with forward slashes; whole where it lies elsewhere (DF-1.0's reals)
    )
    dataset: str
    method: str  # of the forgery; ORIGINAL for reals
    label: int  # 1 = fake in picture or sound
    compression: str | None = None  # as the data set calls it: raw, c23, c40
    split: Split | None = None  # None = on no side
    split_reason: str = ""  # why it is on no side, or where the side comes from
    original: str | None = None  # id of a Video
    sources: tuple[str, ...] = ()  # recordings whose pixels are in it; a real's own
    identities: tuple[str, ...] = ()  # people seen, where the data set names them
    picture_label: int | None = None  # 1 = the picture is forged; None = not known
    audio_label: int | None = None  # 1 = the sound is forged; None = not known or no sound
    group: str | None = None  # a group whose error rates are to be compared, where one is named
    outcome: Outcome = "pending"
    reason: str = ""  # of an outcome other than prepared, in a sentence

    def __post_init__(self) -> None:
        for name in ("label", "picture_label", "audio_label"):
            value = getattr(self, name)
            if value not in (0, 1) and not (value is None and name != "label"):
                raise DataError(f"{self.id}: {name} = {value!r}; a label is 0 (real) or 1 (fake)")
        if (self.method == ORIGINAL) != (self.label == 0):
            raise DataError(
                f"{self.id}: method '{self.method}' with label {self.label}; "
                f"reals and only reals have the method '{ORIGINAL}'"
            )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The videos of one data set, in a fixed order, and the folder their paths start from."""

    dataset: str
    root: str  # folder or fsspec URL
    videos: tuple[Video, ...]

    def __post_init__(self) -> None:
        counts = Counter(video.id for video in self.videos)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise DataError(f"{self.dataset}: {len(twice)} ids name two videos, such as {twice[0]}")

    def __len__(self) -> int:
        return len(self.videos)

    def where(self, *, split: Split | None = None, outcome: Outcome | None = None) -> list[Video]:
        """Return the videos of a side, of an outcome, or of both."""
        return [
            video
            for video in self.videos
            if split in (None, video.split) and outcome in (None, video.outcome)
        ]
