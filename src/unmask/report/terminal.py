"""A report for the terminal, read in five seconds: verdict, number, why, who, when, caveats.

Everything is said in words and shapes, so that it holds without colours, at 80 columns, in a log
file and on a terminal that knows ASCII only.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.text import Text

from unmask.report import words
from unmask.types import Report, Thresholds, TrackScore, VerdictName

BADGES: dict[VerdictName, str] = {
    "fake": "bold white on red",
    "real": "bold black on green",
    "undecided": "bold black on yellow",
}
INK: dict[VerdictName, str] = {"fake": "red", "real": "green", "undecided": "yellow"}
STAGES = {"decode": "decode", "detect": "faces", "model": "model", "total": "total"}
_BAR_CELLS = 28
_SMALL_BAR_CELLS = 20
_VERDICT_WIDTH = len("UNDECIDED")
_PERSON_INDENT = 14  # where a person's badge begins
# Same number of characters on either side, so that styles keep their places.
_ASCII = str.maketrans("█░│·–×", "#.|--x")


def print_report(report: Report, console: Console) -> None:
    """Everything a person needs before deciding whether to open the full report."""
    _print(console, _headline(report))
    _print(console, _score_line(report))
    _print(console, Text(words.why(report)), indent=1)
    if len(report.tracks) > 1:
        for track in words.by_suspicion(report.tracks):
            _print(console, _person_line(track, report), hang=_PERSON_INDENT)
    moment = _moment(report)
    if moment:
        _print(console, Text(f"Most suspicious: {moment}"), indent=1)
    for warning in report.warnings:
        _print(console, Text(f"! {words.readable(warning)}", style="yellow"), indent=1, hang=2)
    console.print()
    for line in _provenance(report):
        _print(console, Text(line, style="dim"), indent=1)


def print_line(report: Report, console: Console) -> None:
    """One line for a file of many; the path comes last and is never cut."""
    note = ", ".join(report.reasons) if report.verdict == "undecided" else _moment(report)
    text = Text.assemble(
        _badge(report.verdict),
        f" {words.probability(report.p_fake):>6}  {note:<28}  ",
        (words.readable(report.input.path), "bold"),
    )
    _print(console, text, wrap=False)


def print_error(path: Path | str, message: str, console: Console) -> None:
    """One input that could not be read, and what to do about it."""
    name, said = words.readable(path), words.readable(message)
    said = said.removeprefix(f"{name}: ")
    badge = (f" {'ERROR':<{_VERDICT_WIDTH}} ", "bold white on magenta")
    _print(console, Text.assemble(badge, " ", (name, "bold")), wrap=False)
    _print(console, Text(said), indent=_VERDICT_WIDTH + 3)


class Tally:
    """How many files got which answer, and why the undecided ones did; the same for any number."""

    def __init__(self) -> None:
        self.verdicts: Counter[VerdictName] = Counter()
        self.doubts: Counter[str] = Counter()

    def add(self, report: Report) -> None:
        """Count a file's answer."""
        self.verdicts[report.verdict] += 1
        if report.verdict == "undecided":
            self.doubts.update(report.reasons)


def print_summary(tally: Tally, n_failed: int, console: Console) -> None:
    """How many files got which answer, why the undecided ones did, and how many were unreadable."""
    total = tally.verdicts.total() + n_failed
    counts = [f"{tally.verdicts[name]} {name}" for name in BADGES] + [f"{n_failed} unreadable"]
    line = f"{total} file{'' if total == 1 else 's'}: {', '.join(counts)}"
    _print(console, Text(line, style="bold"), indent=1)
    if tally.doubts:
        why = ", ".join(f"{code} {count}" for code, count in tally.doubts.most_common())
        _print(console, Text(f"undecided because of: {why}"), indent=1)


def _headline(report: Report) -> Text:
    return Text.assemble(
        _badge(report.verdict),
        " ",
        (words.HEADLINES[report.verdict], "bold"),
        f" · {words.readable(report.input.path.name)}",
    )


