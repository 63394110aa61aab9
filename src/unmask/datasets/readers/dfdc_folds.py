"""Who learns from which parts of DFDC.

`official`: train parts are train, validation is val, test is test. `seferbekov`: parts 0-2 are val
(the winner of the challenge). `ispl`: parts 0-34 are train, 35-39 val, 40-49 test. `heo-0` to
`heo-15`: that one of 16 folds is val; a fold is three parts, the last one five (Heo et al. 2021,
after Seferbekov's code, whose own choice is fold 0).

Under `seferbekov` and `heo` the test set stays test. Kaggle's validation set is on a side under
`official` alone, since the other rules have their own.
"""

from __future__ import annotations

from unmask.datasets.manifest import Split

N_FOLDS, FOLD_PARTS, N_PARTS = 16, 3, 50
SPLITS = ("official", "seferbekov", "ispl", *(f"heo-{fold}" for fold in range(N_FOLDS)))


def side_of_part(part: int | None, rule: str) -> Split | None:
    """Return the side of a train part; part None is Kaggle's sample, which no rule divides."""
    if rule == "official":
        return "train"
    if part is None:
        return None
    if rule == "ispl":
        return "train" if part < 35 else "val" if part < 40 else "test"
    fold = 0 if rule == "seferbekov" else int(rule.removeprefix("heo-"))
    first = fold * FOLD_PARTS
    last = N_PARTS if fold == N_FOLDS - 1 else first + FOLD_PARTS
    return "val" if first <= part < last else "train"


def side_of_held_out(side: Split, rule: str) -> Split | None:
    """Return where a rule puts the validation or the test set."""
    stays = rule == "official" or (side == "test" and rule != "ispl")
    return side if stays else None
