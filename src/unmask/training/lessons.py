"""What a run learns from, for its checkpoint to remember (`datasets/learned.py`).

A student knows what its teacher knows, and a run that begins with a checkpoint what that has seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unmask.datasets.learned import Learned, read_learned
from unmask.datasets.sources import Source
from unmask.models.checkpoint import packaged
from unmask.training.recipe import Recipe


def learned_by(recipe: Recipe, *sources: Source) -> Learned:
    """Gather what a run learns from or is chosen on, and what it begins with has learned from."""
    learned = Learned()
    for faces in sources:
        learned |= faces.learned()
    for key, source in _earlier(recipe):
        known = read_learned(packaged(source) or Path(source))
        learned |= known or Learned(unrecorded=(f"{key} = {source}",))
    return learned


def _earlier(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Name weights that a recipe begins with, but for public trunks: those saw no forgeries."""
    init = (recipe.init,) if isinstance(recipe.init, str) else recipe.init or ()
    named = [("init_from", recipe.init_from), ("teacher", recipe.teacher)]
    for key, source in [*named, *(("init", source) for source in init)]:
        if source is not None and not source.startswith(("timm:", "torchvision:")):
            yield key, source
