"""Laws of which faces form a clip."""

import pytest
from marked_faces import noise_face, noise_track

from unmask.clips.windows import clip_windows, is_mostly_repeats, windows
from unmask.types import Frame, InputSpec, Track


def spec(n_frames):
    return InputSpec(size_px=8, n_frames=n_frames)


def track_at(*times):
    return Track(id=7, faces=tuple(noise_face(seed=k, t_s=t) for k, t in enumerate(times)))


def indices(track, clip):
    return [track.faces.index(face) for face in clip.faces]


def test_an_image_system_sees_every_face_once():
    track = noise_track(5)
    clips = clip_windows(track, spec(1))
    assert [indices(track, clip) for clip in clips] == [[0], [1], [2], [3], [4]]
    assert [clip.t_s for clip in clips] == [face.t_s for face in track.faces]
    assert {clip.track_id for clip in clips} == {7}


@pytest.mark.parametrize(
    ("n_faces", "n_frames", "stride", "expected"),
    [
        (8, 4, 1, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (6, 4, 1, [[0, 1, 2, 3], [2, 3, 4, 5]]),  # the last clip ends with the track
        (7, 3, 2, [[0, 2, 4], [2, 4, 6]]),
        (4, 4, 1, [[0, 1, 2, 3]]),
        (2, 4, 1, [[0, 1, 1, 1]]),  # too short: the last face repeats
        (4, 3, 2, [[0, 2, 3]]),
    ],
)
def test_runs_of_faces(n_faces, n_frames, stride, expected):
    track = noise_track(n_faces)
    clips = clip_windows(track, spec(n_frames), face_stride=stride)
    assert [indices(track, clip) for clip in clips] == expected


@pytest.mark.parametrize("n_faces", range(1, 30))
@pytest.mark.parametrize("n_frames", [1, 3, 8])
def test_clips_leave_no_face_out_and_stay_in_order(n_faces, n_frames):
    track = noise_track(n_faces)
    clips = clip_windows(track, spec(n_frames))
    picked = [indices(track, clip) for clip in clips]
    assert {i for clip in picked for i in clip} == set(range(n_faces))
    assert all(clip == sorted(clip) and len(clip) == n_frames for clip in picked)
    assert [clip[0] for clip in picked] == sorted({clip[0] for clip in picked})


def test_time_orders_the_faces_and_the_middle_dates_the_clip():
    track = noise_track(4)
    shuffled = Track(id=7, faces=(track.faces[2], track.faces[0], track.faces[3], track.faces[1]))
    (clip,) = clip_windows(shuffled, spec(4))
    assert indices(track, clip) == [0, 1, 2, 3]
    assert clip.t_s == pytest.approx(0.15)


def test_a_clip_never_spans_a_gap_but_bridges_a_missed_face():
    # A missed face at .3; a pause from .5 to 2; then two full clips and a lone sighting.
    track = track_at(0.0, 0.1, 0.2, 0.4, 0.5, 2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.7, 9.0)
    picked = [indices(track, clip) for clip in clip_windows(track, spec(4))]
    assert picked == [[0, 1, 2, 3], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]


def test_half_a_clip_is_filled_up_and_less_is_left_out_unless_it_is_all_there_is():
    half = track_at(0.0, 0.1, 0.2, 0.3, 5.0, 5.1)
    picked = [indices(half, clip) for clip in clip_windows(half, spec(4))]
    assert picked == [[0, 1, 2, 3], [4, 5, 5, 5]]
    short = track_at(0.0, 0.1, 5.0)
    assert [indices(short, c) for c in clip_windows(short, spec(8))] == [[0] + [1] * 7]


def test_clips_sampled_apart_come_back_as_they_were_sampled():
    # Three clips of four frames at 25 / s, spread over a minute, as a scan samples them.
    track = track_at(*(start + k / 25 for start in (5, 25, 45) for k in range(4)))
    picked = [indices(track, clip) for clip in clip_windows(track, spec(4))]
    assert picked == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_frames_of_a_scene_are_cut_into_clips_as_faces_are():
    track = track_at(0.0, 0.1, 0.2, 0.4, 0.5, 2.0, 2.1, 2.2, 2.3, 2.4)
    frames = [Frame(t_s=face.t_s, rgb=face.crop) for face in track.faces]
    times = [[frame.t_s for frame in clip] for clip in windows(frames[::-1], 4)]
    assert times == [[face.t_s for face in clip.faces] for clip in clip_windows(track, spec(4))]


@pytest.mark.parametrize(("n_faces", "n_frames"), [(1, 1), (1, 2), (1, 3), (3, 8), (4, 8), (9, 8)])
def test_a_clip_is_mostly_repeats_where_less_than_half_was_seen(n_faces, n_frames):
    for clip in clip_windows(noise_track(n_faces), spec(n_frames)):
        assert is_mostly_repeats(clip.faces) == (n_faces < n_frames / 2)


def test_an_empty_track_has_no_clips():
    assert clip_windows(Track(id=0, faces=()), spec(4)) == []
