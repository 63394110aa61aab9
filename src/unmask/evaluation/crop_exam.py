"""Cases from face crops (Parquet files, or folders of pictures): every crop is a clip of its video.

Nothing tells what was lost when the crops were made, so coverage counts only what is here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from unmask.datasets.faces import FaceTable
from unmask.datasets.learned import Learned, Tie
from unmask.errors import DataError, UsageError
from unmask.evaluation.exam import (
    Case,
    Exam,
    Piece,
    Views,
    Wanted,
    failure,
    make_views,
    refuse_none,
    spread,
)
from unmask.evaluation.rows import Row
from unmask.types import Face
from unmask.video.corrupt import corrupt_faces


def crop_exam(table: FaceTable, dataset: str, wanted: Wanted) -> Exam:
    """Make a case of every video that crops come from.

    Raises:
        UsageError: the system looks at motion, at whole frames or listens.
        DataError: one video is both real and fake.
    """
    spec = wanted.spec
    if spec.n_frames > 1 or spec.view != "face" or spec.audio is not None:
        raise UsageError(
            f"{dataset}: face crops are single pictures without sound, and this detector wants "
            f"more ({spec.n_frames} frames, view '{spec.view}'); measure it on prepared data"
        )
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, video in enumerate(table.videos):
        rows[video].append(row)
    for video, own in rows.items():
        if len({(int(table.labels[row]), table.originals[row]) for row in own}) > 1:
            raise DataError(
                f"{dataset}: crops of the video '{video}' have two labels or two originals; one "
                "name stands for two videos. Give each its own"
            )
    exam = Exam(
        name=f"{dataset} {wanted.part}",
        cases=tuple(_case(table, own, dataset, wanted) for own in rows.values()),
        digest=table.digest(),
        applied_to="crop",
    )
    return refuse_none(exam, wanted.part)


def _case(table: FaceTable, rows: Sequence[int], dataset: str, wanted: Wanted) -> Case:
    original, label = table.originals[rows[0]], int(table.labels[rows[0]])
    facts = Row(
        video=f"{dataset}/{table.videos[rows[0]]}",
        label=label,
        source=f"{dataset}/{original}",
        dataset=dataset,
        method=table.methods[rows[0]],
        split=None if wanted.part == "all" else wanted.part,
    )
    chosen = spread(rows, wanted.clips)
    return Case(
        facts=facts,
        n_clips=len(chosen),
        pieces=partial(_pieces, table, chosen, wanted),
        kin=partial(_kin, original),
    )


def _pieces(
    table: FaceTable, chosen: Sequence[tuple[int, int]], wanted: Wanted, facts: Row
) -> list[Piece]:
    return [partial(_views, table, nth, row, wanted, facts) for nth, row in chosen]


def _views(table: FaceTable, nth: int, row: int, wanted: Wanted, facts: Row) -> Views:
    try:
        faces: tuple[Face, ...] = table.track(row).faces
    except DataError as error:
        return failure(facts, "unreadable", str(error))
    if wanted.corruption is not None:
        # Crops of one video bear no times: each is a picture by itself, with a name of its own.
        faces = corrupt_faces(faces, wanted.corruption, video=f"{facts.video}#{nth}")
    views = make_views(facts, 0, [(nth, faces)], wanted.spec)
    return replace(views, rows=tuple(replace(row, t_s=None) for row in views.rows))


def _kin(original: str, learned: Learned) -> list[Tie]:
    return learned.kin_of_crop(original)
