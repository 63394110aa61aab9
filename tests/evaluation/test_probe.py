"""Laws of examples and of the tamper probe, on drawn people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from looked_at import drawn_example, drawn_face
from toy_folder import small_toy

from unmask.evaluation.examples import Example, arrays_of, cut_masks, examples_of
from unmask.evaluation.map_numbers import share_of_rise
from unmask.evaluation.probe import EDITS, tampered
from unmask.types import InputSpec
from unmask.video.corrupt import Corruption

SPEC = InputSpec(size_px=64, alignment="dlib", margin=0.2)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_what_it_names_and_nothing_else(name: str) -> None:
    face = drawn_face()
    edited, inside = EDITS[name][0](face)
    changed = (edited != face.crop).any(-1)
    assert changed.any()
    assert not changed[inside == 0].any()
    assert 0 < (inside > 0).mean() < 0.25, "a place, not the face"


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_lies_where_the_feature_is(name: str) -> None:
    face = drawn_face()
    _, inside = EDITS[name][0](face)
    rows, columns = np.nonzero(inside > 127)
    middle = np.array([columns.mean(), rows.mean()]) + face.crop_origin_px
    points = face.landmarks_px
    wanted = points[1] if name == "redden_pupil" else points[3:].mean(0)
    eyes = np.linalg.norm(points[1] - points[0])
    assert np.linalg.norm(middle - wanted) < 0.15 * eyes
    assert points[0][0] < points[1][0], "right is right in the picture"


def test_the_pupil_becomes_red() -> None:
    face = drawn_face()
    edited, inside = EDITS["redden_pupil"][0](face)
    red, green, blue = edited[inside == 255].mean(0)
    assert red > 180
    assert max(green, blue) < 70


def test_what_was_tampered_with_is_known_in_the_view() -> None:
    example = tampered(drawn_example(n_frames=2), EDITS["blur_mouth"][0])
    mask = example.mask(SPEC)
    before = drawn_example(n_frames=2).views(SPEC).astype(float)
    changed = np.abs(example.views(SPEC) - before).max(-1)
    assert mask.shape == (2, 64, 64)
    share = share_of_rise(np.zeros(2 * 64 * 64), changed.ravel(), (mask > 0).ravel())
    assert share > 0.97, "the view changes where the mask says"


def test_masks_are_cut_as_the_views_are() -> None:
    """A face painted white where its mask is has views that are its masks."""
    example = drawn_example()
    painted = [
        replace(face, crop=np.repeat(mask[..., None], 3, 2))
        for face, mask in zip(example.faces, example.forged, strict=True)
    ]
    for spec in (SPEC, InputSpec(size_px=50, alignment="eyes"), InputSpec(size_px=200)):
        views = replace(example, sights=painted).views(spec)
        np.testing.assert_allclose(
            cut_masks(example.faces, example.forged, spec), views[..., 0] / 255
        )


def test_corruption_leaves_where_it_is_forged_alone() -> None:
    example = drawn_example()
    worse = example.corrupted(Corruption(kind="blur", level=3))
    assert (worse.views(SPEC) != example.views(SPEC)).any()
    np.testing.assert_array_equal(worse.mask(SPEC), example.mask(SPEC))


def test_batches_are_normalised_views() -> None:
    examples = [drawn_example(0), drawn_example(1)]
    batch = arrays_of(examples, SPEC)
    assert batch.frames.shape == (2, 1, 3, 64, 64)
    back = batch.frames[0, 0].transpose(1, 2, 0) * SPEC.std + SPEC.mean
    np.testing.assert_allclose(back * 255, examples[0].views(SPEC)[0], atol=1e-3)


def test_every_method_shows_the_same_recordings() -> None:
    groups = examples_of(small_toy(), SPEC, part="train", per_method=3)
    assert next(iter(groups)) == "original"
    assert len(groups) > 1
    assert all(example.label == (method != "original") for method, group in groups.items()
               for example in group)  # fmt: skip
    for group in groups.values():
        assert len({example.source for example in group}) == len(group)
    reals = [example.source for example in groups["original"]]
    again = examples_of(small_toy(), InputSpec(size_px=32), part="train", per_method=3)
    assert [example.source for example in again["original"]] == reals


def test_toy_masks_cover_what_differs_from_the_original() -> None:
    groups = examples_of(small_toy(), SPEC, part="train", per_method=9)
    reals: dict[str, Example] = {example.source: example for example in groups.pop("original")}
    shares = []
    for example in (one for group in groups.values() for one in group if one.source in reals):
        changed = np.abs(
            example.views(SPEC)[0].astype(float) - reals[example.source].views(SPEC)[0]
        ).max(-1)
        inside = example.mask(SPEC)[0] > 0.02
        shares.append(float((changed * inside).sum() / changed.sum()))
    assert len(shares) > 3
    assert np.median(shares) > 0.8
    for real in reals.values():
        assert not real.mask(SPEC).any(), "of a real nothing is forged"
