"""Runs what missing numbers of published tables need: train, then score; nothing twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from unmask.evaluation.collected import detector_of
from unmask.evaluation.needs import Need, Place
from unmask.evaluation.published import data_sides
from unmask.training.fit import Say
from unmask.training.folder import CONFIG
from unmask.training.generations import folder_of
from unmask.training.shipped import ShippedRecipes

SCORES = "scores"  # below the folder of results, as `unmask evaluate` has it


def with_toy_data(place: Place, needs: Iterable[Need], say: Say) -> Place:
    """At scale=tiny, let the toy data set stand for what is learned from and was not given."""
    from unmask.training.run import toy_data

    lacking = {n.learned_on for n in needs if place.folder(n.learned_on) is None}
    if place.scale != "tiny" or not lacking:
        return place
    toy = toy_data(None, say)
    names = {data_sides()[side].dataset for side in lacking}
    return replace(place, data={**place.data, **dict.fromkeys(names, toy)})


def reproduce(
    needs: Sequence[Need],
    place: Place,
    recipes: ShippedRecipes,
    *,
    overrides: Sequence[str] = (),
    say: Say,
) -> None:
    """Train every recipe whose data are given and score it on every side that is given.

    A recipe that has been run is not run again, and scores that are there are used; both go on
    where they were interrupted. What has no data stays missing.
    """
    for need in needs:
        data = place.folder(need.on) if need.on else None
        if place.folder(need.learned_on) is None or (need.on and data is None):
            continue
        for name in need.recipes:
            if not recipes.done(detector_of(name, place.scale, recipes), place.scale):
                say(f"training {name}")
                folder = recipes.run(name, place.scale)
                _train(name, folder, place.folder(need.learned_on), overrides=overrides, say=say)
        if need.on:
            assert data is not None, "checked above"
            _score(need, data, place, say)


def _train(
    name: str, folder: Path, data: Path | None, *, overrides: Sequence[str], say: Say
) -> None:
    from unmask.training.run import run_recipe

    begun = (folder / CONFIG).exists() or (folder_of(folder, 0) / CONFIG).exists()
    run_recipe(name, overrides=overrides, data_dir=data, out_dir=folder, resume=begun, say=say)


def _score(need: Need, data: Path, place: Place, say: Say) -> None:
    from unmask.evaluation.predict import predict

    say(f"scoring {need.detector} on {need.on}")
    predict(
        need.checkpoint,
        data,
        place.scores / SCORES / need.detector / f"{need.on}.parquet",
        part=data_sides()[need.on].split,
        name=need.detector,
    )
