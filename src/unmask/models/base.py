"""What every network, objective and teacher has in common. Torch lives here and above.

A `Network` scores batches; an `Objective` turns a batch into losses and owns the model, its
teachers and everything else a paper's training needs, so that the engine never learns what
distillation is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from unmask.shapes import check_shape
from unmask.types import Batch, InputSpec, Losses, Output

M = TypeVar("M", bound=nn.Module)

# torch.export and DDP walk into registered dataclasses only.
for _cls in (Batch, Output, Losses):
    torch.export.register_dataclass(_cls, serialized_type_name=f"unmask.types.{_cls.__name__}")


def to_tensors(batch: Batch, device: torch.device | str = "cpu") -> Batch:
    """Move a batch of numpy arrays (or tensors) to torch tensors on `device`; None stays None."""

    def tensor(value: Any) -> Tensor | None:
        return None if value is None else torch.as_tensor(value).to(device, non_blocking=True)

    return Batch(**{field.name: tensor(getattr(batch, field.name)) for field in fields(Batch)})


class Network(nn.Module):
    """A detector: `forward(Batch) -> Output`, positive logit = fake.

    Subclasses set `config` (frozen dataclass) and `input_spec` in their constructor.
    """

    config: Any
    input_spec: InputSpec
    # Where an exact class activation map is at hand, forward puts it in aux["cam"]: (B, h, w).
    has_activation_map: ClassVar[bool] = False

    def frames(self, batch: Batch) -> Tensor:
        """Frames (B, T, 3, H, W) of a batch; others than input_spec asks for are refused."""
        H, W = self.input_spec.shape_px
        check_shape(batch.frames, "B T 3 H W", "frames", T=self.input_spec.n_frames, H=H, W=W)
        return batch.frames

    @property
    def frozen_part(self) -> nn.Module | None:
        """What stands before everything that learns, a function of one picture; None = nothing.

        A network that has one takes what `frozen_codes` makes of frames as `Batch.codes`.
        """
        return None

    def frozen_codes(self, images: Tensor) -> Tensor:
        """Codes (N, D) that the frozen part makes of pictures (N, 3, H, W)."""
        raise NotImplementedError

    def forward(self, batch: Batch) -> Output:
        """Score clips: frames (B, T, 3, H, W), normalised per input_spec -> logit (B,)."""
        raise NotImplementedError


def spec_of(config: Any, **fixed: Any) -> InputSpec:
    """InputSpec of a config: its fields of the same names, and what no config changes."""
    names = (field.name for field in fields(InputSpec) if hasattr(config, field.name))
    return InputSpec(**{name: getattr(config, name) for name in names} | fixed)


def example(network: Network, batch: int = 1, device: str = "meta") -> Batch:
    """Input of the right shape for a network: zeros (B, T, 3, H, W), and sound where it hears."""
    spec = network.input_spec
    frames = torch.zeros(batch, spec.n_frames, 3, *spec.shape_px, device=device)
    audio = None if spec.audio is None else torch.zeros(batch, *spec.audio.shape, device=device)
    return Batch(frames=frames, audio=audio)


class Objective(nn.Module):
    """Model, teachers and losses of one training regime: `forward(Batch) -> Losses`.

    The engine calls `param_groups()` once, `forward` every step and `after_step(step)` after the
    optimizer; it validates with `model`. Teachers are frozen, in eval mode, outside param_groups.
    """

    model: Network

    def forward(self, batch: Batch) -> Losses:
        """Losses of a batch with labels."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> Objective:
        """Switch the model only: teachers stay in eval mode."""
        self.training = mode
        self.model.train(mode)
        return self

    def param_groups(self) -> list[dict[str, Any]]:
        """Parameter groups for the optimizer; default: all of the model's that learn."""
        return [{"params": list(trainable(self.model))}]

    def after_step(self, step: int) -> None:
        """React to a finished optimizer step (moving averages, schedules); default: nothing."""


def trainable(module: nn.Module) -> Iterator[nn.Parameter]:
    """Parameters of `module` that receive gradients."""
    return (p for p in module.parameters() if p.requires_grad)


def freeze(module: M) -> M:
    """Make a teacher of a module: eval mode, no gradients (`Objective.train` leaves it so)."""
    return module.eval().requires_grad_(False)
