"""The forged twin of a real clip: same frames, timing and sound, but one face is forged.

One set of choices holds for the whole clip: mask and colours stay, only the geometry follows the
head, so the forgery is as steady as the original. The file is read twice, never held in memory.

Compression must not give the label away. A twin is encoded anew, so the real clip to compare it
with must be, too, with the same settings: ask for `real_out`. Beside a twin lie its mask (a grey
video, white = forged) and `<name>.json` with the label and all that is needed to make it again.

The forged frames follow from the seed exactly, and so does the file where x264 is repeatable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from unmask.errors import UnmaskError, UsageError
from unmask.faces.detect import FaceDetector
from unmask.forge.donor import PoseMatched, ToAndFro, facing
from unmask.forge.facepath import FacePath
from unmask.forge.methods import ForgeConfig, Forger, PictureMethod, forger_of, rng_of
from unmask.forge.record import Record, write_record
from unmask.forge.render import CRF, MASK_CRF, Performance, Take, donor_from, follow, render
from unmask.forge.sightings import Detector
from unmask.forge.swap import Swapper, draw_swap
from unmask.types import Frame, Image
from unmask.video.probe import probe


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A forged clip and what belongs to it."""

    path: Path
    mask_path: Path
    label_path: Path
    source: Path
    method: PictureMethod
    seed: int
    params: dict[str, Any]
    spans_s: list[tuple[float, float]]  # when the forged face is seen
    real_path: Path | None  # the original through the same encoder, if asked for
    lost: str | None  # what of the source could not be decoded, in a sentence


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Whose face is forged, and whose is put over it."""

    path: FacePath
    donor: Path | None = None  # for swaps; None = the same person at another moment
    donor_path: FacePath | None = None


def forge_twin(
    source: Path,
    out: Path,
    *,
    method: PictureMethod = "self_blend",
    seed: int = 0,
    donor: Path | None = None,
    real_out: Path | None = None,
    config: ForgeConfig | None = None,
    detector: Detector | None = None,
    crf: int = CRF,
) -> Twin:
    """Forge the main person of a clip; the sound stays.

    Odd sides grow by one repeated row or column, as the encoder needs even ones.

    Args:
        source: a real video.
        out: the fake, an .mp4; `<name>.mask.mp4` and `<name>.json` are written beside it.
        method: `self_blend` blends the face onto itself, `swap` puts a donor's face over it,
            `reenact` moves mouth and expression, `resynthesise` sends it through a bottleneck.
        seed: decides every choice; the same seed makes the same twin.
        donor: a clip of the other face, for `swap`; none = the same person at another moment.
        real_out: write the original here, re-encoded with the same settings.
        config: what may be drawn.
        detector: finds faces; none = the package's own.
        crf: quality of the encoding, lower is better.

    Raises:
        UnmaskError: no face is seen in the clip or its donor; it cannot be read or written.
    """
    _check_request(source, out, method=method, donor=donor, real_out=real_out)
    if probe(source).kind == "image":
        raise UsageError(f"{source}: is a still picture; a twin is made of a clip that moves")
    detector = detector or FaceDetector()
    cast = Cast(
        path=follow(source, detector),
        donor=donor,
        donor_path=None if donor is None else follow(donor, detector),
    )
    forger, params = perform(method, seed, source, cast, config or ForgeConfig())
    act = Performance(cast.path, forger)
    mask_path = out.with_suffix(".mask.mp4")
    takes = [Take(path=out, crf=crf, sound=source), Take(path=mask_path, crf=MASK_CRF)]
    if real_out is not None:
        takes.append(Take(path=real_out, crf=crf, sound=source))

    def draw(frame: Frame) -> Sequence[Image]:
        return (*act(frame), frame.rgb)[: len(takes)]

    lost = render(source, takes, draw)
    twin = Twin(
        path=out,
        mask_path=mask_path,
        label_path=out.with_suffix(".json"),
        source=source,
        method=method,
        seed=seed,
        params=params | {"crf": crf},
        spans_s=act.spans_s,
        real_path=real_out,
        lost=lost,
    )
    _write_labels(twin)
    return twin


def perform(
    method: PictureMethod, seed: int, source: Path, cast: Cast, config: ForgeConfig
) -> tuple[Forger, dict[str, Any]]:
    """Draw all choices of one forged clip: what forges its frames, and what was drawn.

    Raises:
        UnmaskError: the face, or the donor's, is turned away throughout.
    """
    typical_px = cast.path.typical_px
    if typical_px is None:
        raise UnmaskError(
            f"{source}: its face is turned to profile throughout, which no method here can forge; "
            "give a clip in which it looks towards the camera"
        )
    rng = rng_of(seed, method)
    if method != "swap":
        return forger_of(method, rng, config)
    plan = draw_swap(rng, config.swap)
    params = plan.params() | {"donor": None if cast.donor is None else str(cast.donor)}
    if cast.donor is None or cast.donor_path is None:
        return Swapper(plan, ToAndFro(donor_from(source, cast.path, plan.face_px))), params
    face = donor_from(cast.donor, cast.donor_path, plan.face_px)
    return Swapper(plan, PoseMatched(facing(face, typical_px))), params


def _check_request(
    source: Path, out: Path, *, method: str, donor: Path | None, real_out: Path | None
) -> None:
    methods = get_args(PictureMethod)
    if method not in methods:
        raise UsageError(f"no forging method is called {method!r}; there are: {', '.join(methods)}")
    if donor is not None and method != "swap":
        raise UsageError(
            f"{donor}: only the method swap takes a donor; leave it out or ask for swap"
        )
    written = [path for path in (out, real_out) if path is not None]
    for path in written:
        if path.suffix.lower() != ".mp4":
            raise UsageError(f"{path}: forged clips are .mp4 files; give it a name ending so")
    taken = {path.resolve() for path in (source, donor) if path is not None}
    for path in written:
        if path.resolve() in taken:
            raise UsageError(
                f"{path}: would overwrite another clip of this request; name it differently"
            )
        taken.add(path.resolve())


def _write_labels(twin: Twin) -> None:
    """One record beside the fake, and one beside the re-encoded real if there is one."""
    fake = Record(
        path=twin.path.name,
        label=1,
        method=twin.method,
        seed=twin.seed,
        mask=twin.mask_path.name,
        spans_s=twin.spans_s,
        params=twin.params,
        source=str(twin.source),
        lost=twin.lost,
        picture_label=1,
    )
    write_record(twin.label_path, fake)
    if twin.real_path is not None:
        real = Record(
            path=twin.real_path.name,
            label=0,
            method="original",
            params={"crf": twin.params["crf"]},
            source=str(twin.source),
            lost=twin.lost,
            picture_label=0,
        )
        write_record(twin.real_path.with_suffix(".json"), real)
