"""What a checkpoint's probabilities and thresholds were fitted on, kept in it by hash.

Whoever reports on those recordings reports how well the fit went: calibration error, log loss and
all that is counted at a threshold are too good there, while the order of scores, and so the AUC,
is hardly touched. The name of the data (`measured_on`) does not tell: a part of them, or a copy
with another name, would pass. So the checkpoint holds hashes of the recordings and people
(`fitted_on.txt`, a line each), and every scores file says how many of its videos are among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from unmask.datasets.learned import DISTINCT, Tie, hash_of
from unmask.errors import CheckpointError
from unmask.evaluation.rows import Row
from unmask.evaluation.scores import ScoresFile
from unmask.models.checkpoint import Checkpoint, sha256

FITTED = "fitted_on.txt"
FORMAT = "unmask.fitted/1"
_ABOUT = (
    f"# {FORMAT}",
    "# Hashes of the recordings and people that probabilities and thresholds were fitted on.",
)


def ties_of(row: Row) -> Iterator[Tie]:
    """Name what a video may share with others, as far as a scores file knows."""
    yield "source", row.source
    bare = row.source.rpartition("/")[2]
    if len(bare) >= DISTINCT:  # the same recording in data of another name
        yield "named", bare
    for person in row.identities:
        yield "identity", f"{row.dataset}/{person}"


def keep_fitted(folder: Path, scores: ScoresFile) -> dict[str, str]:
    """Write what was fitted on beside a checkpoint; returns its hash by name, for the metadata."""
    rows = scores.columns.take(scores.columns.scored)
    videos = rows.take(rows.first_of_videos()[1])
    keys = {hash_of(tie) for row in videos for tie in ties_of(row)}
    part = folder / f"{FITTED}.part"
    part.write_text("\n".join([*_ABOUT, *sorted(keys)]) + "\n", encoding="utf-8", newline="\n")
    part.replace(folder / FITTED)
    return {FITTED: sha256(folder / FITTED)}


def count_fitted(checkpoint: Checkpoint, videos: Iterable[Row]) -> int | None:
    """Count the videos that share something with what was fitted on; None where nobody knows.

    Raises:
        CheckpointError: the record is not one.
    """
    meta = checkpoint.meta
    if meta.calibration is None and meta.thresholds is None:
        return 0
    if FITTED not in meta.sha256:
        return None
    path = checkpoint.folder / FITTED
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines[:1] != list(_ABOUT[:1]):
        raise CheckpointError(f"{path}: not a record of what was fitted on ({FORMAT})")
    known = {line for line in lines if not line.startswith("#")}
    return sum(any(hash_of(tie) in known for tie in ties_of(video)) for video in videos)
