"""A detector as a person uses it: `detector = load("default"); detector.scan("clip.mp4")`."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.clips.tensors import cut_view, make_batch
from unmask.clips.windows import Clip, clip_windows
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
from unmask.pipeline.ingest import Ingested, ingest
from unmask.pipeline.runtime import Backend, Device, Runtime, open_runtime
from unmask.scoring.calibrate import apply
from unmask.scoring.verdict import judge
from unmask.types import (
    Batch,
    Calibration,
    ClipScore,
    Evidence,
    Face,
    InputSpec,
    ModelInfo,
    Report,
    Track,
    Verdict,
)

DEFAULT_FRAMES = 32  # evenly spaced; the field's usual number (protocols: DeepfakeBench, DFDC)
CLIPS_AT_ONCE = 16
SHOWN_FACES = 3  # most and least suspicious ones kept as evidence, each


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scored:
    """A clip with its score and where on the face it came from."""

    clip: Clip
    score: ClipScore
    cam: NDArray[np.float32] | None


class Detector:
    """A trained network with its preprocessing, calibration and thresholds.

    May scan in several threads at once, each of which has its own face detector.
    """

    def __init__(self, checkpoint: Checkpoint, runtime: Runtime, sha256: str) -> None:
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
        )
        self._runtime = runtime
        self._of_thread = threading.local()

    def scan(self, path: str | Path, *, n_frames: int = DEFAULT_FRAMES) -> Report:
        """Answer for one video or image.

        Raises:
            UnreadableMediaError: nothing could be decoded from it. UsageError: `n_frames` < 1.
        """
        started = time.perf_counter()
        seen = self._ingest(Path(path), n_frames)
        scoring = time.perf_counter()
        scored = [item for track in seen.tracks for item in self._score(track)]
        model_s = time.perf_counter() - scoring
        verdict = judge(
            seen.tracks,
            [item.score for item in scored],
            n_frames_sampled=seen.n_frames_sampled,
            thresholds=self.model.thresholds,
            trained=self.model.trained,
            damaged=seen.lost is not None,
        )
        timing = {
            "decode": seen.decode_s,
            "detect": seen.detect_s,
            "model": model_s,
            "total": time.perf_counter() - started,
        }
        return self._report(seen, verdict, scored, timing)

    def batches(self, path: str | Path, *, n_frames: int = DEFAULT_FRAMES) -> Iterator[Batch]:
        """Model inputs of a file exactly as `scan` makes them, one batch a person and chunk."""
        seen = self._ingest(Path(path), n_frames)
        for track in seen.tracks:
            for clips in _chunks(clip_windows(track, self.input_spec)):
                yield self._batch(clips)

    def _ingest(self, path: Path, n_frames: int) -> Ingested:
        if n_frames < 1:
            raise UsageError(f"frames: at least one must be looked at, not {n_frames}")
        if not hasattr(self._of_thread, "faces"):
            self._of_thread.faces = FaceDetector()
        return ingest(path, self.input_spec, n_frames=n_frames, faces=self._of_thread.faces)

    def _batch(self, clips: Sequence[Clip]) -> Batch:
        return make_batch([clip.faces for clip in clips], self.input_spec)

    def _score(self, track: Track) -> Iterator[_Scored]:
        for clips in _chunks(clip_windows(track, self.input_spec)):
            out = self._runtime(self._batch(clips))
            cams = out.aux.get("cam")
            for i, clip in enumerate(clips):
                yield _Scored(
                    clip=clip,
                    score=self._clip_score(clip, float(out.logit[i])),
                    cam=None if cams is None else cams[i],
                )

    def _clip_score(self, clip: Clip, logit: float) -> ClipScore:
        return ClipScore(
            track_id=clip.track_id,
            t_s=clip.t_s,
            logit=logit,
            p_fake=apply(self.calibration, logit),
            box_xyxy_px=middle(clip).box_xyxy_px,
        )

    def _report(
        self, seen: Ingested, verdict: Verdict, scored: Sequence[_Scored], timing: dict[str, float]
    ) -> Report:
        warnings = [seen.lost] if seen.lost else []
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
        """Most and least suspicious faces of a person, in order of suspicion."""
        own = [item for item in scored if item.clip.track_id == track_id]
        own.sort(key=lambda item: item.score.p_fake, reverse=True)
        shown = own if len(own) <= 2 * SHOWN_FACES else own[:SHOWN_FACES] + own[-SHOWN_FACES:]
        for item in shown:
            yield Evidence(
                track_id=track_id,
                t_s=item.score.t_s,
                p_fake=item.score.p_fake,
                view=cut_view(middle(item.clip), self.input_spec),
                activation=item.cam,
            )


def middle(clip: Clip) -> Face:
    """Face that stands for a clip where only one can be shown."""
    return clip.faces[len(clip.faces) // 2]


def _chunks(clips: Sequence[Clip]) -> Iterator[Sequence[Clip]]:
    return (clips[i : i + CLIPS_AT_ONCE] for i in range(0, len(clips), CLIPS_AT_ONCE))


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
    name, path = str(model), Path(model)
    # A folder that only happens to bear a network's name (recipes/dtn) is not meant.
    is_named = name in names() and not (path / METADATA).is_file()
    folder = packaged(name) or (path if path.exists() and not is_named else None)
    if folder is not None:
        checkpoint = read_checkpoint(folder)
        if not checkpoint.meta.trained and not allow_untrained:
            raise CheckpointError(f"{folder}: its weights are untrained; see --allow-untrained")
        return Detector(checkpoint, *open_runtime(checkpoint, backend, device))
    entry(name)  # refuses a name that is not in the table, with the nearest ones
    if not allow_untrained:
        raise CheckpointError(
            f"{model}: no trained weights of this network are here. Train it (unmask train) and "
            "give the checkpoint folder, or use --allow-untrained to run it on random weights"
        )
    return _untrained(name, backend, device)


def _untrained(name: str, backend: Backend, device: Device) -> Detector:
    """Random weights, saved and exported like any others so that they take the same path."""
    network = create(name)  # first: it says what to install where torch is missing
    from unmask.models.weights import add_graph, save_checkpoint

    with tempfile.TemporaryDirectory(prefix="unmask-untrained-") as folder:
        save_checkpoint(Path(folder), network, name=name, trained=False)
        wants_graph = backend != "torch" and device != "cuda"
        checkpoint = add_graph(Path(folder)) if wants_graph else read_checkpoint(Path(folder))
        return Detector(checkpoint, *open_runtime(checkpoint, backend, device))
