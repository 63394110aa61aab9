"""Laws of the HTML page: self-contained, escaped, readable by everyone, true to the report."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import report_samples as samples

from unmask.errors import OutputError
from unmask.report.html import charts, pictures, render, write_html
from unmask.report.html.charts import ticks
from unmask.report.html.markup import resource

every_report = pytest.mark.parametrize("make", samples.ALL.values(), ids=samples.ALL)
VOID = {"meta", "img", "br"}
_LEAST = ["Least suspicious 2/2", "Least suspicious 1/2"]
EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=y>"


class Page(HTMLParser):
    """The elements and the text of a page, refusing tags that do not nest."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attrs):
        self.elements.append((name, dict(attrs)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, name, class_=None):
        found = (a for n, a in self.elements if n == name)
        return [a for a in found if class_ is None or class_ in a.get("class", "").split()]

    @property
    def text(self):
        return " ".join(" ".join(t for inside, t in self.texts if inside != "style").split())


@every_report
def test_the_page_nests_and_loads_nothing_from_elsewhere(make):
    page = Page(render(make()))
    assert page.all("script") == []
    assert page.all("link") == []
    for _, attributes in page.elements:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("data:image/", "#"))
        assert not any(name.startswith("on") for name in attributes)
    policy = [a["content"] for a in page.all("meta") if "http-equiv" in a]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert "url(" not in resource("style.css")
    assert "@import" not in resource("style.css")


@every_report
def test_the_page_says_what_the_report_says(make):
    report = make()
    text = Page(render(report)).text
    assert report.verdict in text
    assert report.model.name in text
    assert "What this does not mean" in text
    assert all(warning in text for warning in report.warnings)
    assert all(f"Person {track.id}" in text for track in report.tracks)
    assert report.model.licence in text


def test_every_string_from_outside_is_shown_and_never_run():
    report = samples.fake_video()
    thresholds = replace(samples.THRESHOLDS, measured_on=EVIL)
    model = replace(
        report.model, name=EVIL, runtime=EVIL, licence=EVIL, sha256=EVIL, thresholds=thresholds
    )
    hostile = replace(
        report,
        input=samples.info(EVIL.replace("/", "_"), codec=EVIL),
        model=model,
        warnings=(EVIL,),
    )
    page = Page(render(hostile))
    assert page.all("script") == []
    assert len(page.all("img")) == len(Page(render(report)).all("img"))
    assert page.text.count(EVIL) == 7  # name, runtime, licence, hash, data, warning, codec
    assert EVIL.replace("/", "_") in page.text


def test_failures_of_other_files_are_escaped_too(tmp_path):
    write_html([samples.no_face()], tmp_path / "r.html", [(EVIL, EVIL)])
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert page.all("script") == []
    assert page.text.count(EVIL) == 2


def test_a_file_name_that_is_no_utf8_is_written(tmp_path):
    name = b"clip\xe9 \xff.mp4".decode("utf-8", "surrogateescape")
    write_html([replace(samples.no_face(), input=samples.info(name))], tmp_path / "r.html")
    assert "clip� �.mp4" in (tmp_path / "r.html").read_text(encoding="utf-8")


@every_report
def test_pictures_and_charts_have_words_for_those_who_cannot_see_them(make):
    page = Page(render(make()))
    assert all(len(image["alt"]) > 10 for image in page.all("img"))
    assert all(chart["role"] == "img" for chart in page.all("svg"))
    assert len([t for inside, t in page.texts if inside == "title"]) >= len(page.all("svg"))


