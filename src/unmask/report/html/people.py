"""The people of a file, on the page: why, when, where on the face, and how good the evidence is."""

from __future__ import annotations

from collections.abc import Sequence

from unmask.report import words
from unmask.report.html import charts, pictures
from unmask.report.html.markup import Html, badge, escape, fill, join, number, tag
from unmask.types import ClipScore, Evidence, Image, Report, TrackScore, View

_MARKS = ": a diamond for fake, a ring for undecided, a dot for real"
_LOOKS: dict[View, str] = {
    "face": "look at the face",
    "frame": "look at the picture",
    "none": "moment listened to",
}


def people(report: Report) -> Html:
    """Every person, the most suspicious first, then how good the evidence is."""
    if not report.tracks:
        return Html("")
    faces = report.model.view == "face"
    largest = pictures.shared_range(report.evidence)
    ranked = words.by_suspicion(report.tracks)
    count = "The person" if len(ranked) == 1 else f"The {len(ranked)} people"
    judged = {"face": f"{count} in", "frame": "All of", "none": "The sound of"}[report.model.view]
    return join(
        [
            tag("h2", f"{judged} the {_noun(report)}"),
            _reading_aid(report, largest > 0),
            *(_person(track, report, largest) for track in ranked),
            *([tag("h2", "How good the evidence is"), _quality(ranked)] if faces else []),
        ],
        "\n",
    )


def _person(track: TrackScore, report: Report, largest: float) -> Html:
    shown = sorted(
        (one for one in report.evidence if one.track_id == track.id),
        key=lambda one: one.p_fake,
        reverse=True,
    )
    captions = _captions(len(shown), report)
    figures = (
        _picture(one, label, report, largest) for one, label in zip(shown, captions, strict=True)
    )
    moving = bool(track.scores) and report.input.kind != "image"
    return fill(
        "person.html",
        subject=words.subject(track, report.model.view),
        verdict=track.verdict,
        p_fake=words.probability(track.p_fake),
        summary=_summary(track, report),
        timeline=charts.timeline(track, report.input, report.model.thresholds) if moving else "",
        layout=f"pictures {_layout(shown)}",
        pictures=join(figures, "\n"),
        scores=_scores(track) if moving else "",
    )


def _layout(shown: Sequence[Evidence]) -> str:
    """How the style sheet arranges a person's pictures: two wide pairs, or rows of smaller ones."""
    if all(one.activation is None for one in shown):
        return "plain"
    return "few" if len(shown) <= 2 else "many"


def _summary(track: TrackScore, report: Report) -> str:
    """Why this person got this verdict, and when to look."""
    own = [code for code in track.reasons if code not in words.OF_FILE]
    said = [words.sentence(code) for code in own]
    if report.input.kind != "image":
        how = "Heard" if report.model.view == "none" else "Seen"
        said.append(f"{how} from {words.clock(track.first_s)} to {words.clock(track.last_s)}.")
        worst = words.most_suspicious([track])
        if worst is not None and report.model.trained:
            height = words.probability(worst.p_fake)
            said.append(f"Most suspicious at {words.clock(worst.t_s)} ({height}).")
    return " ".join(said)


def _captions(count: int, report: Report) -> list[str]:
    """What distinguishes a person's pictures: the most suspicious half, then the least, 1 last."""
    if report.input.kind == "image" or count < 2:
        what = "face" if report.model.view == "face" else "picture"
        return [f"The {what} as the detector saw it"] * count
    most, least = "Most suspicious", "Least suspicious"
    if not report.model.trained:
        most, least = "Highest score", "Lowest score"
    n_most = (count + 1) // 2
    n_least = count - n_most
    return [_numbered(most, n, n_most) for n in range(1, n_most + 1)] + [
        _numbered(least, n, n_least) for n in range(n_least, 0, -1)
    ]


def _numbered(label: str, n: int, total: int) -> str:
    return label if total == 1 else f"{label} {n}/{total}"


