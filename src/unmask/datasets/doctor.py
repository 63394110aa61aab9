"""What is wrong with a data set on disk, and what to do about it.

`examine` lists it with its reader and looks for what a listing cannot show: empty and unreadable
files, copies of one another by content (size first, then sha256), kin on two sides. Frames are
decoded of a sample of the files, or with `deep` all frames of all files. Nothing is changed.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from unmask.datasets.copies import Track, size_of, untold, with_digests
from unmask.datasets.holdings import Tally, absent_compressions, tallies, uses
from unmask.datasets.manifest import Manifest, Outcome, Video
from unmask.datasets.readers import READERS, ReadOptions, read_dataset
from unmask.datasets.splits import WORDS, check_leaks
from unmask.errors import UnreadableMediaError
from unmask.video import open_media

Severity = Literal["mend", "look", "note"]  # must be mended first, worth a look, good to know
Item = tuple[str, str]  # a path (or a name), and the reason

SAMPLE, SEED = 60, 0  # files of which frames are decoded without `deep`, and how they are drawn
PLACES = (0.02, 0.5, 0.98)  # of the duration, where such a file is looked into

# What is found, how grave it is, in words, and what to do.
KINDS: dict[str, tuple[Severity, str, str]] = {
    "unreadable": ("mend", "files that cannot be read", "copy or download them again"),
    "empty": ("mend", "empty files", "copy or download them again"),
    "two_labels": (
        *("mend", "files with the content of a video of the other label"),
        "one of each pair is wrong: restore it from the download",
    ),
    "leak": (
        *("mend", "shared by two sides of the split"),
        "mend the lists or take the copies away; `unmask prepare` refuses the data as they are",
    ),
    "two_sides": (
        *("mend", "named by the lists of two sides, so on no side"),
        "restore the data set's own lists; `unmask prepare` refuses the data as they are",
    ),
    "damaged": (
        *("look", "files that are damaged in part"),
        "copy or download them again; as they are, what can be decoded is used",
    ),
    "no_reals": (
        *("look", "real class that was not found"),
        "name the folder of FaceForensics++ with --ff-root",
    ),
    "no_lists": (
        *("look", "lists that are not there, without which sides or labels are not known"),
        "docs/datasets.md says where the lists come from",
    ),
    "unlisted": (
        *("look", "files that no list names, so on no side"),
        "nothing, unless they should be on one: then the lists are not the official ones",
    ),
    "odd_name": (
        *("look", "files whose names say nothing, left out"),
        "restore their names, or remove them",
    ),
    "doubtful": ("look", "doubtful files", "read the reason"),
    "copies": (
        *("look", "files with the content of another video"),
        "remove all but one; as they are, a video counts more than once",
    ),
    "missing": (
        *("note", "videos that the lists name and that are not there"),
        "download them for the full data set; numbers without them say their coverage",
    ),
    "no_original": (
        *("note", "fakes whose original is not there"),
        "nothing, unless you need pairs: then download the originals",
    ),
    "overlap": (
        *("note", "on two sides by the data set's own split"),
        "nothing, to compare with published numbers; --split identity divides people",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Everything of one kind."""

    kind: str
    items: tuple[Item, ...]

    @property
    def severity(self) -> Severity:
        """Whether it must be mended."""
        return KINDS[self.kind][0]


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What the doctor says."""

    title: str
    manifest: Manifest
    tallies: tuple[Tally, ...]
    absent: tuple[str, ...]  # compressions of which nothing is there
    findings: tuple[Finding, ...]  # the gravest first
    uses: tuple[str, ...]
    n_decoded: int  # files of which frames were decoded
    deep: bool
    seed: int

    @property
    def usable(self) -> bool:
        """Whether nothing must be mended first."""
        return not any(finding.severity == "mend" for finding in self.findings)


def examine(
    name: str,
    root: Path | str,
    *,
    options: ReadOptions | None = None,
    deep: bool = False,
    sample: int = SAMPLE,
    seed: int = SEED,
    track: Track = untold,
) -> Examination:
    """Examine a data set; `sample` files are decoded, or with `deep` all of them and whole.

    Raises:
        UsageError: nobody knows this data set or this rule for sides.
        DataError: there is nothing of it, or its lists are damaged.
    """
    listing = read_dataset(name, root, options=options)
    found: dict[str, list[Item]] = defaultdict(list)
    for problem in listing.problems:
        found[problem.kind].append((problem.path, problem.reason))
    manifest = with_digests(_with_sizes(listing.manifest, found, track), track)
    _compare(manifest, found)
    sound = [video for video in manifest.videos if video.outcome == "pending"]
    drawn = sound if deep else random.Random(seed).sample(sound, min(sample, len(sound)))
    manifest = _with_frames(manifest, drawn, found, track, deep=deep)
    return Examination(
        title=READERS[name].title,
        manifest=manifest,
        tallies=tuple(tallies(manifest)),
        absent=tuple(absent_compressions(manifest)),
        findings=tuple(
            Finding(kind=kind, items=tuple(found[kind])) for kind in KINDS if found[kind]
        ),
        uses=tuple(uses(manifest)),
        n_decoded=len(drawn),
        deep=deep,
        seed=seed,
    )


def _with_sizes(manifest: Manifest, found: dict[str, list[Item]], track: Track) -> Manifest:
    """Look whether each file is there and holds anything."""
    looked = []
    for video in track("looking for files", manifest.videos):
        outcome, reason = video.outcome, video.reason
        if outcome == "pending" and not (size := size_of(manifest, video)):
            lost = size is None
            outcome = "missing" if lost else "unreadable"
            reason = "a link that leads nowhere" if lost else "0 bytes"
        if outcome != "pending":
            found["empty" if outcome == "unreadable" else "missing"].append((video.path, reason))
            looked.append(replace(video, outcome=outcome, reason=reason))
        else:
            looked.append(video)
    return replace(manifest, videos=tuple(looked))


def _compare(manifest: Manifest, found: dict[str, list[Item]]) -> None:
    """Note copies, and what two sides share."""
    alike: dict[str, list[Video]] = defaultdict(list)
    for video in manifest.videos:
        if video.sha256:
            alike[video.sha256].append(video)
    for first, *others in alike.values():
        torn = len({video.label for video in (first, *others)}) > 1
        items = [(video.path, f"is the same as {first.path}") for video in others]
        found["two_labels" if torn else "copies"] += items
    for leak in check_leaks(manifest):
        kind = "overlap" if leak.kind in manifest.overlaps else "leak"
        shared = leak.shared[:12] if leak.kind == "content" else leak.shared
        found[kind].append((f"{WORDS[leak.kind]} {shared}", leak.shown))


def _with_frames(
    manifest: Manifest,
    drawn: Sequence[Video],
    found: dict[str, list[Item]],
    track: Track,
    *,
    deep: bool,
) -> Manifest:
    """Decode some frames of the files drawn, or all."""
    outcomes: dict[str, Outcome] = {}
    for video in track("decoding", drawn):
        try:
            lost = _decode(Path(manifest.locate(video.path)), deep=deep)
        except (UnreadableMediaError, OSError) as error:
            outcomes[video.id] = "unreadable"
            reason = str(error).removeprefix(f"{manifest.locate(video.path)}: ")
            found["unreadable"].append((video.path, reason))
        else:
            if lost:
                found["damaged"].append((video.path, lost))
    videos = (
        replace(video, outcome=outcomes[video.id]) if video.id in outcomes else video
        for video in manifest.videos
    )
    return replace(manifest, videos=tuple(videos))


def _decode(path: Path, *, deep: bool) -> str | None:
    """Decode all frames, or those at PLACES; return what could not be decoded."""
    with open_media(path) as reader:
        places = (place * reader.info.duration_s for place in PLACES)
        for _ in reader.all_frames() if deep else reader.frames(tuple(places)):
            pass
        return reader.lost
