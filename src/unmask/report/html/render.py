"""One self-contained page that a newsroom can pass on: verdict, why, who, when, where, how sure.

No script, no font, no picture from elsewhere: a content policy in the page forbids it to load
anything. Light, dark and A4 print come from one style sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from unmask.errors import OutputError
from unmask.report import words
from unmask.report.html import charts, pictures
from unmask.report.html.markup import Html, escape, fill, join, resource, tag
from unmask.types import ClipScore, Evidence, Image, Report, Thresholds, TrackScore

_MARKS = ": a diamond for fake, a ring for undecided, a dot for real"
Failure = tuple[Path | str, str]  # an input that could not be read, and why


def render(report: Report) -> str:
    """The page of one file."""
    return _page([report], [])


def write_html(reports: Sequence[Report], path: Path, failures: Sequence[Failure] = ()) -> None:
    """Write one page for all files: an index where there are several, then a section for each.

    Raises:
        OutputError: when `path` cannot be written.
    """
    try:
        path.write_text(_page(reports, failures), encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(
            f"{path}: the report cannot be written ({error.strerror}). "
            "Choose another place with --html FILE"
        ) from error


def _page(reports: Sequence[Report], failures: Sequence[Failure]) -> Html:
    several = bool(failures) or len(reports) != 1
    sections = (_file(report, f"file-{n}") for n, report in enumerate(reports, 1))
    title = f"{len(reports) + len(failures)} files" if several else reports[0].input.path.name
    return fill(
        "page.html",
        title=f"unmask: {title}",
        style=resource("style.css"),
        index=_index(reports, failures) if several else "",
        sections=join(sections, "\n"),
        version=version("unmask"),
    )


def _index(reports: Sequence[Report], failures: Sequence[Failure]) -> Html:
    """All files at a glance, unreadable ones included."""
    rows = [_index_row(report, f"#file-{n}") for n, report in enumerate(reports, 1)]
    for path, message in failures:
        badge = tag("span", "unreadable", class_="badge small failed")
        cells = (tag("td", badge), _number("–"), tag("td", path, class_="path"))
        rows.append(tag("tr", *cells, tag("td", message)))
    head = tag("tr", *(tag("th", text) for text in ("Answer", "Score", "File", "Why")))
    count = f"{len(rows)} file{'' if len(rows) == 1 else 's'} examined"
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    return tag("nav", tag("h2", count), table, class_="index")


def _index_row(report: Report, link: str) -> Html:
    return tag(
        "tr",
        tag("td", _badge(report.verdict)),
        _number(words.probability(report.p_fake)),
        tag("td", tag("a", report.input.path, href=link), class_="path"),
        tag("td", words.why(report)),
    )


def _file(report: Report, anchor: str) -> Html:
    thresholds = report.model.thresholds
    warnings = [tag("li", text) for text in report.warnings]
    return fill(
        "file.html",
        anchor=anchor,
        path=report.input.path,
        verdict=report.verdict,
        badge=report.verdict,
        headline=words.HEADLINES[report.verdict],
        p_fake=words.probability(report.p_fake),
        unit=_unit(report),
        gauge=charts.gauge(report.p_fake, thresholds),
        meaning=words.MEANINGS[report.verdict],
        why=words.why(report),
        cost=words.threshold_cost(thresholds, report.input.kind),
        warnings=tag("ul", *warnings, class_="warnings") if warnings else "",
        people=_people(report),
        limits=tag("ul", *(tag("li", text) for text in _limits(report)), class_="limits"),
        facts=_facts(report),
    )


def _unit(report: Report) -> str:
    """What the large number is."""
    if report.p_fake is None:
        return "nothing could be scored"
    return "score (p_fake)" if report.model.trained else "score of untrained weights"


def _people(report: Report) -> Html:
    """Every person, the most suspicious first, then how good the evidence is."""
    if not report.tracks:
        return Html("")
    largest = pictures.shared_range(report.evidence)
    ranked = words.by_suspicion(report.tracks)
    count = "The person" if len(ranked) == 1 else f"The {len(ranked)} people"
    return join(
        [
            tag("h2", f"{count} in the {_noun(report)}"),
            _reading_aid(report, largest > 0),
            *(_person(track, report, largest) for track in ranked),
            tag("h2", "How good the evidence is"),
            _quality(ranked),
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
        number=track.id,
        verdict=track.verdict,
        p_fake=words.probability(track.p_fake),
        summary=_summary(track, report),
        timeline=charts.timeline(track, report.input, report.model.thresholds) if moving else "",
        layout="pictures" if any(one.activation is not None for one in shown) else "pictures plain",
        pictures=join(figures, "\n"),
        scores=_scores(track) if moving else "",
    )


def _summary(track: TrackScore, report: Report) -> str:
    """Why this person got this verdict, and when to look."""
    own = [code for code in track.reasons if code not in words.OF_FILE]
    said = [words.sentence(code) for code in own]
    if report.input.kind != "image":
        said.append(f"Seen from {words.clock(track.first_s)} to {words.clock(track.last_s)}.")
        worst = words.most_suspicious([track])
        if worst is not None and report.model.trained:
            height = words.probability(worst.p_fake)
            said.append(f"Most suspicious at {words.clock(worst.t_s)} ({height}).")
    return " ".join(said)


def _captions(count: int, report: Report) -> list[str]:
    """What distinguishes the pictures of a person, highest score first."""
    if report.input.kind == "image" or count < 2:
        return ["The face as the detector saw it"] * count
    most, least = ("Most suspicious moment", "Least suspicious moment")
    if not report.model.trained:
        most, least = ("Highest score", "Lowest score")
    return [most, *["Between"] * (count - 2), least]


def _picture(one: Evidence, label: str, report: Report, largest: float) -> Html:
    """A face alone, and beside it under its map where the network gives one."""
    when = "Image" if report.input.kind == "image" else words.clock(one.t_s)
    whose = f"person {one.track_id}, {when}"
    pair = [_image(one.view, f"Face of {whose}, as the detector saw it")]
    if one.activation is not None:
        alt = (
            f"Map over the face of {whose}: the strongest push towards fake is at the "
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
    for track in report.tracks:
        for score in track.scores:
            if (score.track_id, score.t_s) == (one.track_id, one.t_s):
                return charts.place_in_frame(score.box_xyxy_px, report.input)
    return Html("")


def _reading_aid(report: Report, mapped: bool) -> Html:
    """How to read the charts and the pictures that follow."""
    marks = "" if report.model.thresholds is None else _MARKS
    chart = (
        f"Charts show the score over time, one mark for each look at the face{marks}. "
        "The dashed line is the person's own score."
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
    rows = (
        tag("tr", _number(words.clock(s.t_s)), _number(words.probability(s.p_fake)), _box(s))
        for s in track.scores
    )
    head = tag(
        "tr",
        tag("th", "Time", class_="number"),
        tag("th", "Score", class_="number"),
        tag("th", "Face box, px: left, top, right, bottom", class_="number"),
    )
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    return tag("details", tag("summary", f"All {len(track.scores)} scores as a table"), table)


def _box(score: ClipScore) -> Html:
    return _number(", ".join(f"{edge:.0f}" for edge in score.box_xyxy_px))


def _quality(ranked: Sequence[TrackScore]) -> Html:
    names = ("Person", "Answer", "Score", "Range", "Scores", "Face, px", "Sharpness")
    head = tag("tr", *(tag("th", n, class_="number" if i > 1 else "") for i, n in enumerate(names)))
    rows = (
        tag(
            "tr",
            tag("td", track.id),
            tag("td", _badge(track.verdict)),
            _number(words.probability(track.p_fake)),
            _number(_range(track)),
            _number(len(track.scores)),
            _number(f"{track.face_px:.0f}"),
            _number(f"{track.sharpness:.0f}"),
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


def _range(track: TrackScore) -> str:
    p_fakes = [score.p_fake for score in track.scores]
    if len(p_fakes) < 2:
        return "–"
    return f"{words.probability(min(p_fakes))} to {words.probability(max(p_fakes))}"


def _limits(report: Report) -> list[str]:
    """What nobody may read into this answer."""
    said = {
        "fake": "“Likely manipulated” can be wrong. Strong compression, filters, retouching, "
        "make-up and unusual light can look like manipulation.",
        "real": "“No manipulation found” is no proof of authenticity. Methods that the detector "
        "has never met may leave no traces that it knows.",
        "undecided": "“Cannot be told” is a hint neither at a fake nor at a real face.",
    }
    number = report.p_fake
    chance = (
        f"A score of {words.probability(number)} is not the chance that this file is fake. That "
        "also depends on how common fakes are where the file comes from."
    )
    return [
        said[report.verdict],
        *([chance] if number is not None else []),
        "Only faces were examined: not the voice, the background, the editing, the place or the "
        "claim that goes with the picture.",
        "It does not say who made a manipulation, how, or why. It is one measurement by one "
        "detector; a publication should rest on more than one.",
    ]


def _facts(report: Report) -> Html:
    """File, detector, thresholds, licence and time, as a list of terms."""
    model = report.model
    stages = {"decode": "decoding", "detect": "finding faces", "model": "detector"}
    times = ", ".join(f"{name} {report.timing_s[key]:.2f} s" for key, name in stages.items())
    terms = {
        "Input": words.input_facts(report),
        "Detector": f"{model.name}, run by {model.runtime}"
        + ("" if model.trained else " (untrained)"),
        "Weights": tag("code", f"sha256 {model.sha256}") if model.sha256 else "none",
        "Thresholds": _thresholds(model.thresholds),
        "Licence": model.licence or "of the weights: not stated",
        "Time": f"{report.timing_s['total']:.2f} s in all: {times}; stages overlap",
    }
    return join((join([tag("dt", k), tag("dd", v)]) for k, v in terms.items()), "\n")


def _thresholds(thresholds: Thresholds | None) -> str:
    if thresholds is None:
        return "none"
    fake, real = words.level(thresholds.fake), words.level(thresholds.real)
    return f"fake from {fake}, real below {real}, undecided between"


def _noun(report: Report) -> str:
    return {"video": "video", "animation": "animation", "image": "picture"}[report.input.kind]


def _badge(verdict: str) -> Html:
    return tag("span", verdict, class_=f"badge small {verdict}")


def _number(value: object) -> Html:
    return tag("td", value, class_="number")


def _image(picture: Image, alt: str) -> Html:
    return Html(f'<img src="{pictures.data_uri(picture)}" alt="{escape(alt)}">')