def _picture(one: Evidence, label: str, report: Report, largest: float) -> Html:
    """A face alone, and beside it under its map where the network gives one."""
    when = "Image" if report.input.kind == "image" else words.clock(one.t_s)
    is_face = report.model.view == "face"
    whose = f"the face of person {one.track_id}, {when}" if is_face else f"the picture, {when}"
    pair = [_image(one.view, f"{whose[:1].upper()}{whose[1:]}, as the detector saw it")]
    if one.activation is not None:
        alt = (
            f"Map over {whose}: the strongest push towards fake is at the "
            f"{pictures.hottest_place(one.activation)}"
        )
        mapped = pictures.overlay(one.view, one.activation, largest)
        pair.append(_image(mapped, alt))
    return fill(
        "picture.html",
        pair=join(pair),
        place=_place(one, report),
        label=label,
        when=when,
        p_fake=words.probability(one.p_fake),
    )


def _place(one: Evidence, report: Report) -> Html:
    """Where in the frame the pictured face is; nothing when its score is not in the report."""
    if report.model.view != "face":
        return Html("")
    for track in report.tracks:
        for score in track.scores:
            if (score.track_id, score.t_s) == (one.track_id, one.t_s):
                return charts.place_in_frame(score.box_xyxy_px, report.input)
    return Html("")


def _reading_aid(report: Report, mapped: bool) -> Html:
    """How to read the charts and the pictures that follow."""
    marks = "" if report.model.thresholds is None else _MARKS
    whose = "the person's own" if report.model.view == "face" else "the file's"
    chart = (
        f"Charts show the score over time, one mark for each {_LOOKS[report.model.view]}{marks}. "
        f"The dashed line is {whose} score."
    )
    return join(
        [
            tag("p", chart, class_="note") if report.input.kind != "image" else "",
            _legend() if mapped else "",
        ]
    )


def _legend() -> Html:
    scale = _image(pictures.legend(), "Colour scale from blue to orange")
    ends = tag("span", "towards real", scale, "towards fake", class_="scale")
    said = "Pictures show what moved the score, all on one scale: "
    return tag("p", said, ends, class_="note legend")


def _scores(track: TrackScore) -> Html:
    """Every score, with the face's box where there is a face."""
    names = ["Time", "Score", "Face box, px: left, top, right, bottom"]
    head = tag("tr", *(tag("th", name, class_="number") for name in names[: _columns(track)]))
    rows = (tag("tr", *_cells(score)[: _columns(track)]) for score in track.scores)
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    count = len(track.scores)
    said = "The score" if count == 1 else f"All {count} scores"
    return tag("details", tag("summary", f"{said} as a table"), table)


def _columns(track: TrackScore) -> int:
    return 2 if track.face_px is None else 3


def _cells(score: ClipScore) -> list[Html]:
    box = ", ".join(f"{edge:.0f}" for edge in score.box_xyxy_px)
    return [number(words.clock(score.t_s)), number(words.probability(score.p_fake)), number(box)]


def _quality(ranked: Sequence[TrackScore]) -> Html:
    names = ("Person", "Answer", "Score", "Range", "Scores", "Face, px", "Sharpness")
    head = tag("tr", *(tag("th", n, class_="number" if i > 1 else "") for i, n in enumerate(names)))
    rows = (
        tag(
            "tr",
            tag("td", track.id),
            tag("td", badge(track.verdict)),
            number(words.probability(track.p_fake)),
            number(_range(track)),
            number(len(track.scores)),
            number(_measured(track.face_px)),
            number(_measured(track.sharpness)),
        )
        for track in ranked
    )
    note = (
        "Face: median shorter side of the face in the original picture. Sharpness: median variance "
        "of the Laplacian of the grey face at 112 px; blurred faces have low values. Small or "
        "blurred faces hold fewer traces, so that their scores say less."
    )
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    return join([tag("div", table, class_="scroll"), tag("p", note, class_="note")])


def _measured(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _range(track: TrackScore) -> str:
    p_fakes = [score.p_fake for score in track.scores]
    if len(p_fakes) < 2:
        return "–"
    return f"{words.probability(min(p_fakes))} to {words.probability(max(p_fakes))}"


def _noun(report: Report) -> str:
    return {"video": "video", "animation": "animation", "image": "picture"}[report.input.kind]


def _image(picture: Image, alt: str) -> Html:
    return Html(f'<img src="{pictures.data_uri(picture)}" alt="{escape(alt)}">')
