"""Numbers of a cell as people read them: three digits, with the interval, or a dash."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from unmask.evaluation.cells import Cell
from unmask.evaluation.intervals import Estimate

Column = tuple[str, Callable[[Cell], str]]  # its head, and what it says of a cell

NOTHING = "-"


def spread(number: Estimate) -> str:
    """`0.812 (0.795-0.829)`."""
    if number.low is None or number.high is None:
        return f"{number.value:.3f} (no interval)"
    return f"{number.value:.3f} ({number.low:.3f}-{number.high:.3f})"


def narrow(cell: Cell | None) -> str:
    """`0.812 (.80-.83)` of a cell's AUC, where a row has many."""
    if cell is None or "auc" not in cell.numbers:
        return NOTHING
    number = cell.numbers["auc"]
    if number.low is None or number.high is None:
        return f"{number.value:.3f}"
    return f"{number.value:.3f} {_ends(number.low, number.high)}"


def mean_fall(cells: Sequence[Cell | None]) -> str:
    """Mean fall of AUC over the levels of a corruption, where there are all.

    Each fall is of what was scored both clean and at that level.
    """
    falls = [-c.beside_clean.difference.value for c in cells if c and c.beside_clean]
    return f"{sum(falls) / len(falls) + 0.0:.3f}" if len(falls) == len(cells) else NOTHING


def least_scored(cells: Sequence[Cell | None]) -> str:
    """Lowest coverage of some cells."""
    shares = [cell.coverage for cell in cells if cell is not None]
    return percent(min(shares)) if shares else NOTHING


def percent(share: float) -> str:
    """A share in per cent: 100 % only where nothing is missing, 0 % only where nothing is there."""
    rounded = min(max(100 * share, 0.1), 99.9) if 0 < share < 1 else 100 * share
    return f"{rounded:.1f} %".replace(".0 %", " %")


def difference(cell: Cell) -> str:
    """`+0.052 (+0.020 to +0.083)`: to the first detector."""
    if cell.against is None:
        return "not comparable" if cell.why_not_against else NOTHING
    found = cell.against.auc.difference
    if found.low is None or found.high is None:
        return f"{found.value:+.3f}"
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def p_value(cell: Cell) -> str:
    """How often chance alone would show such a difference among all of the table."""
    if cell.against is None or cell.against.p_holm is None:
        return NOTHING
    p = cell.against.p_holm
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def right_of_all(cell: Cell) -> str:
    """Videos called right at 0.5, of all: one without a score is not right."""
    return f"{cell.tcr.right} / {cell.n_videos}" if cell.tcr else NOTHING


def plain(key: str) -> Callable[[Cell], str]:
    """Three digits of a number."""
    return lambda cell: f"{cell.numbers[key].value:.3f}" if key in cell.numbers else NOTHING


def number(key: str) -> Callable[[Cell], str]:
    """Three digits of a number, its interval below: `0.134`, `(.10-.17)`."""
    return _over_interval(key, "{:.3f}".format, _ends)


def share(key: str) -> Callable[[Cell], str]:
    """A number as a share in per cent, its interval below: `13.4 %`, `(10.1-17)`."""
    return _over_interval(key, percent, _ends_in_percent)


def _over_interval(
    key: str, said: Callable[[float], str], ends: Callable[[float, float], str]
) -> Callable[[Cell], str]:
    def text(cell: Cell) -> str:
        found = cell.numbers.get(key)
        if found is None:
            return NOTHING
        if found.low is None or found.high is None:
            return said(found.value)
        return f"{said(found.value)}\n{ends(found.low, found.high)}"

    return text


def _ends(low: float, high: float) -> str:
    """`(.80-.83)`."""
    return "({}-{})".format(*(f"{end:.2f}".removeprefix("0") for end in (low, high)))


def _ends_in_percent(low: float, high: float) -> str:
    """`(10.1-17)`."""
    return "({}-{})".format(*(percent(end).removesuffix(" %") for end in (low, high)))


SCORED_SHARE: Column = ("\nscored", lambda cell: percent(cell.coverage))
