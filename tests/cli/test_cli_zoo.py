"""Every kind of bad input, as real bytes: a clear answer each, and the other files' still given."""

import json

import pytest
import zoo as animals

from face_clips import EYES_IN_HEAD, FACE_IN_HEAD, HEAD, SIZE, face_centre, write_walk
from media import Sound
from unmask.models.table import TABLE
from unmask.report.schema import ErrorDocument, ReportDocument

WITH_ONE_FACE = (
    animals.SPACED,
    *("one_frame.mp4", "turned.mp4", "odd_width.mkv", "variable.mp4", "hevc_10bit.mp4"),
    *("animated.webp", "animated.avif", "cut_short.mp4", "portrait.jpg"),
)


def centre(score):
    x0, y0, x1, y1 = score.box_xyxy_px
    return (x0 + x1) / 2, (y0 + y1) / 2


def test_bad_files_cost_exit_code_1_and_every_file_gets_one_document(zoo_run, zoo, answers):
    assert zoo_run.code == 1
    media = {path.name for path in zoo.iterdir()} - {"notes.txt", "._face.mp4"}
    assert set(answers) == media | {"missing.mp4"}
    assert len(zoo_run.documents) == len(answers)
    failed = {name for name, answer in answers.items() if isinstance(answer, ErrorDocument)}
    assert failed == set(animals.BAD)


@pytest.mark.parametrize(("name", "why"), animals.BAD.items(), ids=animals.BAD)
def test_what_cannot_be_read_is_told_in_words(name, why, answers, zoo_run, zoo):
    document = answers[name]
    assert why in document.error
    assert document.error.startswith(str(zoo / name))
    assert len(document.error) < 400
    assert name in zoo_run.said
    assert why in zoo_run.said


def test_json_is_all_that_is_on_stdout_and_the_summary_is_on_stderr(zoo_run):
    for line in zoo_run.out.splitlines():
        assert json.loads(line)["schema"] in ("unmask.report/1", "unmask.error/1")
    assert zoo_run.out.isascii()
    assert "19 files" in zoo_run.said
    assert "6 unreadable" in zoo_run.said


def test_the_html_report_names_every_file(zoo_run, zoo, answers):
    page = (zoo.parent / "bericht é.html").read_text(encoding="utf-8")
    assert all(name in page for name in answers)


def test_a_scan_needs_no_torch_and_opens_no_socket(zoo_run, answers):
    assert "NETWORK" not in zoo_run.err
    assert sum(isinstance(answer, ReportDocument) for answer in answers.values()) == 13
    assert all("could not be analysed" not in str(answer) for answer in answers.values())


@pytest.mark.parametrize("name", WITH_ONE_FACE)
def test_one_person_is_found_and_scored(name, answers):
    document = answers[name]
    (track,) = document.tracks
    assert document.p_fake == pytest.approx(track.p_fake, abs=1e-4)
    assert len(track.scores) == document.input.n_frames_sampled
    assert document.model.name == "dtn/small"


@pytest.mark.parametrize(
    "name", [animals.SPACED, "turned.mp4", "odd_width.mkv", "hevc_10bit.mp4", "animated.webp"]
)
def test_boxes_lie_on_the_face_in_upright_pixels(name, answers):
    """The picture is moved into view; where the face is at a time is known."""
    for score in answers[name].tracks[0].scores:
        assert centre(score) == pytest.approx(face_centre(score.t_s), abs=8)


def test_a_turned_clip_is_measured_upright(answers):
    turned, upright = answers["turned.mp4"], answers[animals.SPACED]
    assert (turned.input.width_px, turned.input.height_px) == SIZE
    for a, b in zip(turned.tracks[0].scores, upright.tracks[0].scores, strict=True):
        assert a.box_xyxy_px == pytest.approx(b.box_xyxy_px, abs=2)


