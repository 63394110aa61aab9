"""The JSON that programs read: `unmask.report/1`, strict, documented field by field.

One document per input. What cannot be read gives an `unmask.error/1` document instead, so that a
stream of JSON Lines accounts for every input. Any change a reader could notice is a new number
after the slash. `docs/report-schema.md` and `docs/report.schema.json` are generated from here by
`python -m unmask.report.schema_docs docs`.

Numbers are rounded to what they mean (times 3 decimals, probabilities 4, pixels 1); verdicts were
decided before rounding.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic import model_validator as check_model

from unmask.errors import DataError
from unmask.types import (
    REASONS,
    ClipScore,
    MediaKind,
    ModelInfo,
    Report,
    Thresholds,
    TrackScore,
    Unit,
    VerdictName,
)


def _known_reason(code: str) -> str:
    if code not in REASONS:
        raise ValueError(f"unknown reason code {code!r}; known: {', '.join(REASONS)}")
    return code


def _fraction(text: str) -> str:
    if Fraction(text) <= 0:
        raise ValueError("a frame rate must be positive")
    return text


Reason = Annotated[
    str, AfterValidator(_known_reason), Field(json_schema_extra={"enum": list(REASONS)})
]
Seconds = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[str, Field(pattern=r"^[0-9]+/[1-9][0-9]*$"), AfterValidator(_fraction)]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]


class _Strict(BaseModel):
    """No unknown keys, no coercion, no NaN."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, populate_by_name=False
    )


class InputDocument(_Strict):
    """The file that was read."""

    path: str = Field(description="The file as it was named in the request.")
    kind: MediaKind = Field(description="What it is; an animation is an image that moves.")
    duration_s: Seconds = Field(description="Length; 0 for an image.")
    width_px: int = Field(gt=0, description="Width of the upright picture, rotation applied.")
    height_px: int = Field(gt=0, description="Height of the upright picture, rotation applied.")
    fps: Rate | None = Field(
        description="Exact average frame rate as a fraction, e.g. 30000/1001; null for an image."
    )
    variable_frame_rate: bool = Field(description="Frames are not evenly spaced in time.")
    codec: str = Field(description="Name of the codec; empty when unknown.")
    n_frames_sampled: int = Field(ge=0, description="Frames that were looked at.")
    n_frames_with_face: Annotated[int, Field(ge=0)] | None = Field(
        description="Sampled frames in which a face was found; null when the detector looks for no "
        "face, but at the whole picture, or only listens."
    )
    n_people: Annotated[int, Field(ge=0)] | None = Field(
        description="People told apart, the length of `tracks`; null when no face was looked for. "
        "`tracks` then has one entry, the picture or its sound, whose box is the whole frame."
    )


class ScoreDocument(_Strict):
    """One score: a frame, or a clip for detectors that look at motion."""

    t_s: Seconds = Field(description="Time of the frame, or of the middle of the clip.")
    p_fake: Probability = Field(description="Calibrated score of this frame or clip.")
    box_xyxy_px: tuple[float, float, float, float] = Field(
        description="Face box x0, y0, x1, y1 in pixels of the upright full-resolution frame; all "
        "of the frame when no face was looked for."
    )


class TrackDocument(_Strict):
    """One person through the file, or all of its picture or sound."""

    id: int = Field(ge=0, description="Number of the person within this file.")
    p_fake: Probability | None = Field(
        description="The person's score; null when there was not enough to score."
    )
    verdict: VerdictName = Field(description="The answer for this person.")
    reasons: tuple[Reason, ...] = Field(min_length=1, description="Why; see Reason codes.")
    first_s: Seconds = Field(description="Time of the first sampled frame that shows the person.")
    last_s: Seconds = Field(description="Time of the last sampled frame that shows the person.")
    face_px: Annotated[float, Field(ge=0)] | None = Field(
        description="Median shorter side of the face box, pixels; null when no face was looked for."
    )
    sharpness: Annotated[float, Field(ge=0)] | None = Field(
        description="Median variance of the Laplacian of the grey face at 112 px; null likewise."
    )
    scores: tuple[ScoreDocument, ...] = Field(description="All scores, in order of time.")


class ThresholdsDocument(_Strict):
    """Where `fake` begins and `real` ends."""

    fake: float = Field(ge=0, description="p_fake at or above it is called fake.")
    real: float = Field(ge=0, description="p_fake below it is called real.")
    unit: Unit = Field(description="What one score was when the rates were measured.")
    fake_fpr: Probability | None = Field(
        description="Measured share of reals at or above `fake`; null when unmeasured."
    )
    real_fpr: Probability | None = Field(
        description="Measured share of reals at or above `real`; null when unmeasured."
    )
    real_fnr: Probability | None = Field(
        description="Measured share of fakes below `real`; null when unmeasured."
    )
    measured_on: str | None = Field(description="The data behind the rates; null when unmeasured.")


class ModelDocument(_Strict):
    """The detector that answered."""

    name: str = Field(description="Name of the detector.")
    sha256: Sha256 = Field(
        description="Hash of the weights or graph that ran; empty when they were never stored."
    )
    thresholds: ThresholdsDocument | None = Field(
        description="Thresholds of the verdict; null when the detector has none."
    )
    runtime: str = Field(description="What computed the scores, and in which precision.")
    licence: str = Field(description="Licence of the weights; empty when not stated.")
    trained: bool = Field(description="False for untrained weights, whose scores mean nothing.")


class TimingDocument(_Strict):
    """Where the time went, wall clock; `total` also holds what lies between the stages."""

    decode: Seconds = Field(description="Reading and decoding, seconds.")
    detect: Seconds = Field(description="Finding and following faces, seconds.")
    model: Seconds = Field(description="Running the detector, seconds.")
    total: Seconds = Field(description="From opening the file to the verdict, seconds.")


