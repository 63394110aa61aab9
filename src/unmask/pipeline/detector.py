"""A detector as a person uses it: `detector = load("default"); detector.scan("clip.mp4")`."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import CheckpointError, UsageError
from unmask.faces.detect import FaceDetector
from unmask.models import create, entry, names
from unmask.models.checkpoint import (
    DEFAULT_MODEL,
    METADATA,
    Checkpoint,
    packaged,
    read_checkpoint,
)
from unmask.pipeline.ingest import Ingested, Look, ingest, ingest_scene
from unmask.pipeline.questions import Question, batch_of, questions
from unmask.pipeline.runtime import (
    Backend,
    Device,
    Mirrored,
    Runtime,
    TorchRuntime,
    open_runtime,
)
from unmask.pipeline.sound import Listener
from unmask.scoring.calibrate import apply
from unmask.scoring.verdict import judge
from unmask.types import (
    Batch,
    Calibration,
    ClipScore,
    Evidence,
    Frame,
    InputSpec,
    ModelInfo,
    Report,
    Verdict,
)
from unmask.video.decode import Reader

DEFAULT_FRAMES = 32  # evenly spaced; the field's usual number (protocols: DeepfakeBench, DFDC)
# In one batch, whichever is fewer; at least one clip. More clips only leave the processor's cache:
# Xception in bf16 takes 7 % longer for 16 at once than for one, the default detector as long.
CLIPS_AT_ONCE, FRAMES_AT_ONCE = 4, 32
SHOWN_FACES = 3  # most and least suspicious ones kept as evidence, each


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scored:
    """A clip with its score and where in the view it came from."""

    question: Question
    score: ClipScore
    cam: NDArray[np.float32] | None


class Detector:
    """A trained network with its preprocessing, calibration and thresholds.

    May scan in several threads at once, each of which has its own face detector.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        runtime: Runtime,
        sha256: str,
        faces: FaceDetector | None = None,
    ) -> None:
        """`faces`, if it is there already, serves the first thread that scans."""
        meta = checkpoint.meta
        self.input_spec: InputSpec = meta.input_spec
        self.calibration = meta.calibration or Calibration()
        self.model = ModelInfo(
            name=meta.model,
            sha256=sha256,
            thresholds=meta.thresholds,
            runtime=runtime.name,
            trained=meta.trained,
            licence=meta.licence,
            view=meta.input_spec.view,
            listens=meta.input_spec.audio is not None,
            scope=meta.scope,
        )
        self._runtime = runtime
        self._of_thread = threading.local()
        self._spare = [faces] if faces else []

    def scan(
        self,
        path: str | Path,
        *,
        n_frames: int = DEFAULT_FRAMES,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Report:
        """Answer for one video or image.

        Raises:
            UnreadableMediaError: nothing could be decoded from it. UsageError: `n_frames` < 1.
            CancelledError: `is_cancelled`, asked at every frame and batch, said so.
        """
        started = time.perf_counter()
        seen = self._ingest(Path(path), n_frames, _while_wanted(is_cancelled))
        scoring = time.perf_counter()
        sound = self._listener(Path(path))
        asked = self._questions(seen, sound)
        scored: list[_Scored] = []
        for own in asked:
            scored += self._score(own, sound, is_cancelled)
        heard_s = sound.read_s if sound else 0.0
        model_s = time.perf_counter() - scoring - heard_s
        verdict = judge(
            seen.subjects,
            [item.score for item in scored],
            n_frames_sampled=seen.n_frames_sampled,
            thresholds=self.model.thresholds,
            trained=self.model.trained,
            damaged=seen.lost is not None,
            unheard=sound is not None and sound.unheard is not None,
            too_short={q.track_id for own in asked for q in own if q.is_mostly_repeats},
        )
        timing = {
            "decode": seen.decode_s + heard_s,
            "detect": seen.detect_s,
            "model": model_s,
            "total": time.perf_counter() - started,
        }
        return self._report(seen, sound, verdict, scored, timing)

    def batches(self, path: str | Path, *, n_frames: int = DEFAULT_FRAMES) -> Iterator[Batch]:
        """Model inputs of a file exactly as `scan` makes them, one batch a person and chunk."""
        return (batch for _, batch in self.asked(path, n_frames=n_frames))

    def asked(
        self, path: str | Path, *, n_frames: int = DEFAULT_FRAMES
    ) -> Iterator[tuple[Sequence[Question], Batch]]:
        """Yield the same batches, each with the clips that it holds."""
        seen = self._ingest(Path(path), n_frames)
        sound = self._listener(Path(path))
        for own in self._questions(seen, sound):
            for some in self._chunks(own):
                yield some, batch_of(some, self.input_spec, sound)

    @property
    def is_mirrored(self) -> bool:
        """Whether scores are means over a view and its mirror image."""
        return isinstance(self._runtime, Mirrored)

    @property
    def network(self) -> Any:
        """The torch network itself, to look inside.

        Raises:
            UsageError: an exported graph runs in its place.
        """
        runtime = self._runtime
        once = runtime.once if isinstance(runtime, Mirrored) else runtime
        if not isinstance(once, TorchRuntime):
            raise UsageError(
                f"{self.model.name} runs as {once.name}, which cannot be looked into; "
                "open it with backend='torch'"
            )
        return once.network

    def _ingest(self, path: Path, n_frames: int, look: Look | None = None) -> Ingested:
        if n_frames < 1:
            raise UsageError(f"frames: at least one must be looked at, not {n_frames}")
        if self.input_spec.view != "face":
            return ingest_scene(path, self.input_spec, n_frames=n_frames, look=look)
        if not hasattr(self._of_thread, "faces"):
            self._of_thread.faces = self._new_faces()
        faces = self._of_thread.faces
        return ingest(path, self.input_spec, n_frames=n_frames, faces=faces, look=look)

    def _new_faces(self) -> FaceDetector:
        try:
            return self._spare.pop()
        except IndexError:  # asked first, another thread could take it in between
            return FaceDetector()

    def _listener(self, path: Path) -> Listener | None:
        return None if self.input_spec.audio is None else Listener(path, self.input_spec.audio)

    def _questions(self, seen: Ingested, sound: Listener | None) -> list[list[Question]]:
        """Clips of every subject; none at all where a system that only listens can hear nothing."""
        if self.input_spec.view == "none" and (sound is None or sound.unheard):
            return []
        return [questions(subject, self.input_spec, seen.info) for subject in seen.subjects]

    def _score(
        self,
        asked: Sequence[Question],
        sound: Listener | None,
        is_cancelled: Callable[[], bool],
    ) -> Iterator[_Scored]:
        for some in self._chunks(asked):
            if is_cancelled():
                raise CancelledError
            out = self._runtime(batch_of(some, self.input_spec, sound))
            cams = out.aux.get("cam")
            for i, question in enumerate(some):
                yield _Scored(
                    question=question,
                    score=self._clip_score(question, float(out.logit[i])),
                    cam=None if cams is None else cams[i],
                )

    def _chunks(self, asked: Sequence[Question]) -> Iterator[Sequence[Question]]:
        size = max(1, min(CLIPS_AT_ONCE, FRAMES_AT_ONCE // self.input_spec.n_frames))
        return (asked[i : i + size] for i in range(0, len(asked), size))

    def _clip_score(self, question: Question, logit: float) -> ClipScore:
        return ClipScore(
            track_id=question.track_id,
            t_s=question.t_s,
            logit=logit,
            p_fake=apply(self.calibration, logit),
            box_xyxy_px=question.box_xyxy_px,
        )

    def _report(
        self,
        seen: Ingested,
        sound: Listener | None,
        verdict: Verdict,
        scored: Sequence[_Scored],
        timing: dict[str, float],
    ) -> Report:
        warnings = [seen.lost] if seen.lost else []
        if sound is not None and sound.unheard is not None:
            only = self.input_spec.view == "none"
            did = "only listens, scored nothing" if only else "also listens, was given silence"
            warnings.append(f"{sound.unheard.rstrip('.')}; the detector, which {did}")
        return Report(
            input=seen.info,
            verdict=verdict.verdict,
            p_fake=verdict.p_fake,
            reasons=verdict.reasons,
            tracks=verdict.tracks,
            model=self.model,
            timing_s=timing,
            n_frames_sampled=seen.n_frames_sampled,
            n_frames_with_face=seen.n_frames_with_face,
            warnings=tuple(warnings),
            evidence=tuple(
                e for person in verdict.tracks for e in self._evidence(person.id, scored)
            ),
        )

    def _evidence(self, track_id: int, scored: Sequence[_Scored]) -> Iterator[Evidence]:
        """Most and least suspicious views of a person or scene, in order of suspicion."""
        if self.input_spec.view == "none":
            return
        own = [item for item in scored if item.question.track_id == track_id]
        own.sort(key=lambda item: item.score.p_fake, reverse=True)
        shown = own if len(own) <= 2 * SHOWN_FACES else own[:SHOWN_FACES] + own[-SHOWN_FACES:]
        for item in shown:
            yield Evidence(
                track_id=track_id,
                t_s=item.score.t_s,
                p_fake=item.score.p_fake,
                view=item.question.view(self.input_spec),
                activation=item.cam,
            )


def _while_wanted(is_cancelled: Callable[[], bool]) -> Look:
    """Look at a file for as long as somebody waits for the answer."""

    def look(reader: Reader, times_s: Sequence[float]) -> Iterator[Frame]:
        for frame in reader.frames(times_s):
            if is_cancelled():
                raise CancelledError
            yield frame

    return look


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    backend: Backend = "auto",
    device: Device = "auto",
    allow_untrained: bool = False,
) -> Detector:
    """Open a detector: the packaged default, a packaged model by name, or a checkpoint folder.

    A network that has no weights here is refused, unless `allow_untrained` asks for random ones.

    Raises:
        CheckpointError: no weights, or a damaged checkpoint. UsageError: no such model.
    """
    checkpoint = find_checkpoint(model) if allow_untrained else trained_checkpoint(model)
    if checkpoint is None:
        return _untrained(str(model), backend, device)
    if checkpoint.meta.input_spec.view != "face":
        return Detector(checkpoint, *open_runtime(checkpoint, backend, device))
    # What finds faces is compiled while the network is: it shortens a scan's first second.
    with ThreadPoolExecutor(1, thread_name_prefix="unmask-faces") as beside:
        faces = beside.submit(FaceDetector().prepared)
        opened = open_runtime(checkpoint, backend, device)
    return Detector(checkpoint, *opened, faces.result())


def trained_checkpoint(model: str | Path) -> Checkpoint:
    """Read the checkpoint of a detector by name or folder; random weights are never made up.

    Raises:
        CheckpointError: no weights, or a damaged checkpoint. UsageError: no such model.
    """
    checkpoint = find_checkpoint(model)
    if checkpoint is None:
        raise CheckpointError(
            f"{model}: no trained weights of this network are here. Train it (unmask train) and "
            "give the checkpoint folder, or use --allow-untrained to run it on random weights"
        )
    if not checkpoint.meta.trained:
        raise CheckpointError(
            f"{checkpoint.folder}: its weights are untrained; see --allow-untrained"
        )
    return checkpoint


def find_checkpoint(model: str | Path) -> Checkpoint | None:
    """Read a detector's checkpoint, trained or not; None for a network that has no weights here.

    Raises:
        CheckpointError: a damaged checkpoint. UsageError: no such model.
    """
    name, path = str(model), Path(model)
    # A folder that only happens to bear a network's name (recipes/dtn) is not meant.
    is_named = name in names() and not (path / METADATA).is_file()
    folder = packaged(name) or (path if path.exists() and not is_named else None)
    checkpoint = None if folder is None else read_checkpoint(folder)
    _refuse_what_detects_nothing(name if checkpoint is None else checkpoint.meta.model)
    return checkpoint


def _refuse_what_detects_nothing(name: str) -> None:
    """Refuse a name that is not in the table, with the nearest ones, and autoencoders."""
    row = entry(name)
    if not row.detects:
        others = [other for other in names() if entry(other).system == row.system]
        detectors = ", ".join(other for other in others if entry(other).detects)
        raise UsageError(
            f"{name}: an autoencoder only rebuilds what it is given and detects nothing, so there "
            f"is nothing to scan with. The detectors of this system: {detectors}"
        )


def _untrained(name: str, backend: Backend, device: Device) -> Detector:
    """Random weights, saved and exported like any others so that they take the same path."""
    network = create(name)  # first: it says what to install where torch is missing
    from unmask.models.weights import add_graph, save_checkpoint

    with tempfile.TemporaryDirectory(prefix="unmask-untrained-") as folder:
        save_checkpoint(Path(folder), network, name=name, trained=False)
        del network  # large ones are built anew from the folder, and two would be in memory
        wants_graph = backend != "torch" and device != "cuda"
        checkpoint = add_graph(Path(folder)) if wants_graph else read_checkpoint(Path(folder))
        return Detector(checkpoint, *open_runtime(checkpoint, backend, device))
