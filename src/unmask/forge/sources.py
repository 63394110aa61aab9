"""What a data set is forged from: clips and stills with their facts, and who is swapped with whom.

Donors come in pairs, as in FaceForensics++: a takes b's face and b takes a's (with an odd number,
the last three in a ring). Any other choice would tie all recordings together by common people, and
no split could keep them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask.errors import UsageError
from unmask.video.probe import probe
from unmask.video.soundtrack import recordable_rate


@dataclass(frozen=True, kw_only=True)
class Source:
    """A real file."""

    path: Path
    name: str  # of everything made from it
    still: bool
    rate_hz: int | None  # of its sound as it leaves; None = no sound

    @property
    def stamp(self) -> tuple[str, int, int]:
        """Changes when the file does."""
        stat = self.path.stat()
        return self.path.name, stat.st_size, stat.st_mtime_ns


def look_at(path: Path) -> Source:
    """Probe a file.

    Raises:
        UnmaskError: it cannot be read.
    """
    info = probe(path)
    sound = info.audio_rate_hz if info.has_audio else None
    return Source(
        path=path,
        name=path.stem,
        still=info.kind == "image",
        rate_hz=recordable_rate(sound) if sound else None,
    )


def refuse_equal_names(paths: Sequence[Path]) -> None:
    """Everything is named after its source, so that two of one name would become one.

    Raises:
        UsageError: naming both.
    """
    named: dict[str, Path] = {}
    for path in paths:
        other = named.setdefault(path.stem, path)
        if other is not path:
            raise UsageError(
                f"{other} and {path}: the fakes of both would be called {path.stem}; forge them "
                "into different folders"
            )


def pair_donors(sources: Sequence[Source], seed: int) -> dict[str, Source]:
    """Whose face and voice each source takes, by name; stills with stills, clips with clips.

    Clips with sound are paired with one another. A source that is left alone takes the face of a
    pair, or has no donor if there is none.
    """
    pairs: dict[str, Source] = {}
    for still in (False, True):
        alike = sorted((s for s in sources if s.still == still), key=lambda s: s.name)
        order = np.random.default_rng((seed, int(still))).permutation(len(alike))
        shuffled = [alike[k] for k in order]
        heard = [source for source in shuffled if source.rate_hz is not None]
        silent = [source for source in shuffled if source.rate_hz is None]
        pairs |= _rings(heard) | _rings(silent)
        alone = [source for source in shuffled if source.name not in pairs]
        if len(alone) == 2:
            pairs |= _rings(alone)
        elif alone and len(shuffled) > 1:
            pairs[alone[0].name] = next(s for s in shuffled if s.name in pairs)
    return pairs


def _rings(sources: Sequence[Source]) -> dict[str, Source]:
    """Pairs, and a ring of the last three of an odd number; nothing of one."""
    found: dict[str, Source] = {}
    rest = list(sources)
    while len(rest) > 1:
        size = 3 if len(rest) == 3 else 2
        ring, rest = rest[:size], rest[size:]
        found |= {ring[k].name: ring[(k + 1) % size] for k in range(size)}
    return found
