"""Laws of the JSON report: complete, strict, rounded sensibly, documented."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest
import report_samples as samples

from unmask.errors import DataError
from unmask.report import schema_docs
from unmask.report.schema import error_to_json, from_json, to_document, to_json
from unmask.types import REASONS

DOCS = Path(__file__).parents[2] / "docs"
every_report = pytest.mark.parametrize("make", samples.ALL.values(), ids=samples.ALL)


def valid(text):
    """Whether an independent validator accepts a document under the published JSON Schema."""
    return jsonschema.Draft202012Validator(schema_docs.json_schema()).is_valid(json.loads(text))


def paths(value, prefix=""):
    """Every field path of a JSON value, lists shown as []."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{prefix}{key}"
            yield from paths(inner, f"{prefix}{key}.")
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, prefix.removesuffix(".") + "[].")


@every_report
def test_every_report_is_one_ascii_line_that_reads_back_unchanged(make):
    text = to_json(make())
    assert "\n" not in text
    assert text.isascii()
    assert valid(text)
    assert from_json(text) == to_document(make())


def test_the_words_of_the_design_are_all_there():
    document = json.loads(to_json(samples.fake_video()))
    assert document["schema"] == "unmask.report/1"
    promised = {
        "schema": (),
        "input": ("path", "kind", "duration_s", "n_people"),
        "verdict": (),
        "reasons": (),
        "p_fake": (),
        "model": ("name", "sha256", "thresholds"),
        "timing_s": ("decode", "detect", "model", "total"),
    }
    for name, fields in promised.items():
        assert set(fields) <= set(document[name] if fields else ())
    assert {"id", "p_fake", "first_s", "last_s", "scores"} <= set(document["tracks"][0])
    assert {"t_s", "p_fake", "box_xyxy_px"} == set(document["tracks"][0]["scores"][0])
    assert document["input"]["n_people"] == len(document["tracks"]) == 2


def test_the_frame_rate_is_exact_and_absent_for_a_still():
    document = json.loads(to_json(samples.fake_video()))
    assert Fraction(document["input"]["fps"]) == Fraction(30000, 1001)
    assert json.loads(to_json(samples.real_image()))["input"]["fps"] is None


def test_numbers_carry_only_the_digits_they_mean():
    report = samples.fake_video()
    odd = replace(report.tracks[0].scores[0], t_s=1.23456, p_fake=0.123456)
    track = replace(report.tracks[0], p_fake=0.98765432, first_s=0.00049, scores=(odd,))
    written = json.loads(to_json(replace(report, tracks=(track,))))["tracks"][0]
    assert (written["p_fake"], written["first_s"]) == (0.9877, 0.0)
    assert (written["scores"][0]["t_s"], written["scores"][0]["p_fake"]) == (1.235, 0.1235)


def test_no_face_has_null_and_never_a_number():
    document = json.loads(to_json(samples.no_face()))
    assert document["p_fake"] is None
    assert document["tracks"] == []
    assert document["verdict"] == "undecided"


def changed(**fields):
    return json.dumps(json.loads(to_json(samples.real_image())) | fields)


@pytest.mark.parametrize(
    "text",
    [
        changed(surprise=1),
        changed(schema="unmask.report/2"),
        changed(p_fake="0.5"),
        changed(p_fake=1.5),
        changed(verdict="maybe"),
        changed(reasons=["because"]),
        changed(reasons=[]),
        changed(model=None),
        '{"schema": "unmask.error/1", "input": {"path": "x"}}',
    ],
)
def test_what_the_format_does_not_allow_is_refused_by_us_and_by_the_json_schema(text):
    with pytest.raises(DataError, match=r"not an unmask\.report/1"):
        from_json(text)
    assert not valid(text)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"verdict": "fake"}', changed(p_fake=None)])
def test_broken_text_and_a_verdict_without_a_score_are_refused(text):
    with pytest.raises(DataError, match=r"not an unmask\.report/1"):
        from_json(text)


def test_a_number_that_is_none_never_gets_into_a_report():
    report = replace(samples.real_image(), p_fake=float("nan"))
    with pytest.raises(ValueError, match="p_fake"):
        to_json(report)


def test_an_unreadable_input_still_has_its_line():
    text = error_to_json(Path("a b/ü.mp4"), "no frame decoded. Try: ffmpeg")
    assert valid(text)
    assert json.loads(text) == {
        "schema": "unmask.error/1",
        "input": {"path": "a b/ü.mp4"},
        "error": "no frame decoded. Try: ffmpeg",
    }
    assert from_json(text).error.startswith("no frame")


def test_a_file_name_that_is_no_utf8_gives_json_that_every_reader_accepts():
    name = b"clip\xe9.mp4".decode("utf-8", "surrogateescape")
    report = replace(samples.no_face(), input=samples.info(name), warnings=(f"{name} is odd",))
    text = to_json(report)
    assert json.loads(text)["input"]["path"].encode("utf-8").startswith(b"incoming/clip")
    assert valid(text)
    assert valid(error_to_json(name, name))


def test_every_field_of_a_full_report_is_in_the_documented_table_and_no_other():
    tabled = {
        line.split("`")[1]
        for line in schema_docs.page().split("## Reason codes")[0].splitlines()
        if line.startswith("| `")
    }
    written = {*paths(json.loads(to_json(samples.fake_video())))}
    written |= {*paths(json.loads(error_to_json("x", "y")))}
    assert tabled == written


def test_every_reason_code_is_documented():
    page = schema_docs.page()
    assert all(f"| `{code}` | {text} |" in page for code, text in REASONS.items())


@pytest.mark.parametrize("name", [schema_docs.PAGE, schema_docs.SCHEMA])
def test_the_reference_pages_are_up_to_date(tmp_path, name):
    schema_docs.write(tmp_path)
    fresh, kept = ((folder / name).read_text(encoding="utf-8") for folder in (tmp_path, DOCS))
    assert kept == fresh, "run: python -m unmask.report.schema_docs docs"
