"""Laws of the terminal report: it fits, it survives without colours, it cannot be forged."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import report_samples as samples
from rich.cells import cell_len
from rich.console import Console

from unmask.report.terminal import Tally, print_error, print_line, print_report, print_summary
from unmask.report.words import probability, threshold_cost

every_report = pytest.mark.parametrize("make", samples.ALL.values(), ids=samples.ALL)


def printed(show, *args, width=80, **console):
    out = io.StringIO()
    show(*args, Console(file=out, width=width, **console))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 60, 200])
@every_report
def test_no_line_is_wider_than_the_terminal(make, width):
    for line in printed(print_report, make(), width=width).splitlines():
        assert cell_len(line) <= width, line
        assert line == line.rstrip()


@every_report
def test_verdict_number_reason_and_model_are_in_plain_words(make):
    report = make()
    text = " ".join(printed(print_report, report).split())
    assert text.startswith(report.verdict.upper())
    assert probability(report.p_fake) in text
    assert report.model.name in text
    assert threshold_cost(report.model.thresholds, report.input.kind) in text
    assert all(warning in text for warning in report.warnings)


@every_report
def test_colours_add_nothing_but_colour(make):
    coloured = printed(print_report, make(), force_terminal=True, color_system="standard")
    assert "\x1b[" in coloured
    out = io.StringIO()
    Console(file=out, width=80).print(_without_escapes(coloured), end="", soft_wrap=True)
    assert out.getvalue() == printed(print_report, make())


def _without_escapes(text):
    from rich.text import Text

    return Text("\n").join(Text.from_ansi(line) for line in text.split("\n"))


@every_report
def test_a_terminal_that_knows_ascii_only_is_served(make):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="\n")
    named = replace(make(), input=samples.info("Ünïcode 名.mp4"))
    print_report(named, Console(file=stream, width=80))
    print_line(named, Console(file=stream, width=80))
    stream.flush()
    assert b"?n?code ?.mp4" in raw.getvalue()
    assert b"#" in raw.getvalue() or named.p_fake is None


def test_several_people_get_a_line_each_the_most_suspicious_first():
    lines = printed(print_report, samples.fake_video()).splitlines()
    people = [line.split()[1:3] for line in lines if line.startswith("   person")]
    assert people == [["1", "FAKE"], ["2", "REAL"]]


def test_the_most_suspicious_moment_is_the_highest_score():
    report = samples.fake_video()
    top = max((s for track in report.tracks for s in track.scores), key=lambda s: s.p_fake)
    minutes, seconds = divmod(top.t_s, 60)
    text = printed(print_report, report)
    assert f"Most suspicious: person 1 at {minutes:02.0f}:{seconds:04.1f}" in text


@pytest.mark.parametrize("make", [samples.real_image, samples.no_face, samples.untrained])
def test_no_moment_is_named_where_none_means_anything(make):
    assert "suspicious" not in printed(print_report, make())


def test_rates_are_called_unmeasured_where_they_are():
    video, image = samples.fake_video(), samples.real_image()
    assert "For whole videos and other material" in " ".join(printed(print_report, video).split())
    assert "For other material" in " ".join(printed(print_report, image).split())
    unknown = replace(samples.THRESHOLDS, fake_fpr=None, real_fpr=None, measured_on=None)
    model = replace(image.model, thresholds=unknown)
    assert "unmeasured" in printed(print_report, replace(image, model=model))


NASTY = "x\x1b[2J\x1b]0;owned\x07[red]y[bold]\nFAKE\u202egpj.mp4"


@pytest.mark.parametrize("show", [print_report, print_line])
def test_a_file_name_can_neither_forge_nor_style_the_output(show):
    report = replace(samples.no_face(), input=samples.info(NASTY))
    text = printed(show, report, force_terminal=True, color_system=None, width=200)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "[red]y[bold] FAKE" in text


def test_an_error_names_the_file_once_and_says_what_to_do():
    path = Path("broken [x].mp4")
    text = printed(print_error, path, f"{path}: no frame decoded. Try: ffmpeg -i {path}")
    assert text.splitlines()[0].split(maxsplit=1) == ["ERROR", "broken [x].mp4"]
    assert "no frame decoded. Try: ffmpeg -i broken [x].mp4" in text
    assert f"{path}: " not in text


def test_a_long_path_stays_whole_in_the_line_of_a_folder():
    name = "deep/" * 40 + "clip.mp4"
    line = printed(print_line, replace(samples.no_face(), input=samples.info(name)))
    assert line.count("\n") == 1
    assert line.rstrip().endswith(name)
    assert "no_face" in line


def test_the_summary_accounts_for_every_input():
    reports = [make() for make in samples.ALL.values()]
    text = " ".join(printed(print_summary, tallied(reports), 2).split())
    assert text.startswith("7 files: 1 fake, 1 real, 3 undecided, 2 unreadable")
    assert "no_face 1" in text
    assert "untrained 1" in text
    assert printed(print_summary, tallied([samples.real_image()]), 0).split()[:2] == ["1", "file:"]
    assert "0 files" in printed(print_summary, Tally(), 0)


def tallied(reports):
    tally = Tally()
    for report in reports:
        tally.add(report)
    return tally
