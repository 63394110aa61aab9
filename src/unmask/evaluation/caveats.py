"""What must be said of scores whatever number is made from them."""

from __future__ import annotations

from unmask.evaluation.scores import Header, ScoresFile

_PLACES = {
    "frame": "corruptions are of the frame, before faces are looked for",
    "crop": "corruptions are of the stored crop: faces were found in the clean picture",
}


def known_of(scores: ScoresFile) -> list[str]:
    """Which videos have no score and why, and whether the detector may know the people in them."""
    at, header = scores.at("video"), scores.header
    lines = [_PLACES[header.applied_to]] if header.applied_to else []
    if at.missed:
        reasons = ", ".join(f"{count} {name}" for name, count in at.missed.most_common())
        lines.append(f"{at.missed.total()} of {at.n_videos} videos have no score: {reasons}")
    if header.unlabelled:
        lines.append(f"{header.unlabelled} videos left out: {header.target} target not known")
    return lines + doubts_of(header)


def doubts_of(header: Header) -> list[str]:
    """Why numbers may not hold for others: a part of the data, or recordings that are known."""
    lines = []
    if header.limited_from is not None:
        lines.append(
            f"a part alone: of {header.limited_from} videos, --limit took some recordings, so "
            "numbers of all may differ"
        )
    if header.leaks is None:
        lines.append(
            "what it learned from is not recorded, so nobody knows whether it has seen these "
            "people before"
        )
    elif header.leaks:
        lines.append(
            f"{header.leaks} videos share a recording or a person with what it learned from: its "
            "numbers are too good" + (" (allowed by --allow-leaks)" if header.leaks_allowed else "")
        )
    if header.overlaps:
        lines.append(
            f"the data set's own split leaves the same {', '.join(header.overlaps)} on both sides"
        )
    return [*lines, *_fitted(header)]


def _fitted(header: Header) -> list[str]:
    """Whether probabilities and thresholds of the checkpoint were fitted on what is reported."""
    stored = header.calibration or header.thresholds
    if stored is None or header.fitted == 0:
        return []
    name = stored.measured_on or "unnamed data"
    if header.fitted is None:
        return [
            f"which recordings its probabilities and thresholds were fitted on ({name}) is not "
            "recorded, so nobody knows whether these are among them"
        ]
    return [
        f"{header.fitted} videos share a recording or a person with what its probabilities and "
        f"thresholds were fitted on ({name}): calibration error, log loss and whatever is counted "
        "at a threshold are too good"
    ]