def test_two_people_are_two_tracks_each_scored(answers):
    document = answers["two_people.mp4"]
    assert document.input.n_people == len(document.tracks) == 2
    left, right = sorted(document.tracks, key=lambda track: track.scores[0].box_xyxy_px)
    assert len(left.scores) == len(right.scores) == 4
    assert centre(left.scores[0])[0] == pytest.approx(FACE_IN_HEAD[0], abs=8)
    mirrored = HEAD[2] - HEAD[0] - FACE_IN_HEAD[0]
    assert centre(right.scores[0])[0] == pytest.approx(240 + mirrored, abs=8)
    assert document.p_fake == max(left.p_fake, right.p_fake)


def test_a_cut_to_another_person_is_a_new_track(answers):
    first, second = sorted(answers["cut.mp4"].tracks, key=lambda track: track.first_s)
    assert first.last_s < 1.2 <= second.first_s
    assert len(first.scores) == len(second.scores) == 2


def test_no_face_is_undecided_and_an_answer(answers):
    document = answers["no_face.mp4"]
    assert (document.verdict, document.reasons) == ("undecided", ("no_face",))
    assert document.p_fake is None
    assert document.tracks == ()
    assert document.input.n_frames_with_face == 0


def test_one_frame_is_enough_for_a_verdict(answers):
    document = answers["one_frame.mp4"]
    assert document.input.n_frames_sampled == 1
    assert "too_few_faces" not in document.reasons


def test_frames_of_a_variable_rate_keep_the_containers_times(answers):
    document = answers["variable.mp4"]
    assert document.input.variable_frame_rate
    for score in document.tracks[0].scores:
        assert min(abs(score.t_s - t_s) for t_s in animals.VARIED_S) < 1e-3
        k = min(range(10), key=lambda k: abs(score.t_s - animals.VARIED_S[k]))
        assert centre(score) == pytest.approx(face_centre(k / 5), abs=8)


def test_what_a_cut_file_still_holds_is_scored_and_the_rest_told_as_lost(answers):
    document = answers["cut_short.mp4"]
    (warning,) = document.warnings
    assert "after" in warning
    assert "damaged_file" in document.reasons
    assert 0 < document.tracks[0].scores[-1].t_s < 4 * 0.7
    assert document.input.duration_s == pytest.approx(4.0, abs=0.1)


def test_animations_are_videos_of_their_frames(answers):
    for name in ("animated.webp", "animated.avif"):
        document = answers[name]
        assert document.input.kind == "animation"
        assert document.input.duration_s == pytest.approx(1.2)
        assert len(document.tracks[0].scores) == 4


def test_a_picture_is_a_video_of_one_frame(answers):
    document = answers["portrait.jpg"]
    assert (document.input.kind, document.input.duration_s, document.input.fps) == (
        "image",
        0,
        None,
    )
    (left, right), (x, y) = EYES_IN_HEAD, HEAD[:2]
    x0, y0, x1, y1 = document.tracks[0].scores[0].box_xyxy_px
    assert x0 < left[0] + x < right[0] + x < x1
    assert y0 < left[1] + y < y1


UNTRAINED = [
    "av_cae/tiny",  # clips and sound
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in (
            *("dtn/tiny", "vit_distill/tiny", "long_distance/tiny", "resnet3d/tiny"),
            *("timesformer/tiny", "mesonet-4", "vit/mas", "av_cae/audio_only", "av_cae/full_agg"),
        )
    ),
]


@pytest.mark.parametrize("name", UNTRAINED)
def test_a_network_by_name_is_exported_on_the_fly_and_scans(name, cli, tmp_path):
    clip = write_walk(tmp_path / "talking.mp4", 16, sound=Sound())
    done = cli("scan", clip, "--model", name, "--allow-untrained", "--frames", 16, "--json", "-")
    (document,) = done.documents
    assert (done.code, document.verdict) == (0, "undecided")
    assert document.reasons[:2] == ("untrained", "uncalibrated")
    assert document.model.name == name
    assert document.model.runtime.startswith("openvino")
    assert document.tracks[0].scores
    assert "Warning" not in done.err


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if not row.detects])
@pytest.mark.parametrize("options", [(), ("--allow-untrained",)])
def test_an_autoencoder_is_no_detector(name, options, cli, zoo):
    done = cli("scan", zoo, "--model", name, *options)
    assert (done.code, done.out) == (2, "")
    assert f"{name}: an autoencoder" in done.said
    assert "av_cae/video_only" in done.said
