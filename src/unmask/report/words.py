"""A report in a reader's words, shared by the terminal and the HTML page: both say the same.

Nothing here claims more than was measured: a probability is never rounded to certainty, and a
false-positive rate that nobody measured for this kind of input is called unmeasured.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from unmask.types import (
    REASONS,
    ClipScore,
    MediaKind,
    Report,
    Thresholds,
    TrackScore,
    Unit,
    VerdictName,
    VideoInfo,
    View,
)

HEADLINES: dict[VerdictName, str] = {
    "fake": "Likely manipulated",
    "real": "No manipulation found",
    "undecided": "Cannot be told",
}
# Where a detector finds traces, and where it finds none.
PLACES: dict[View, tuple[str, str]] = {
    "face": ("in at least one face", "in any face"),
    "frame": ("in the picture", "in the picture"),
    "none": ("in the sound", "in the sound"),
}
# Reasons that concern the file or the detector, whoever is in the picture.
OF_FILE = frozenset({"no_face", "no_sound", "damaged_file", "untrained", "uncalibrated"})
_JOINERS = "\u200c\u200d"  # printed as nothing, needed by Persian and Indic names and by emoji


def meaning(report: Report) -> str:
    """What the verdict says, without a word of faces where none was looked at."""
    if report.verdict == "undecided":
        return "The detector gives no answer for this file."
    model = report.model
    senses = "sees" if not model.listens else "hears" if model.view == "none" else "sees or hears"
    traces = "traces" if report.verdict == "fake" else "no traces"
    place = PLACES[model.view][report.verdict == "real"]
    beside = " or in the sound with it" if model.listens and model.view != "none" else ""
    return f"The detector {senses} {traces} of manipulation {place}{beside}."


def subject(track: TrackScore, view: View) -> str:
    """What was judged: a person by number, or what there is only one of."""
    return {"face": f"Person {track.id}", "frame": "The whole picture", "none": "The sound"}[view]


def readable(text: str | Path) -> str:
    r"""Foreign text fit to be shown: what could forge or break the output becomes U+FFFD.

    Control characters, line breaks, direction overrides and bytes that are no UTF-8 are legal in
    file names; unusual spaces become plain ones.

    >>> readable("a\x1b[2Jb\u202egpj.exe")
    'a�[2Jb�gpj.exe'
    """

    def shown(char: str) -> str:
        if char.isprintable() or char in _JOINERS:
            return char
        return " " if char in "\t\n\r" or unicodedata.category(char) == "Zs" else "\ufffd"

    return "".join(map(shown, str(text)))


def probability(p_fake: float | None) -> str:
    """Three decimals, never rounded to certainty; a dash for a score that does not exist.

    >>> probability(0.97341), probability(0.99991), probability(0.0), probability(None)
    ('0.973', '>0.999', '<0.001', '–')
    """
    if p_fake is None:
        return "–"
    if p_fake > 0.999:
        return ">0.999"
    return "<0.001" if p_fake < 0.001 else f"{p_fake:.3f}"


def level(threshold: float) -> str:
    """A threshold, with more decimals where three would round it to 0 or 1.

    >>> level(0.9123), level(0.99987)
    ('0.912', '0.99987')
    """
    return f"{threshold:.3f}" if 0.001 <= threshold <= 0.999 else f"{threshold:.6g}"


def clock(t_s: float, decimals: int = 1) -> str:
    """Minutes and seconds, with hours where there are any.

    >>> clock(7.44), clock(59.96), clock(3725.0, decimals=0)
    ('00:07.4', '01:00.0', '1:02:05')
    """
    total = round(t_s, decimals)
    minutes, seconds = divmod(total, 60)
    hours, minutes = divmod(int(minutes), 60)
    width = 3 + decimals if decimals else 2
    tail = f"{minutes:02d}:{seconds:0{width}.{decimals}f}"
    return f"{hours}:{tail}" if hours else tail


def percent(share: float) -> str:
    """A rate with as many digits as it deserves.

    >>> percent(0.0098), percent(0.05), percent(0.0)
    ('0.98 %', '5 %', '0 %')
    """
    return f"{100 * share:.2g} %"


def sentence(code: str) -> str:
    """A reason code as a sentence of its own.

    >>> sentence("no_face")
    'No face was found in the sampled frames.'
    """
    return f"{_raised(REASONS[code])}."


def why(report: Report) -> str:
    """Why the file got its verdict, naming the people meant where there are several."""
    return " ".join(_why(report, code) for code in report.reasons)


def _why(report: Report, code: str) -> str:
    """One reason of the file's verdict, after the people it speaks of."""
    meant = [t.id for t in report.tracks if t.verdict == report.verdict and code in t.reasons]
    if code in OF_FILE or len(report.tracks) < 2 or not meant:
        return sentence(code)
    return f"{_people(meant, len(report.tracks))}: {REASONS[code]}."