def luminance(colour):
    linear = [
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
        for c in (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    ]
    return np.dot(linear, (0.2126, 0.7152, 0.0722))


def contrast(one, other):
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_text_has_the_contrast_that_wcag_asks_for(scheme):
    block = re.findall(r":root \{(.*?)\}", resource("style.css"), re.DOTALL)[scheme]
    ink = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for colour in ("ink", "soft", "fake", "real", "undecided"):
        assert contrast(ink[colour], ink["paper"]) >= 4.5, colour
    for badge in ("fake", "real", "undecided", "soft"):
        assert contrast(ink["on-badge"], ink[badge]) >= 4.5, badge
    for zone in ("fake", "real", "undecided"):
        assert contrast(ink[zone], ink[f"{zone}-wash"]) >= 3, zone  # marks on their shade
    assert contrast(ink["ink"], ink["undecided-wash"]) >= 4.5  # warnings


def test_the_timeline_has_one_mark_for_each_score_shaped_by_its_zone():
    report = samples.fake_video()
    page = Page(render(report))
    scores = [score.p_fake for track in report.tracks for score in track.scores]
    drawn = {zone: len(page.all("circle", zone)) for zone in ("undecided", "real")}
    drawn["fake"] = len(page.all("path", "fake"))
    assert drawn == {
        "fake": sum(p >= 0.912 for p in scores),
        "undecided": sum(0.640 <= p < 0.912 for p in scores),
        "real": sum(p < 0.640 for p in scores),
    }


def test_marks_lie_at_their_times_and_heights_and_lines_stop_at_gaps():
    report = samples.fake_video()
    second = report.tracks[1]
    page = Page(render(replace(report, tracks=(second,), evidence=())))
    marks = [(float(c["cx"]), float(c["cy"])) for c in page.all("circle", "point")]
    x, y = np.array(marks).T
    t = [score.t_s for score in second.scores]
    p = [score.p_fake for score in second.scores]
    assert np.corrcoef(x, t)[0, 1] > 0.99999
    assert np.corrcoef(y, p)[0, 1] < -0.9999
    assert len(page.all("polyline")) == 2  # the person leaves once and comes back


@pytest.mark.parametrize("length_s", [0.1, 0.4, 1, 7.3, 24.7, 60, 599, 3600, 86400, 1e6])
def test_ticks_are_few_evenly_spaced_and_inside(length_s):
    marks = ticks(length_s)
    assert marks[0] == 0
    assert marks[-1] <= length_s + 1e-6
    assert len(marks) <= 10
    assert len({round(b - a, 6) for a, b in pairwise(marks)}) <= 1


def test_a_score_that_does_not_exist_is_not_drawn():
    page = Page(render(samples.no_face()))
    assert page.all("path", "marker") == []
    assert "nothing could be scored" in page.text
    assert "0.5" not in page.text


def test_a_person_who_was_not_scored_is_listed_without_a_chart():
    nobody = samples.track(7, [], [], "undecided", ("too_few_faces",))
    page = Page(render(replace(samples.no_face(), tracks=(nobody,), reasons=nobody.reasons)))
    assert "Person 7" in page.text
    assert page.all("circle") == []


def test_the_score_of_untrained_weights_is_not_passed_off_as_a_score():
    text = Page(render(samples.untrained())).text
    assert "score of untrained weights" in text
    assert "suspicious" not in text


def pictures_of(report):
    uris = [image["src"] for image in Page(render(report)).all("img")]
    raw = [base64.b64decode(uri.removeprefix("data:image/jpeg;base64,")) for uri in uris]
    decoded = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR) for one in raw]
    return [cv2.cvtColor(one, cv2.COLOR_BGR2RGB) for one in decoded]


def test_the_pictures_in_the_page_are_the_faces_of_the_report():
    report = samples.real_image()
    _, plain, mapped = pictures_of(report)  # the first is the colour scale
    view = report.evidence[0].view
    assert np.abs(plain.astype(int) - view).mean() < 6  # JPEG noise
    assert mapped.shape == view.shape


def test_without_a_map_only_the_plain_faces_are_shown():
    assert len(pictures_of(samples.untrained())) == len(samples.untrained().evidence)


