"""Laws of the verdict: missing is not zero, and one fake person is enough."""

import numpy as np
import pytest

from unmask.scoring import Limits, confident, judge
from unmask.types import REASONS, ClipScore, Face, FaceQuality, Thresholds, Track

THRESHOLDS = Thresholds(fake=0.9, real=0.6, unit="image", fake_fpr=0.01, real_fpr=0.05)


def person(number=0, n_faces=8, size_px=150.0, sharpness=100.0):
    quality = FaceQuality(size_px=size_px, sharpness=sharpness, yaw=0.0, roll_deg=0.0)
    faces = tuple(
        Face(
            t_s=t / 2,
            box_xyxy_px=(0.0, 0.0, size_px, size_px),
            landmarks_px=np.zeros((5, 2), np.float32),
            confidence=0.99,
            crop=np.zeros((4, 4, 3), np.uint8),
            crop_origin_px=(0, 0),
            quality=quality,
        )
        for t in range(n_faces)
    )
    return Track(id=number, faces=faces)


def scores(p_fakes, number=0):
    return [
        ClipScore(track_id=number, t_s=t / 2, logit=0.0, p_fake=p, box_xyxy_px=(0.0, 0.0, 9.0, 9.0))
        for t, p in enumerate(p_fakes)
    ]


def judged(p_fakes, track=None, n_frames_sampled=8, thresholds=THRESHOLDS, **more):
    return judge(
        [track or person()],
        scores(p_fakes),
        n_frames_sampled=n_frames_sampled,
        thresholds=thresholds,
        **more,
    )


@pytest.mark.parametrize(
    ("p_fake", "verdict", "reason"),
    [
        (0.95, "fake", "above_threshold"),
        (0.9, "fake", "above_threshold"),  # at the threshold counts as fake
        (0.8999, "undecided", "between_thresholds"),
        (0.6, "undecided", "between_thresholds"),  # at the threshold for real is not below it
        (0.5999, "real", "below_threshold"),
        (0.0, "real", "below_threshold"),
    ],
)
def test_the_thresholds_divide_the_line(p_fake, verdict, reason):
    answer = judged([p_fake], person(n_faces=1), n_frames_sampled=1)
    assert (answer.verdict, answer.reasons) == (verdict, (reason,))
    assert answer.p_fake == p_fake


def test_no_face_is_undecided_without_a_number():
    answer = judge([], [], n_frames_sampled=32, thresholds=THRESHOLDS)
    assert (answer.verdict, answer.p_fake, answer.reasons) == ("undecided", None, ("no_face",))
    assert answer.tracks == ()


def test_a_person_without_scores_has_no_number_and_is_no_real_face():
    answer = judged([])
    assert (answer.verdict, answer.p_fake) == ("undecided", None)
    assert answer.tracks[0].p_fake is None
    assert answer.reasons == ("too_few_faces",)


@pytest.mark.parametrize(
    ("n_faces", "n_sampled", "verdict"),
    [(1, 1, "real"), (2, 2, "real"), (4, 32, "real"), (3, 32, "undecided"), (1, 2, "undecided")],
)
def test_enough_faces_means_fewer_where_fewer_frames_exist(n_faces, n_sampled, verdict):
    answer = judged([0.1] * n_faces, person(n_faces=n_faces), n_frames_sampled=n_sampled)
    assert answer.verdict == verdict


@pytest.mark.parametrize(
    ("quality", "reason"),
    [({"size_px": 79.0}, "face_too_small"), ({"sharpness": 7.0}, "face_too_blurred")],
)
@pytest.mark.parametrize("p_fake", [0.01, 0.99])
def test_a_face_beyond_the_limits_is_undecided_whatever_its_score(quality, reason, p_fake):
    answer = judged([p_fake] * 8, person(**quality))
    assert (answer.verdict, answer.reasons) == ("undecided", (reason,))
    assert answer.p_fake == pytest.approx(p_fake)


def test_quality_is_the_median_over_the_faces_of_the_track():
    small, large = person(n_faces=1, size_px=10.0), person(n_faces=2, size_px=200.0)
    mixed = judge(
        [type(small)(id=0, faces=small.faces + large.faces)],
        scores([0.1] * 3),
        n_frames_sampled=3,
        thresholds=THRESHOLDS,
    )
    assert mixed.tracks[0].face_px == 200.0
    assert mixed.verdict == "real"


def test_scores_that_contradict_one_another_are_undecided():
    answer = judged([0.99, 0.99, 0.99, 0.01, 0.01, 0.01, 0.01, 0.01])
    assert (answer.verdict, answer.reasons) == ("undecided", ("disagreement",))


