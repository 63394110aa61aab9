"""Cases from raw videos: each goes the way of a scan, through `pipeline/`, and may fail like one.

A corruption changes whole frames before faces are looked for.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from unmask.datasets.manifest import Manifest, Video
from unmask.datasets.prepared import label_of
from unmask.datasets.readers import ReadOptions, read_dataset
from unmask.datasets.shard import source_token
from unmask.errors import UnreadableMediaError, UsageError
from unmask.evaluation.exam import (
    Case,
    Exam,
    Piece,
    Views,
    Wanted,
    failure,
    make_views,
    refuse_none,
    seen_often,
    spread,
    too_short,
)
from unmask.evaluation.prepared_exam import facts_of, kin_of
from unmask.evaluation.rows import Row
from unmask.faces.detect import FaceDetector
from unmask.pipeline.ingest import Ingested, Look, ingest, ingest_scene
from unmask.pipeline.questions import Question, questions
from unmask.pipeline.sound import Listener
from unmask.types import Frame, Scene, Track
from unmask.video.corrupt import Corruption, corrupt_frames
from unmask.video.decode import Reader

log = logging.getLogger(__name__)


def raw_exam(dataset: str, root: Path, wanted: Wanted, *, split: str | None = None) -> Exam:
    """Make cases of one side of a data set as it was downloaded; `split` is the rule for sides.

    Raises:
        DataError: nothing there, or its sides are not apart. UsageError: no such data set.
    """
    if wanted.part == "calib":
        raise UsageError(f"{root}: what a detector was chosen on is read from prepared data")
    listing = read_dataset(dataset, root, options=ReadOptions(split=split))
    manifest = listing.manifest if wanted.part == "all" else listing.checked()
    chosen = [v for v in manifest.videos if wanted.part in ("all", v.split)]
    labelled = [v for v in chosen if label_of(v, wanted.target) is not None]
    raw = _Raw(manifest, wanted)
    exam = Exam(
        name=f"{manifest.dataset} {wanted.part}",
        cases=tuple(_case(raw, video) for video in labelled),
        digest=_hash(_size(manifest, video) for video in labelled),
        applied_to="frame",
        state=_hash(f"{video} {source_token(manifest.locate(video.path))}" for video in labelled),
        unlabelled=len(chosen) - len(labelled),
        overlaps=manifest.overlaps,
    )
    return refuse_none(exam, wanted.part)


class _Raw:
    """Looks at files, in any thread, each with its own face detector."""

    def __init__(self, manifest: Manifest, wanted: Wanted) -> None:
        self.manifest, self.wanted = manifest, wanted
        self._of_thread = threading.local()

    def pieces(self, video: Video, facts: Row) -> list[Piece]:
        """Everything of a file is made at once."""
        return [partial(self._views, video, facts)]

    def _views(self, video: Video, facts: Row) -> Views:
        path = Path(self.manifest.locate(video.path))
        if not path.exists():
            return failure(facts, "missing", "there is no such file")
        try:
            return self._look(path, facts)
        except UnreadableMediaError as error:
            return failure(facts, "unreadable", str(error).replace(str(path), path.name))
        except MemoryError:
            raise  # of this machine, not of the file
        except Exception as error:  # one strange file must not cost the others
            log.info("%s: unexpected failure", path, exc_info=True)
            told = f"could not be analysed ({type(error).__name__}: {error})"
            return failure(facts, "unreadable", told)

    def _look(self, path: Path, facts: Row) -> Views:
        spec = self.wanted.spec
        sound = None if spec.audio is None else Listener(path, spec.audio)
        if sound is not None and sound.unheard:
            return failure(facts, "no_sound", sound.unheard)
        seen = self._ingest(path, facts.video)
        if not seen.subjects:
            return failure(facts, "no_face", "no face was found in the sampled frames")
        asked = [
            (subject, nth, question)
            for subject in _subjects(seen)
            for nth, question in spread(self._questions(subject, seen), self.wanted.clips)
        ]
        if not asked:
            return too_short(facts, spec)
        made = [
            make_views(
                facts,
                subject.id if isinstance(subject, Track) else None,
                [(nth, question.sights)],
                spec,
                audio=None if sound is None else sound.hear([question.starts_s]),
                reason=seen.lost or "",
            )
            for subject, nth, question in asked
        ]
        return joined(made)

    def _ingest(self, path: Path, video: str) -> Ingested:
        wanted = self.wanted
        look = Reader.frames if wanted.corruption is None else _corrupted(wanted.corruption, video)
        if wanted.spec.view != "face":
            return ingest_scene(path, wanted.spec, n_frames=wanted.n_frames, look=look)
        if not hasattr(self._of_thread, "faces"):
            self._of_thread.faces = FaceDetector()
        faces = self._of_thread.faces
        return ingest(path, wanted.spec, n_frames=wanted.n_frames, faces=faces, look=look)

    def _questions(self, subject: Track | Scene, seen: Ingested) -> list[Question]:
        asked = questions(subject, self.wanted.spec, seen.info)
        return [question for question in asked if not question.is_mostly_repeats]


def joined(made: Sequence[Views]) -> Views:
    """Put clips of one video together."""
    frames = [views.frames for views in made if views.frames is not None]
    audio = [views.audio for views in made if views.audio is not None]
    return Views(
        rows=tuple(row for views in made for row in views.rows),
        frames=np.concatenate(frames),
        audio=np.concatenate(audio) if audio else None,
    )


def _subjects(seen: Ingested) -> Sequence[Track | Scene]:
    if seen.scene is not None:
        return (seen.scene,)
    return seen_often(seen.tracks, lambda track: len(track.faces), seen.n_frames_sampled)


def _corrupted(corruption: Corruption, video: str) -> Look:
    """Look at a file whose every frame is corrupted before anything else is done with it."""

    def look(reader: Reader, times_s: Sequence[float]) -> Iterator[Frame]:
        if corruption.kind != "video":  # each frame by itself
            return corrupt_frames(reader.frames(times_s), corruption, video=video)
        return shown_at(corrupt_frames(reader.all_frames(), corruption, video=video), times_s)

    return look


def shown_at(frames: Iterable[Frame], times_s: Sequence[float]) -> Iterator[Frame]:
    """Pick from frames in order those on the screen at some times, each once, as `Reader` does."""
    waiting = deque(sorted(max(0.0, t) for t in times_s))
    shown: Frame | None = None
    for now in frames:
        if shown is not None and waiting and waiting[0] < now.t_s:
            yield shown
            while waiting and waiting[0] < now.t_s:
                waiting.popleft()
        if not waiting:
            return
        shown = now
    if shown is not None:
        yield shown


def _case(raw: _Raw, video: Video) -> Case:
    wanted = raw.wanted
    label = label_of(video, wanted.target)
    assert label is not None, "videos without a label are left out"
    return Case(
        facts=facts_of(video, label),
        n_clips=-(-wanted.n_frames // wanted.spec.n_frames),
        pieces=partial(raw.pieces, video),
        kin=partial(kin_of, video),
    )


def _size(manifest: Manifest, video: Video) -> str:
    path = Path(manifest.locate(video.path))
    return str(path.stat().st_size if path.is_file() else None)


def _hash(words: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()
