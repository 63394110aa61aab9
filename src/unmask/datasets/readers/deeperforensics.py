"""DeeperForensics-1.0 (Jiang et al. 2020): eleven variants of 1000 face swaps.

    manipulated_videos/<variant>/<NNN>_<M|W><ID>.mp4     FF++ original NNN with the face of an actor
    lists/splits/{train,val,test}.txt                    lines such as 980_W010.mp4

**Its reals are the c23 originals of FaceForensics++**, read from an FF++ tree (`--ff-root`) and put
on the side of the fakes made of them. `source_videos/` shows the actors in a studio; taken for the
real class, as two benchmarks do, it makes background and light give every label away, so it is
never listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from unmask.datasets.manifest import ORIGINAL, Split, Video
from unmask.datasets.readers.ffpp import SOURCE
from unmask.datasets.readers.listing import (
    Listing,
    Problem,
    ReadOptions,
    choose_rule,
    make_listing,
)
from unmask.datasets.readers.tree import below, find, read_lines, videos_in

NAME = "deeperforensics"
VARIANTS = (
    "end_to_end",
    *(f"end_to_end_level_{level}" for level in range(1, 6)),
    "end_to_end_random_level",
    *(f"end_to_end_mix_{n}_distortions" for n in (2, 3, 4)),
    "reenact_postprocess",
)
SPLITS = ("official",)
REAL_COMPRESSION = "c23"

_NAME = re.compile(r"(?P<target>\d{3})_(?P<actor>[MW]\d{3})")


def read_deeperforensics(root: Path, options: ReadOptions) -> Listing:
    """List the fakes below `root` and the reals below the FF++ roots of the options.

    Raises:
        DataError: none of its fakes is there.
    """
    rule = choose_rule(NAME, options.split, SPLITS)
    sides, problems = _read_sides(root)
    videos: list[Video] = []
    for variant in VARIANTS:
        folder = find(root, "manipulated_videos", variant)
        if folder is not None:
            listed, odd = _fakes(root, folder, variant, sides)
            videos, problems = videos + listed, problems + odd
    if videos:
        targets = {name.split("_")[0]: side for name, side in sides.items()}
        reals, odd = _reals(root, options.ff_roots, targets)
        videos, problems = videos + reals, problems + odd
    tree = "manipulated_videos/end_to_end/<NNN>_<M or W><ID>.mp4"
    return make_listing(NAME, root, videos, problems, rule=rule, tree=tree)


def _read_sides(root: Path) -> tuple[dict[str, Split], list[Problem]]:
    """Return the side of every fake's name, whatever its variant."""
    sides: dict[str, Split] = {}
    problems = []
    for side in get_args(Split):
        file = find(root, "lists", "splits", f"{side}.txt")
        if file is None:
            reason = "is not there; without it its side is empty"
            path = f"lists/splits/{side}.txt"
            problems.append(Problem(kind="no_lists", path=path, reason=reason))
        for line in read_lines(file) if file else ():
            name = Path(line).stem
            if sides.setdefault(name, side) != side:
                reason = f"is in the lists of {sides[name]} and {side}"
                problems.append(Problem(kind="two_sides", path=name, reason=reason))
    torn = {problem.path for problem in problems if problem.kind == "two_sides"}
    return {name: side for name, side in sides.items() if name not in torn}, problems


def _fakes(
    root: Path, folder: Path, variant: str, sides: Mapping[str, Split]
) -> tuple[list[Video], list[Problem]]:
    files = {Path(name).stem: path for name, path in videos_in(folder).items()}
    videos, problems = [], []
    for name in sorted(files.keys() | sides.keys()):
        where = below(root, files.get(name, folder / f"{name}.mp4"))
        match = _NAME.fullmatch(name)
        if match is None:
            problems.append(Problem(kind="odd_name", path=where, reason="is no name of this set"))
            continue
        if sides and name not in sides:
            problems.append(Problem(kind="unlisted", path=where, reason="is in no list of a side"))
        here = name in files
        videos.append(
            Video(
                id=f"{NAME}/{variant}/{name}",
                path=where,
                dataset=NAME,
                method=variant,
                label=1,
                split=sides.get(name),
                split_reason="lists/splits" if name in sides else "in no list of a side",
                original=_real_id(match["target"]),
                sources=(SOURCE.format(match["target"]),),
                identities=(match["actor"],),
                picture_label=1,
                outcome="pending" if here else "missing",
                reason="" if here else "named by the lists, but not there",
            )
        )
    return videos, problems


def _reals(
    root: Path, ff_roots: tuple[Path, ...], targets: Mapping[str, Split]
) -> tuple[list[Video], list[Problem]]:
    parts = ("original_sequences", "youtube", REAL_COMPRESSION)
    # Whole paths: what is not whole is taken to lie below this data set's root.
    ff_roots = tuple(ff_root.expanduser().absolute() for ff_root in ff_roots)
    found = [videos_in(find(ff_root, *parts)) for ff_root in ff_roots]
    files = {Path(name).stem: path for folder in found for name, path in folder.items()}
    if not files:
        looked = ", ".join(map(str, ff_roots)) or "none was named; give --ff-root"
        reason = f"of FaceForensics++ not found (roots: {looked})"
        return [], [Problem(kind="no_reals", path="/".join(parts), reason=reason)]
    reals = []
    for name in sorted(files.keys() | targets.keys()):
        here = name in files
        path = files[name] if here else ff_roots[0].joinpath(*parts, "videos", f"{name}.mp4")
        reals.append(
            Video(
                id=_real_id(name),
                path=below(root, path),
                dataset=NAME,
                method=ORIGINAL,
                label=0,
                compression=REAL_COMPRESSION,
                split=targets.get(name),
                split_reason="with the fakes made of it" if name in targets else "no fake listed",
                sources=(SOURCE.format(name),),
                picture_label=0,
                outcome="pending" if here else "missing",
                reason="" if here else "a target of listed fakes, but not in the FF++ trees given",
            )
        )
    return reals, []


def _real_id(name: str) -> str:
    return f"{NAME}/{ORIGINAL}/{REAL_COMPRESSION}/{name}"
