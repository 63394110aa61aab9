"""The look of figures, and how they are kept."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from unmask.errors import OutputError
from unmask.evaluation.figures import canvas

# Machado, Oliveira and Fernandes (2009), severity 1: what linear RGB becomes without red cones
# (protanopia) and without green ones (deuteranopia).
BLIND = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
SEEN_APART = 10.0  # difference in CIELAB (1976); 2.3 is the least that an eye notices


def drawn() -> canvas.Picture:
    with canvas.style():
        figure = canvas.figure_of()
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1])
        canvas.label_ends(axes, [(1.0, "one", canvas.INK), (0.98, "other", canvas.FAKE)])
        canvas.title(figure, "A line", "a note " * 40, key=["one", "other", "third", "fourth"])
    return canvas.Picture(figure=figure, numbers={"auc": np.float64(0.5), "steps": np.arange(3)})


def lab(colour: str, blind: str | None) -> np.ndarray:
    """A colour in CIELAB, as seen with or without all cones (D65)."""
    rgb = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if blind is not None:
        linear = np.clip(np.array(BLIND[blind]) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.maximum(xyz @ linear / [0.9505, 1, 1.089], 1e-6))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("blind", [None, *BLIND])
def test_colours_stay_apart_without_red_or_green_cones(blind: str | None) -> None:
    colours = [lab(colour, blind) for colour in (*canvas.SERIES, canvas.FAKE, canvas.REAL)]
    nearest = min(float(np.linalg.norm(a - b)) for i, a in enumerate(colours) for b in colours[:i])
    assert nearest > SEEN_APART


def test_a_picture_kept_twice_has_the_same_bytes(tmp_path: Path) -> None:
    for out in ("first", "second"):
        kept = drawn()
        canvas.save(kept.figure, tmp_path / out, "line", numbers=kept.numbers, command="x")
    for name in ("line.png", "line.svg", "line.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_a_picture_is_as_wide_as_a_readme_and_its_svg_is_xml(tmp_path: Path) -> None:
    kept = drawn()
    canvas.save(kept.figure, tmp_path, "line", numbers=kept.numbers, command="unmask figure line")
    with Image.open(tmp_path / "line.png") as picture:
        assert picture.width == 900
    assert ElementTree.parse(tmp_path / "line.svg").getroot().tag.endswith("svg")
    told = json.loads((tmp_path / "line.json").read_text(encoding="utf-8"))
    assert told == {
        "figure": "line",
        "command": "unmask figure line",
        "inputs": [],
        "numbers": {"auc": 0.5, "steps": [0, 1, 2]},
    }


def test_the_users_own_settings_do_not_change_a_picture(tmp_path: Path) -> None:
    kept = drawn()
    canvas.save(kept.figure, tmp_path, "plain", numbers={}, command="")
    with mpl.rc_context({"lines.linewidth": 9, "font.size": 20, "axes.facecolor": "pink"}):
        kept = drawn()
        canvas.save(kept.figure, tmp_path, "mine", numbers={}, command="")
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "mine.png").read_bytes()


def test_a_number_that_is_none_is_not_kept(tmp_path: Path) -> None:
    kept = drawn()
    with pytest.raises(ValueError, match="JSON"):
        canvas.save(kept.figure, tmp_path, "line", numbers={"auc": float("nan")}, command="")
    assert not list(tmp_path.iterdir())


def test_names_move_apart_and_keep_their_order() -> None:
    places = np.array([0.5, 0.1, 0.51, 0.52, 0.9])
    moved = canvas.spread(places, 0.1)
    assert np.diff(np.sort(moved)).min() >= 0.1 - 1e-9
    assert np.argsort(moved).tolist() == np.argsort(places).tolist()
    assert moved[[1, 4]].tolist() == [0.1, 0.9]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    kept = drawn()
    with pytest.raises(OutputError, match="file"):
        canvas.save(kept.figure, tmp_path / "file", "line", numbers={}, command="")