def _score_line(report: Report) -> Text:
    thresholds = report.model.thresholds
    line = Text.assemble(
        " p_fake ", (f"{words.probability(report.p_fake):>6}", f"bold {INK[report.verdict]}"), "  "
    )
    line.append(_bar(report.p_fake, thresholds, _BAR_CELLS), style=INK[report.verdict])
    if thresholds is not None:
        real, fake = words.level(thresholds.real), words.level(thresholds.fake)
        line.append(f"  real below {real}, fake from {fake}", style="dim")
    return line


def _person_line(track: TrackScore, report: Report) -> Text:
    seen = f"{words.clock(track.first_s, 0)}–{words.clock(track.last_s, 0)}"
    line = Text.assemble(
        f"   person {track.id:<3} ",
        _badge(track.verdict),
        f" {words.probability(track.p_fake):>6} ",
    )
    bar = _bar(track.p_fake, report.model.thresholds, _SMALL_BAR_CELLS)
    line.append(bar, style=INK[track.verdict])
    line.append(f" seen {seen}")
    if track.verdict == "undecided" and track.reasons != report.reasons:
        line.append(f" {', '.join(track.reasons)}", style="dim")
    return line


def _moment(report: Report) -> str:
    """Where to look first in a video whose scores mean something."""
    score = words.most_suspicious(report.tracks)
    if score is None or report.input.kind == "image" or not report.model.trained:
        return ""
    who = f"person {score.track_id} " if len(report.tracks) > 1 else ""
    return f"{who}at {words.clock(score.t_s)} ({words.probability(score.p_fake)})"


def _provenance(report: Report) -> list[str]:
    """What was read, by what, at which measured cost, in how much time."""
    model = report.model
    mark = f"sha256 {model.sha256[:12]}" if model.sha256 else "no stored weights"
    times = (f"{STAGES[name]} {report.timing_s[name]:.2f} s" for name in STAGES)
    return [
        words.input_facts(report),
        f"{words.readable(model.name)} · {words.readable(model.runtime)} · {mark}",
        words.threshold_cost(model.thresholds, report.input.kind),
        *([words.readable(model.scope)] if model.scope else []),
        " · ".join(times),
    ]


def _badge(verdict: VerdictName) -> tuple[str, str]:
    return f" {verdict.upper():<{_VERDICT_WIDTH}} ", BADGES[verdict]


def _bar(p_fake: float | None, thresholds: Thresholds | None, cells: int) -> str:
    """Filled up to p_fake; the upright strokes are the thresholds."""
    filled = 0 if p_fake is None else round(p_fake * cells)
    bar = ["█"] * filled + ["░"] * (cells - filled)
    for threshold in (thresholds.real, thresholds.fake) if thresholds else ():
        bar[min(int(threshold * cells), cells - 1)] = "│"
    return "".join(bar)


def _print(
    console: Console, text: Text, indent: int = 0, *, hang: int = 0, wrap: bool = True
) -> None:
    """Print without markup or highlighting, in characters that the terminal can show.

    Lines are indented, those after the first by `hang` more; without `wrap` the terminal breaks
    them, so that a copied path stays whole.
    """
    text = _showable(text, console)
    lines = text.wrap(console, max(console.width - indent - hang, 20)) if wrap else [text]
    for number, line in enumerate(lines):
        line.rstrip()
        console.print(
            Text(" " * (indent + hang * (number > 0))) + line, soft_wrap=True, highlight=False
        )


def _showable(text: Text, console: Console) -> Text:
    """The text itself, or its nearest form in the terminal's own encoding."""
    try:
        text.plain.encode(console.encoding)
    except UnicodeEncodeError:
        nearest = text.plain.translate(_ASCII).encode(console.encoding, "replace")
        return Text(nearest.decode(console.encoding), style=text.style, spans=text.spans)
    return text
