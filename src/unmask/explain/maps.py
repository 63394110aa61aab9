"""One door to all explanations: `explain(network, batch, method)`.

| method | value | sign |
|---|---|---|
| cam | logits; the mean over a frame's places is the logit exactly | + towards fake |
| grad_cam | gradient-weighted features, before the paper's ReLU; unit of the logit | + fake |
| attention | last layer's attention of the answering token, 1 = an even share | none, >= 0 |
| rollout | attention of all layers, 1 = an even share | none, >= 0 |
| non_local | what places get from a non-local block, 1 = an even share | none, >= 0 |
| guide | maps a long-distance network is guided by, 1 = left as it is | none |
| occlusion | logit lost when the place is blurred | + towards fake |

None of them proves anything about a place: each says what the score of this network followed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

from torch import Tensor

from unmask.errors import UsageError
from unmask.explain.attention import class_attention, guide, rollout
from unmask.explain.gradients import activation_map, grad_cam
from unmask.explain.nonlocal_maps import has_non_local, non_local
from unmask.explain.occlusion import occlusion
from unmask.explain.places import place_of, tokens_of
from unmask.models.base import Network
from unmask.types import Batch

Method = Literal["cam", "grad_cam", "attention", "rollout", "non_local", "guide", "occlusion"]
METHODS: tuple[Method, ...] = get_args(Method)

SIGNED = frozenset({"cam", "grad_cam", "occlusion"})  # the others say where, not which way

SAYS: dict[Method, str] = {
    "cam": "the exact share of every place in the score",
    "grad_cam": "Grad-CAM: the last map's features, weighted by the gradient of the score",
    "attention": "what the last layer attends to when it answers; no sign",
    "rollout": "attention through all layers, rolled out; no sign",
    "non_local": "what places are given by a non-local block; no sign",
    "guide": "the attention that guides the backbone; no sign",
    "occlusion": "what the score loses when a place is blurred",
}

_MAKERS: dict[Method, Callable[[Network, Batch], Tensor]] = {
    "cam": activation_map,
    "grad_cam": grad_cam,
    "attention": class_attention,
    "rollout": rollout,
    "non_local": non_local,
    "guide": guide,
    "occlusion": occlusion,
}


def explain(network: Network, batch: Batch, method: Method, *, mirrored: bool = False) -> Tensor:
    """Explain the scores of a batch of tensors: maps (B, T, h, w), float32, as the table says.

    A frame of which a method says nothing is NaN. The network is asked in eval mode. `mirrored`
    explains the mean of the scores of the views and of their mirror images.

    Raises:
        UsageError: the method does not fit this network, and why.
    """
    if (reason := why_not(network, method)) is not None:
        raise UsageError(reason)
    was_training = network.training
    network.eval()
    try:
        maps = _MAKERS[method](network, batch).float()
        if not mirrored:
            return maps
        image = replace(batch, frames=batch.frames.flip(-1))
        return (maps + _MAKERS[method](network, image).float().flip(-1)) / 2
    finally:
        network.train(was_training)


def methods_of(network: Network) -> tuple[Method, ...]:
    """Name the methods that fit a network, the most telling first."""
    return tuple(method for method in METHODS if why_not(network, method) is None)


def why_not(network: Network, method: str) -> str | None:
    """Say why a method does not fit a network; None where it does."""
    name = type(network).__name__
    if method not in METHODS:
        return f"{method}: no such method; there are {', '.join(METHODS)}"
    if network.input_spec.view == "none":
        return f"{name}: only listens, so there is no picture to explain its scores on"
    needs = {
        "cam": (
            network.has_activation_map,
            "its head is not linear over a map, so it has no exact activation map",
        ),
        "guide": (
            _is_guided(network),
            "has no guiding maps; networks of the system long_distance have",
        ),
        "non_local": (
            has_non_local(network),
            "has no non-local block; networks of the system resnet3d have some",
        ),
    }
    fits, reason = needs.get(method, (True, ""))
    if not fits:
        return f"{name}: {reason}"
    try:
        if method == "grad_cam":
            place_of(network)
        elif method in ("attention", "rollout"):
            tokens_of(network)
            _refuse_mixed(network)
    except UsageError as error:
        return str(error)
    return None


def _is_guided(network: Network) -> bool:
    return any(getattr(network, part, None) is not None for part in ("spatial", "temporal"))


def _refuse_mixed(network: Network) -> None:
    if getattr(network.config, "plug", "none") == "reattention":
        raise UsageError(
            f"{type(network).__name__}: re-attention mixes the heads' maps with weights of both "
            "signs, so they are no shares of anything; see its gradients (grad_cam)"
        )


def default_method(network: Network) -> Method:
    """Choose the most telling method that fits.

    Raises:
        UsageError: none does: the network looks at nothing.
    """
    fitting = methods_of(network)
    if not fitting:
        raise UsageError(str(why_not(network, "occlusion")))
    return fitting[0]