class ReportDocument(_Strict):
    """Everything said about one input."""

    schema_id: Literal["unmask.report/1"] = Field(
        alias="schema", description="Name and version of this format."
    )
    input: InputDocument = Field(description="What was read.")
    verdict: VerdictName = Field(description="The answer for the file.")
    reasons: tuple[Reason, ...] = Field(min_length=1, description="Why; see Reason codes.")
    p_fake: Probability | None = Field(
        description="Score of the most suspicious person; null when nothing could be scored."
    )
    tracks: tuple[TrackDocument, ...] = Field(description="The people found; empty when none.")
    model: ModelDocument = Field(description="What answered.")
    timing_s: TimingDocument = Field(description="Where the time went.")
    warnings: tuple[str, ...] = Field(description="Sentences to know before relying on this.")

    @check_model(mode="after")
    def _no_verdict_without_a_score(self) -> ReportDocument:
        """Missing is not zero: without a score there is no fake and no real."""
        if self.p_fake is None and self.verdict != "undecided":
            raise ValueError(f"verdict {self.verdict!r} without p_fake; it must be 'undecided'")
        return self


class FailedInput(_Strict):
    """The file that could not be read."""

    path: str = Field(description="The file as it was named in the request.")


class ErrorDocument(_Strict):
    """What stands in the stream for an input that could not be read."""

    schema_id: Literal["unmask.error/1"] = Field(
        alias="schema", description="Name and version of this format."
    )
    input: FailedInput = Field(description="What could not be read.")
    error: str = Field(description="What is wrong and what to do about it.")


Document = Annotated[ReportDocument | ErrorDocument, Field(discriminator="schema_id")]
_ANY_DOCUMENT: TypeAdapter[ReportDocument | ErrorDocument] = TypeAdapter(Document)


def to_document(report: Report) -> ReportDocument:
    """The report in the shape and precision of `unmask.report/1`, validated."""
    return ReportDocument(
        schema="unmask.report/1",
        input=_input(report),
        verdict=report.verdict,
        reasons=report.reasons,
        p_fake=_p(report.p_fake),
        tracks=tuple(map(_track, report.tracks)),
        model=_model(report.model),
        timing_s=TimingDocument(**{name: round(t, 3) for name, t in report.timing_s.items()}),
        warnings=tuple(map(_text, report.warnings)),
    )


def to_json(report: Report) -> str:
    """One line of JSON, pure ASCII, so that no terminal and no pipe can damage it."""
    return _line(to_document(report))


def error_to_json(path: Path | str, message: str) -> str:
    """One line of JSON for an input that could not be read."""
    failed = FailedInput(path=_text(path))
    return _line(ErrorDocument(schema="unmask.error/1", input=failed, error=_text(message)))


def from_json(text: str | bytes) -> ReportDocument | ErrorDocument:
    """Read one document back, refusing what the format does not allow.

    Raises:
        DataError: with the first few places that are wrong.
    """
    try:
        return _ANY_DOCUMENT.validate_json(text)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'document'}: {problem['msg']}"
            for problem in error.errors()[:3]
        )
        raise DataError(f"not an unmask.report/1 or unmask.error/1 document: {wrong}") from error


def _input(report: Report) -> InputDocument:
    info = report.input
    return InputDocument(
        path=_text(info.path),
        kind=info.kind,
        duration_s=round(info.duration_s, 3),
        width_px=info.width_px,
        height_px=info.height_px,
        fps=None if info.fps is None else f"{info.fps.numerator}/{info.fps.denominator}",
        variable_frame_rate=info.variable_frame_rate,
        codec=info.codec,
        n_frames_sampled=report.n_frames_sampled,
        n_frames_with_face=report.n_frames_with_face,
        n_people=None if report.n_frames_with_face is None else len(report.tracks),
    )


def _track(track: TrackScore) -> TrackDocument:
    return TrackDocument(
        id=track.id,
        p_fake=_p(track.p_fake),
        verdict=track.verdict,
        reasons=track.reasons,
        first_s=round(track.first_s, 3),
        last_s=round(track.last_s, 3),
        face_px=None if track.face_px is None else round(track.face_px, 1),
        sharpness=None if track.sharpness is None else round(track.sharpness, 1),
        scores=tuple(map(_score, track.scores)),
    )


def _score(score: ClipScore) -> ScoreDocument:
    x0, y0, x1, y1 = (round(float(edge), 1) for edge in score.box_xyxy_px)
    return ScoreDocument(
        t_s=round(score.t_s, 3), p_fake=round(score.p_fake, 4), box_xyxy_px=(x0, y0, x1, y1)
    )


def _model(model: ModelInfo) -> ModelDocument:
    return ModelDocument(
        name=model.name,
        sha256=model.sha256,
        thresholds=None if model.thresholds is None else _thresholds(model.thresholds),
        runtime=model.runtime,
        licence=model.licence,
        trained=model.trained,
    )


def _thresholds(thresholds: Thresholds) -> ThresholdsDocument:
    return ThresholdsDocument(
        fake=round(thresholds.fake, 6),
        real=round(thresholds.real, 6),
        unit=thresholds.unit,
        fake_fpr=_p(thresholds.fake_fpr),
        real_fpr=_p(thresholds.real_fpr),
        real_fnr=_p(thresholds.real_fnr),
        measured_on=thresholds.measured_on,
    )


def _p(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _text(value: Path | str) -> str:
    """Text that every JSON reader accepts: bytes of a file name that are no UTF-8 become U+FFFD."""
    return str(value).encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _line(document: ReportDocument | ErrorDocument) -> str:
    return json.dumps(document.model_dump(mode="json", by_alias=True), allow_nan=False)