def _people(ids: Sequence[int], total: int) -> str:
    """Some of `total` people, by number.

    >>> _people([2], 3), _people([1, 2], 2), _people([1, 3, 4], 5)
    ('Person 2', 'Both people', 'Persons 1, 3 and 4')
    """
    if len(ids) == total:
        return "Both people" if total == 2 else f"All {total} people"
    if len(ids) == 1:
        return f"Person {ids[0]}"
    return f"Persons {', '.join(map(str, ids[:-1]))} and {ids[-1]}"


def by_suspicion(tracks: Sequence[TrackScore]) -> list[TrackScore]:
    """The most suspicious person first; people without a score last."""
    return sorted(tracks, key=lambda track: -1.0 if track.p_fake is None else track.p_fake)[::-1]


def most_suspicious(tracks: Sequence[TrackScore]) -> ClipScore | None:
    """The single highest score of these people; None where nothing was scored."""
    scores = [score for track in tracks for score in track.scores]
    return max(scores, key=lambda score: score.p_fake, default=None)


def input_facts(report: Report) -> str:
    """Size, rate, length and coverage of the input in one line."""
    info = report.input
    facts = [f"{info.width_px}×{info.height_px} px"]
    if info.kind != "image":
        facts.append(clock(info.duration_s))
        if info.fps is not None:
            facts.append(f"{float(info.fps):.5g} fps{_rate_note(info)}")
    if info.codec:
        facts.append(readable(info.codec))
    if info.kind == "image":
        return f"Image, {', '.join(facts)}"
    seen = f"a face in {report.n_frames_with_face} of {report.n_frames_sampled} sampled frames"
    if report.n_frames_with_face is None:
        what = {"face": "", "frame": "frames looked at whole", "none": "moments listened to"}
        seen = f"{report.n_frames_sampled} {what[report.model.view]}"
        if report.model.view == "none" and "no_sound" in report.reasons:
            seen = "nothing to listen to"
    return f"{info.kind.capitalize()}, {', '.join(facts)}; {seen}"


def threshold_cost(thresholds: Thresholds | None, kind: MediaKind) -> str:
    """How often reals reach the thresholds, where that was measured, and where it was not."""
    if thresholds is None:
        return "No thresholds were measured for this detector, so it decides nothing."
    unit, fake, real = thresholds.unit, thresholds.fake_fpr, thresholds.real_fpr
    other = _unmeasured_unit(unit, kind)
    if fake is None or real is None:
        return f"How many real {other or unit}s reach the thresholds is unmeasured."
    data = f", measured on {readable(thresholds.measured_on)}" if thresholds.measured_on else ""
    apart = {"video": "whole videos and ", "image": "single images and "}.get(other, "")
    rest = f" For {apart}other material these rates are unmeasured."
    if thresholds.real_fnr is None:
        found = f"{percent(fake)} reach the threshold for fake and {percent(real)} the one for real"
        return f"Of real {unit}s, {found}{data}.{rest}"
    missed = percent(thresholds.real_fnr)
    found = (
        f"{percent(fake)} are called fake and {percent(1 - real)} real; of fake ones, {missed} real"
    )
    return f"Of real {unit}s, {found}{data}.{rest}"


def _unmeasured_unit(unit: Unit, kind: MediaKind) -> str:
    """What this input is, if the rates were measured on something else; empty if they fit."""
    if kind == "image":
        return "" if unit == "image" else "image"
    return "video" if unit == "image" else ""


def _rate_note(info: VideoInfo) -> str:
    return " (variable)" if info.variable_frame_rate else ""


def _raised(text: str) -> str:
    return text[:1].upper() + text[1:]
