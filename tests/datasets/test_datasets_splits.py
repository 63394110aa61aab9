"""Laws of dividing rows."""

import numpy as np
import pytest
from drawn_faces import rows_of

from unmask.datasets.splits import limit_rows, split_rows
from unmask.errors import DataError

ORIGINALS = [row[2] for row in rows_of(500, fakes_each=3)]


def recordings(rows):
    return {ORIGINALS[row] for row in rows}


@pytest.mark.parametrize("share", [0.08, 0.3])
def test_no_recording_is_on_both_sides_and_none_is_lost(share):
    train, calib = split_rows(ORIGINALS, share)
    assert not recordings(train) & recordings(calib)
    assert sorted([*train, *calib]) == list(range(len(ORIGINALS)))
    # Binomial: 500 recordings, so the share is met within four standard deviations.
    assert abs(len(recordings(calib)) - 500 * share) < 4 * (500 * share * (1 - share)) ** 0.5


def test_the_side_of_a_recording_does_not_depend_on_the_others():
    _, calib = split_rows(ORIGINALS, 0.2)
    some = ORIGINALS[::-3]
    _, calib_of_some = split_rows(some, 0.2)
    assert {some[row] for row in calib_of_some} == recordings(calib) & set(some)


def test_a_larger_share_only_adds_recordings():
    small, large = (recordings(split_rows(ORIGINALS, share)[1]) for share in (0.1, 0.2))
    assert small < large


def test_nothing_is_set_aside_when_nothing_is_asked_for():
    train, calib = split_rows(ORIGINALS, 0.0)
    assert len(train) == len(ORIGINALS)
    assert len(calib) == 0


def test_too_few_recordings_are_said():
    with pytest.raises(DataError, match="1 recordings are too few"):
        split_rows(["a", "a"], 0.5)


def test_a_limit_keeps_whole_recordings_in_order():
    rows = limit_rows(ORIGINALS, 100)
    assert 100 <= len(rows) < 104
    assert (np.diff(rows) > 0).all()
    assert not recordings(rows) & recordings(set(range(len(ORIGINALS))) - set(rows.tolist()))
    assert len(limit_rows(ORIGINALS, 10**6)) == len(ORIGINALS)