def test_one_odd_frame_is_no_disagreement():
    assert judged([0.99] + [0.01] * 7).reasons == ("below_threshold",)


@pytest.mark.parametrize(
    ("people", "verdict", "reasons"),
    [
        ([0.95, 0.1], "fake", ("above_threshold",)),
        ([0.1, 0.2], "real", ("below_threshold",)),
        ([0.1, 0.7], "undecided", ("between_thresholds",)),
        ([0.95, 0.7], "fake", ("above_threshold",)),
        ([0.1, None], "undecided", ("too_few_faces",)),
        ([0.95, None], "fake", ("above_threshold",)),
        ([None, None], "undecided", ("too_few_faces",)),
        ([0.7, None, 0.1], "undecided", ("between_thresholds", "too_few_faces")),
    ],
)
def test_one_fake_person_decides_and_an_unknown_one_forbids_real(people, verdict, reasons):
    tracks = [person(number) for number in range(len(people))]
    clips = [s for number, p in enumerate(people) if p is not None for s in scores([p] * 8, number)]
    answer = judge(tracks, clips, n_frames_sampled=8, thresholds=THRESHOLDS)
    assert (answer.verdict, answer.reasons) == (verdict, reasons)
    known = [p for p in people if p is not None]
    assert answer.p_fake == (pytest.approx(max(known)) if known else None)
    assert [track.id for track in answer.tracks] == list(range(len(people)))


@pytest.mark.parametrize("p_fake", [0.01, 0.99])
@pytest.mark.parametrize(
    ("detector", "reasons"),
    [
        ({"thresholds": None}, ("uncalibrated",)),
        ({"trained": False}, ("untrained",)),
        ({"thresholds": None, "trained": False}, ("untrained", "uncalibrated")),
    ],
)
def test_a_detector_without_training_or_thresholds_decides_nothing(p_fake, detector, reasons):
    answer = judged([p_fake] * 8, **detector)
    assert (answer.verdict, answer.reasons) == ("undecided", reasons)
    assert answer.p_fake == pytest.approx(p_fake)  # the number is still there to read


def test_a_damaged_file_is_never_called_real_and_a_seen_fake_stays_fake():
    real, fake = judged([0.1] * 8, damaged=True), judged([0.95] * 8, damaged=True)
    assert (real.verdict, real.reasons) == ("undecided", ("damaged_file",))
    assert real.tracks[0].verdict == "real"
    assert (fake.verdict, fake.reasons) == ("fake", ("above_threshold", "damaged_file"))
    nothing = judge([], [], n_frames_sampled=3, thresholds=THRESHOLDS, damaged=True)
    assert nothing.reasons == ("no_face", "damaged_file")


def test_every_reason_given_is_a_public_code():
    answer = judged(
        [0.99, 0.01, 0.99, 0.01],
        person(n_faces=2, size_px=5.0, sharpness=0.0),
        thresholds=None,
        trained=False,
        damaged=True,
    )
    assert len(answer.reasons) == 7
    assert set(answer.reasons) <= set(REASONS)


def test_limits_and_the_rule_of_aggregation_are_the_callers():
    assert judged([0.1] * 8, limits=Limits(min_face_px=151.0)).reasons == ("face_too_small",)
    p_fakes = [0.99] * 13 + [0.6] * 7
    track = person(n_faces=20)
    assert judged(p_fakes, track).verdict == "undecided"
    assert judged(p_fakes, track, aggregate=confident).verdict == "fake"


def test_scores_come_back_in_order_of_time():
    answer = judge(
        [person()], scores([0.1, 0.2, 0.3])[::-1], n_frames_sampled=3, thresholds=THRESHOLDS
    )
    assert [s.t_s for s in answer.tracks[0].scores] == [0.0, 0.5, 1.0]


def test_a_score_of_an_unknown_person_is_a_broken_invariant():
    with pytest.raises(AssertionError, match="not in subjects"):
        judge([person(0)], scores([0.1], 1), n_frames_sampled=1, thresholds=THRESHOLDS)


def test_a_passer_by_seen_once_is_not_the_number_of_the_file():
    people = [person(0, n_faces=8), person(1, n_faces=1)]
    answer = judge(
        people,
        [*scores([0.3] * 8, 0), *scores([0.99], 1)],
        n_frames_sampled=8,
        thresholds=THRESHOLDS,
    )
    assert answer.p_fake == pytest.approx(0.3)
    assert answer.verdict == "undecided"  # the passer-by was not judged, and that is said
    assert "too_few_faces" in answer.reasons
    assert max(track.p_fake for track in answer.tracks) == pytest.approx(0.99)
