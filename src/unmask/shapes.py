"""Shape checks at public doors, so that a wrong array fails with a sentence and not in a kernel.

Axes of the project: B batch, T frames, N tokens, D width, C channels, H W pixels, h heads,
E experts, S audio samples, F mel bins.
"""

from collections.abc import Sequence
from typing import Protocol


class HasShape(Protocol):
    """Anything with a shape: a numpy array or a torch tensor."""

    @property
    def shape(self) -> Sequence[int]:
        """Length of every axis."""
        ...


def check_shape(array: HasShape, axes: str, name: str = "array", **sizes: int) -> None:
    """Refuse an array whose axes are not `axes`.

    `axes` lists one word per axis: a name ("B"), or a number that the axis must equal ("3").
    `sizes` fixes named axes.

    Raises:
        ValueError: with the expected and the given shape.

    >>> import numpy as np
    >>> check_shape(np.zeros((2, 1, 3, 8, 8)), "B T 3 H W", "frames", T=1)
    >>> check_shape(np.zeros((2, 3, 8, 8)), "B T 3 H W", "frames")
    Traceback (most recent call last):
        ...
    ValueError: frames: expected (B, T, 3, H, W), got (2, 3, 8, 8)
    """
    words = axes.split()
    shape = tuple(array.shape)  # not int(): a traced batch axis must stay symbolic
    wanted = [int(word) if word.isdigit() else sizes.get(word) for word in words]
    fits = len(words) == len(shape) and all(
        want is None or want == have for want, have in zip(wanted, shape, strict=True)
    )
    if not fits:
        named = (f"{w}={sizes[w]}" if w in sizes else w for w in words)
        raise ValueError(f"{name}: expected ({', '.join(named)}), got {shape}")
