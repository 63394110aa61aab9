"""Checkpoints as figures of what networks see want them: opened, named apart, asked in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmask.config import build, parse_overrides
from unmask.errors import CheckpointError, UsageError
from unmask.evaluation.examples import Example, Part, arrays_of, examples_of
from unmask.evaluation.figures import Asked
from unmask.explain.maps import Method, default_method, explain
from unmask.models.base import Network, example, to_tensors
from unmask.models.checkpoint import Checkpoint, packaged, read_checkpoint
from unmask.models.weights import load_network
from unmask.pipeline.runtime import TorchRuntime, looking
from unmask.scoring.calibrate import apply
from unmask.types import Batch, Calibration, InputSpec

S = TypeVar("S")

AT_ONCE = 8  # clips asked about together


@dataclass(frozen=True, kw_only=True)
class Look:
    """Which clips a figure looks at: settings that all figures of this kind have."""

    part: Part = "test"
    n: int = 24  # recordings of each method, for the numbers
    methods: tuple[str, ...] = ()  # none named: all there are

    def at(self, data: Path | None, net: Opened) -> dict[str, list[Example]]:
        """Clips by method, reals first, the same recordings for every network."""
        assert data is not None, "the table of figures asks for data"
        return examples_of(data, net.spec, part=self.part, per_method=self.n, methods=self.methods)


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A network with its name in the figure."""

    name: str
    checkpoint: Checkpoint
    network: Network
    device: str

    @property
    def spec(self) -> InputSpec:
        """What it takes in."""
        return self.network.input_spec

    @property
    def header(self) -> dict[str, Any]:
        """What a figure says it was made from."""
        meta = self.checkpoint.meta
        recipe = None if meta.recipe is None else meta.recipe.get("name")
        return {
            "detector": self.name,
            "model": meta.model,
            "recipe": recipe,
            "sha256": next(iter(meta.sha256.values()), None),
            "trained": meta.trained,
        }

    def batches(self, examples: Sequence[Example]) -> list[Batch]:
        """Network input of examples, some at a time."""
        return [to_tensors(batch, self.device) for batch in self._arrays(examples)]

    def logits(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        """Scores (n,) before calibration, of as many looks as a scan's."""
        runtime = looking(TorchRuntime(self.network, self.device), self.checkpoint.meta)
        parts = [runtime(batch).logit for batch in self._arrays(examples)]
        return np.concatenate(parts).astype(np.float64)

    def _arrays(self, examples: Sequence[Example]) -> Iterator[Batch]:
        chunks = (examples[i : i + AT_ONCE] for i in range(0, len(examples), AT_ONCE))
        return (arrays_of(chunk, self.spec) for chunk in chunks)

    def p_fake(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated scores, where the checkpoint is calibrated."""
        calibration = self.checkpoint.meta.calibration or Calibration()
        return np.array([apply(calibration, float(logit)) for logit in logits])

    def maps(self, examples: Sequence[Example], method: str = "auto") -> NDArray[np.float64]:
        """Maps (n, T, h, w) of an explanation; `auto` is the most telling one it has."""
        chosen: Method = default_method(self.network) if method == "auto" else method  # type: ignore[assignment]
        mirrored = self.checkpoint.meta.mirrored
        parts = [
            explain(self.network, batch, chosen, mirrored=mirrored)
            for batch in self.batches(examples)
        ]
        return array(torch.cat(parts))

    def tells(self, name: str) -> bool:
        """Whether it has a side output of that name."""
        with torch.inference_mode():
            return name in self.network(example(self.network, device=self.device)).aux

    def aux(self, examples: Sequence[Example], name: str) -> NDArray[np.float64]:
        """A side output by name (n, ...).

        Raises:
            UsageError: the network has none of that name.
        """
        with torch.inference_mode():
            outputs = [self.network(batch).aux for batch in self.batches(examples)]
        if name not in outputs[0]:
            raise UsageError(
                f"{self.name}: gives no {name}; it has {', '.join(outputs[0]) or 'none'}"
            )
        return array(torch.cat([aux[name] for aux in outputs]))


def array(tensor: Tensor) -> NDArray[np.float64]:
    """A tensor as float64 numbers."""
    return tensor.detach().double().cpu().numpy()


def opened(asked: Asked, *, at_most: int | None = None) -> list[Opened]:
    """Open the checkpoints, in the order given.

    Raises:
        CheckpointError: no weights. UsageError: more than the figure has room for.
    """
    if at_most is not None and len(asked.checkpoints) > at_most:
        raise UsageError(
            f"this figure has room for {at_most} networks, not {len(asked.checkpoints)}"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    read = [_read(path) for path in asked.checkpoints]
    names = _names(read)
    return [
        Opened(name=name, checkpoint=one, network=load_network(one).to(device), device=device)
        for name, one in zip(names, read, strict=True)
    ]


def settings_of(asked: Asked, cls: type[S], figure: str) -> S:
    """Read a figure's own settings; several words are parted by commas.

    Raises:
        ConfigError: a value is not of the kind wanted.
    """
    hints = get_type_hints(cls)
    texts = {f.name for f in fields(cls) if hints[f.name] == tuple[str, ...]}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in asked.settings.items():
        if key in texts:
            values[key] = [word for word in value.split(",") if word]
        else:
            values |= parse_overrides([f"{key}={value}"])
    return build(cls, values, where=f"unmask figure {figure} --set")


def flat_maps(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Maps (n, T, h, w), mean over the frames they speak of, as rows (n, h*w)."""
    return np.asarray(np.nanmean(maps, axis=1).reshape(len(maps), -1))


def grouped(
    examples: Mapping[str, Sequence[Example]], values: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Values of all examples, parted again by method."""
    ends = np.cumsum([len(group) for group in examples.values()])[:-1]
    return dict(zip(examples, np.split(values, ends), strict=True))


def _read(path: Path) -> Checkpoint:
    folder = path if path.exists() else packaged(path.as_posix())
    if folder is None:
        raise CheckpointError(
            f"{path}: no checkpoint folder, and no packaged detector of that name"
        )
    return read_checkpoint(folder)


def _names(read: Sequence[Checkpoint]) -> list[str]:
    """Names by recipe, by network where there is none; what is equal is told apart by folder."""
    names = [str((c.meta.recipe or {}).get("name", c.meta.model)) for c in read]
    folders = [_distinct(c.folder) for c in read]
    return [
        name if names.count(name) == 1 else f"{name} ({folder})"
        for name, folder in zip(names, folders, strict=True)
    ]


def _distinct(folder: Path) -> str:
    """The part of a checkpoint's path that says which run it is."""
    return folder.parent.name if folder.name in ("best", "last") else folder.name