@pytest.mark.parametrize(
    ("count", "labels"),
    [
        (1, ["The face as the detector saw it"]),
        (2, ["Most suspicious", "Least suspicious"]),
        (5, [*(f"Most suspicious {n}/3" for n in (1, 2, 3)), *_LEAST]),
    ],
)
def test_pictures_go_from_the_most_to_the_least_suspicious_and_say_so(count, labels):
    report = samples.fake_video()
    one, other = report.evidence[0], report.tracks[0].scores
    shown = tuple(replace(one, t_s=s.t_s, p_fake=s.p_fake) for s in other[:count])
    page = Page(render(replace(report, tracks=report.tracks[:1], evidence=shown[::-1])))
    text = " ".join(t.strip() for inside, t in page.texts if inside in ("b", "span"))
    places = [text.index(label) for label in labels]
    assert places == sorted(places)
    scores = [float(p) for p in re.findall(r"· score [<>]?(0\.\d+)", page.text)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == count


def test_the_map_is_orange_where_it_pushes_to_fake_and_blue_where_to_real():
    view = np.full((90, 90, 3), 128, np.uint8)
    activation = np.zeros((9, 9), np.float32)
    activation[1, 7], activation[7, 1] = 1.0, -1.0
    seen = pictures.overlay(view, activation, 1.0).astype(int)
    assert seen[15, 75, 0] - seen[15, 75, 2] > 100
    assert seen[75, 15, 2] - seen[75, 15, 0] > 100
    assert (seen[45, 45] == 128).all()
    assert pictures.hottest_place(activation) == "upper right"


def test_a_map_of_zeros_leaves_the_grey_face():
    view = samples.drawn_face(0, 64)
    seen = pictures.overlay(view, np.zeros((7, 7), np.float32), 0.0)
    grey = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)
    assert (seen == grey[..., None]).all()


def test_one_scale_serves_all_pictures_of_a_report():
    weak, strong = np.full((7, 7), 0.5, np.float32), np.full((7, 7), 2.0, np.float32)
    shown = samples.fake_video().evidence[:2]
    both = [replace(one, activation=a) for one, a in zip(shown, (weak, strong), strict=True)]
    assert pictures.shared_range(both) == 2.0
    assert pictures.shared_range([replace(both[0], activation=None)]) == 0.0
    view = np.full((8, 8, 3), 100, np.uint8)
    tints = [pictures.overlay(view, a, 2.0)[0, 0, 0] - 100 for a in (weak, strong)]
    assert tints[1] == pytest.approx(4 * tints[0], abs=2)


def test_several_files_make_one_page_with_an_index_that_leads_to_each(tmp_path):
    reports = [make() for make in samples.ALL.values()]
    path = tmp_path / "a folder" / "ü.html"
    path.parent.mkdir()
    write_html(reports, path, [(Path("broken.mp4"), "no frame decoded")])
    page = Page(path.read_text(encoding="utf-8"))
    links = [a["href"] for a in page.all("a")]
    anchors = [a["id"] for a in page.all("section", "file")]
    assert links == [f"#{anchor}" for anchor in anchors]
    assert len(set(anchors)) == len(reports)
    assert "6 files examined" in page.text
    assert "broken.mp4 no frame decoded" in page.text


def test_one_file_needs_no_index(tmp_path):
    write_html([samples.no_face()], tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == render(samples.no_face())
    assert Page(render(samples.no_face())).all("nav") == []


@pytest.mark.parametrize("place", ["missing/r.html", "."])
def test_a_place_that_cannot_be_written_is_an_error_in_words(tmp_path, place):
    with pytest.raises(OutputError, match="cannot be written"):
        write_html([samples.no_face()], tmp_path / place)


@pytest.mark.parametrize("length_s", [0.4, 1.0, 2.9, 4.0, 7.0, 61.0, 4000.0])
def test_no_two_ticks_of_a_chart_read_alike(length_s):
    labels = [charts._tick_label(t_s, length_s) for t_s in charts.ticks(length_s)]
    assert len(set(labels)) == len(labels)
