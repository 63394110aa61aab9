"""What the publications' numbers say of one another: derived facts that our protocols rest on."""

from __future__ import annotations

import math

import pytest

# Das et al. 2021, Table VI: entries with two decimals, tests on 140 real and 140 fake videos.
TABLE_VI = (64.29, 54.28, 55.35, 74.29, 75.36, 76.78, 59.64, 65.71)
TABLE_I = {83.86: 587, 85.85: 601, 80.0: 560, 82.3: 576}  # of 700 = 140 videos of five kinds


def fits(percent: float, of: int, decimals: int) -> list[int]:
    """Counts out of `of` that print as this percentage, rounded or cut off."""
    unit = 10**-decimals
    low, high = percent - unit / 2, percent + unit
    return [k for k in range(of + 1) if low - 1e-9 <= 100 * k / of < high - 1e-9]


@pytest.mark.parametrize("percent", TABLE_VI)
def test_table_vi_counts_280_videos(percent: float) -> None:
    assert fits(percent, 280, 2)


def test_few_percentages_would_fit_280_by_chance() -> None:
    """Few two-decimal numbers are counts out of 280, so that all eight are says something."""
    by_chance = sum(bool(fits(n / 100, 280, 2)) for n in range(10_000)) / 10_000
    assert by_chance < 0.05


@pytest.mark.parametrize(("percent", "count"), TABLE_I.items())
def test_table_i_counts_700_videos(percent: float, count: int) -> None:
    decimals = 1 if percent in {80.0, 82.3} else 2
    assert count in fits(percent, 700, decimals)


@pytest.mark.parametrize("percent", [81.79, 86.72])
def test_two_entries_of_table_i_fit_no_700_videos(percent: float) -> None:
    assert not fits(percent, 700, 2)


@pytest.mark.parametrize(
    ("f1", "missed", "true_positives", "false_alarms"),
    [
        (0.906, 335, 2165, (111.6, 116.9)),  # the challenge's winner
        (0.919, 187, 2313, (218, 223)),  # Heo et al. 2021, Section 4
    ],
)
def test_heo_gains_in_missed_fakes_and_pays_in_false_alarms(
    f1: float, missed: int, true_positives: int, false_alarms: tuple[float, float]
) -> None:
    """With 2500 fakes, F1 and the missed fakes at the threshold fix the false alarms."""
    found = 2500 - missed
    assert found == true_positives
    # F1 = 2 TP / (2 TP + FP + FN), printed with three digits.
    ends = sorted(2 * found / value - 2 * found - missed for value in (f1 - 5e-4, f1 + 5e-4))
    assert ends[0] <= sum(false_alarms) / 2 <= ends[1]
    assert math.isclose(2 * found / f1 - 2 * found - missed, sum(false_alarms) / 2, abs_tol=1.5)
