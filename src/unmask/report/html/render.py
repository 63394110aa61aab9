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
from unmask.report.html import charts
from unmask.report.html.markup import Html, badge, fill, join, number, resource, tag
from unmask.report.html.people import people
from unmask.types import ModelInfo, Report, Thresholds, View

_EXAMINED: dict[View, str] = {
    "face": "Only faces{sound} were examined: not {voice}, the background, the editing, the place "
    "or the claim that goes with the picture.",
    "frame": "What was examined is the whole picture{sound}, without looking for faces: the answer "
    "says of no person that their face was manipulated or was not.",
    "none": "Only the sound was examined, and not whose it is: no face, and nothing else that the "
    "picture shows.",
}
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
        failed = tag("span", "unreadable", class_="badge small failed")
        cells = (tag("td", failed), number("–"), tag("td", path, class_="path"))
        rows.append(tag("tr", *cells, tag("td", message)))
    head = tag("tr", *(tag("th", text) for text in ("Answer", "Score", "File", "Why")))
    count = f"{len(rows)} file{'' if len(rows) == 1 else 's'} examined"
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    return tag("nav", tag("h2", count), table, class_="index")


def _index_row(report: Report, link: str) -> Html:
    return tag(
        "tr",
        tag("td", badge(report.verdict)),
        number(words.probability(report.p_fake)),
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
        meaning=words.meaning(report),
        why=words.why(report),
        cost=words.threshold_cost(thresholds, report.input.kind),
        warnings=tag("ul", *warnings, class_="warnings") if warnings else "",
        people=people(report),
        limits=tag("ul", *(tag("li", text) for text in _limits(report)), class_="limits"),
        facts=_facts(report),
    )


def _unit(report: Report) -> str:
    """What the large number is."""
    if report.p_fake is None:
        return "nothing could be scored"
    return "score (p_fake)" if report.model.trained else "score of untrained weights"


def _limits(report: Report) -> list[str]:
    """What nobody may read into this answer."""
    said = {
        "fake": "“Likely manipulated” can be wrong. Strong compression, filters, retouching, "
        "make-up and unusual light can look like manipulation.",
        "real": "“No manipulation found” is no proof of authenticity. Methods that the detector "
        "has never met may leave no traces that it knows.",
        "undecided": "“Cannot be told” is a hint neither at manipulation nor at its absence.",
    }
    p_fake = report.p_fake
    chance = (
        f"A score of {words.probability(p_fake)} is not the chance that this file is fake. That "
        "also depends on how common fakes are where the file comes from."
    )
    return [
        said[report.verdict],
        *([report.model.scope] if report.model.scope else []),
        *([chance] if p_fake is not None else []),
        _examined(report.model),
        "It does not say who made a manipulation, how, or why. It is one measurement by one "
        "detector; a publication should rest on more than one.",
    ]


def _examined(model: ModelInfo) -> str:
    """What the answer does not cover."""
    sound, voice = (" and the sound", "whose voice it is") if model.listens else ("", "the voice")
    return _EXAMINED[model.view].format(sound=sound, voice=voice)


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
        "Time": f"{report.timing_s['total']:.2f} s in all: {times}",
    }
    return join((join([tag("dt", k), tag("dd", v)]) for k, v in terms.items()), "\n")


def _thresholds(thresholds: Thresholds | None) -> str:
    if thresholds is None:
        return "none"
    fake, real = words.level(thresholds.fake), words.level(thresholds.real)
    return f"fake from {fake}, real below {real}, undecided between"
