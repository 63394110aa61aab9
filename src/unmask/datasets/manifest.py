"""What a data set holds: one `Video` per file, with its label, its kin and its side of the split.

A reader makes these of an official tree, `prepare` adds what became of each, and everything after
that reads them from `manifest.parquet`. What is known of a video is a column here and is never
parsed out of a path again. The file is strict both ways: a column too many or too few, another
type or a label that is neither 0 nor 1 is refused.

Listing videos needs no pyarrow; only writing and reading the file does.
"""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from unmask.errors import DataError, MissingExtraError, OutputError

if TYPE_CHECKING:
    import pyarrow as pa

Split = Literal["train", "val", "test"]
Outcome = Literal["pending", "prepared", "no_face", "unreadable", "missing"]
Kinship = Literal["source", "identity", "original", "content"]

ORIGINAL = "original"  # method of a video that nobody forged
FORMAT = "unmask.manifest/1"

_SIDES, _OUTCOMES = (None, *get_args(Split)), get_args(Outcome)
_LABELS = ("label", "picture_label", "audio_label")
_LISTS = ("sources", "identities")
_FILLED = (
    *("id", "path", "dataset", "method", "label", "split_reason"),
    "outcome",
    "reason",
    *_LISTS,
)


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video (or picture) of a data set.

    Two videos are kin if they share a source or an identity; kin never stand on two sides of a
    split. `original` names the one real video whose picture a fake shows, where that is known: it
    has the same faces at the same places.
    """

    id: str  # data set/method/compression/name, unique; parts that do not exist are left out
    path: (
        str  # below the root, with forward slashes; whole where it lies elsewhere (DF-1.0's reals)
    )
    dataset: str
    method: str  # of the forgery; ORIGINAL for reals
    label: int  # 1 = fake in picture or sound
    compression: str | None = None  # as the data set calls it: raw, c23, c40
    split: Split | None = None  # None = on no side
    split_reason: str = ""  # why it is on no side, or where the side comes from
    original: str | None = None  # id of a Video
    sources: tuple[str, ...] = ()  # recordings whose pixels are in it; a real's own
    identities: tuple[str, ...] = ()  # people seen, where the data set names them
    picture_label: int | None = None  # 1 = the picture is forged; None = not known
    audio_label: int | None = None  # 1 = the sound is forged; None = not known or no sound
    group: str | None = None  # a group whose error rates are to be compared, where one is named
    outcome: Outcome = "pending"
    reason: str = ""  # of an outcome other than prepared, or what of a prepared one was lost
    mask: str | None = None  # video of what was forged, spelt like `path`
    sha256: str | None = None  # of the file's bytes, where somebody has read them all

    def __post_init__(self) -> None:
        for name in _LABELS:
            value = getattr(self, name)
            if value not in (0, 1) and not (value is None and name != "label"):
                raise DataError(f"{self.id}: {name} = {value!r}; a label is 0 (real) or 1 (fake)")
        if (self.method == ORIGINAL) != (self.label == 0):
            raise DataError(
                f"{self.id}: method '{self.method}' with label {self.label}; "
                f"reals and only reals have the method '{ORIGINAL}'"
            )
        if self.split not in _SIDES:
            raise DataError(f"{self.id}: split = {self.split!r}; a side is train, val or test")
        if self.outcome not in _OUTCOMES:
            known = ", ".join(_OUTCOMES)
            raise DataError(f"{self.id}: outcome = {self.outcome!r}; known: {known}")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The videos of one data set, in a fixed order, and the folder their paths start from."""

    dataset: str
    root: str  # folder or fsspec URL
    videos: tuple[Video, ...]
    split_rule: str = "official"  # which rule made the sides; each reader documents its own
    overlaps: tuple[Kinship, ...] = ()  # kinships that this rule is known to leave on two sides

    def __post_init__(self) -> None:
        odd = sorted(set(self.overlaps) - set(get_args(Kinship)))
        if odd:
            raise DataError(f"{self.dataset}: overlaps = {odd}; known: {get_args(Kinship)}")
        counts = Counter(video.id for video in self.videos)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise DataError(f"{self.dataset}: {len(twice)} ids name two videos, such as {twice[0]}")

    def __len__(self) -> int:
        return len(self.videos)

    def where(self, *, split: Split | None = None, outcome: Outcome | None = None) -> list[Video]:
        """Return the videos of a side, of an outcome, or of both."""
        return [
            video
            for video in self.videos
            if split in (None, video.split) and outcome in (None, video.outcome)
        ]

    def locate(self, path: str) -> str:
        """Return where a `Video.path` (or `mask`) lies: below the root, or where it says itself."""
        whole = "://" in path or posixpath.isabs(path) or Path(path).is_absolute()
        return path if whole else f"{self.root.rstrip('/')}/{path}"


def write_manifest(manifest: Manifest, target: str | Path) -> None:
    """Write `manifest.parquet` to a file or any fsspec URL; a local file appears whole or not.

    Raises:
        MissingExtraError: pyarrow or fsspec is not installed.
        OutputError: the place cannot be written.
    """
    pa, pq, fsspec = _packages()
    rows = [asdict(video) for video in manifest.videos]
    about = {
        "format": FORMAT,
        "dataset": manifest.dataset,
        "root": manifest.root,
        "split_rule": manifest.split_rule,
        "overlaps": " ".join(manifest.overlaps),
    }
    table = pa.Table.from_pylist(rows, schema=_schema().with_metadata(about))
    url = str(target)
    part = url if "://" in url else f"{url}.{os.getpid()}.part"
    try:
        with fsspec.open(part, "wb") as stream:
            pq.write_table(table, stream)
        if part != url:
            Path(part).replace(url)
    except OSError as error:
        raise OutputError(f"{url}: the manifest cannot be written ({error})") from error
    finally:
        if part != url:
            Path(part).unlink(missing_ok=True)


def read_manifest(source: str | Path) -> Manifest:
    """Read a `manifest.parquet` from a file or any fsspec URL.

    Raises:
        MissingExtraError: pyarrow or fsspec is not installed.
        DataError: no such file, not a manifest, or a column or value that must not be there.
    """
    pa, pq, fsspec = _packages()
    try:
        with fsspec.open(str(source), "rb") as stream:
            table = pq.read_table(stream)
    except FileNotFoundError:
        raise DataError(
            f"{source}: no manifest there; make one with unmask prepare DATASET ROOT --out DIR"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{source}: cannot be read as Parquet ({error})") from error
    about = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    _check_columns(str(source), table, about.get("format"))
    try:
        return Manifest(
            dataset=about["dataset"],
            root=about["root"],
            videos=tuple(_video_of(row) for row in table.to_pylist()),
            split_rule=about["split_rule"],
            overlaps=tuple(about["overlaps"].split()),  # type: ignore[arg-type]  # checked there
        )
    except (DataError, KeyError) as error:
        raise DataError(f"{source}: {error}") from error


def _packages() -> tuple[Any, Any, Any]:
    try:
        import fsspec
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(
            f"manifests need {error.name}; install it with: pip install 'unmask[train]'"
        ) from error
    return pa, pq, fsspec


def _schema() -> pa.Schema:
    """Columns of the file: one for each field of `Video`."""
    pa, _, _ = _packages()
    kinds = dict.fromkeys(_LABELS, pa.int8()) | dict.fromkeys(_LISTS, pa.list_(pa.string()))
    return pa.schema(
        [
            pa.field(field.name, kinds.get(field.name, pa.string()), field.name not in _FILLED)
            for field in fields(Video)
        ]
    )


def _check_columns(source: str, table: pa.Table, written_as: str | None) -> None:
    if written_as != FORMAT:
        raise DataError(f"{source}: format {written_as!r}; this version of unmask reads {FORMAT}")
    wanted = {field.name: field.type for field in _schema()}
    found = {field.name: field.type for field in table.schema}
    odd = sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )
    if odd:
        raise DataError(
            f"{source}: the columns {', '.join(odd)} are missing, unknown or of another type; "
            "the file was changed or made by another version. Prepare the data again"
        )


def _video_of(row: dict[str, Any]) -> Video:
    empty = [name for name in _FILLED if row[name] is None]
    if empty:
        raise DataError(f"{row['id']}: {', '.join(empty)} must not be empty")
    return Video(**(row | {name: tuple(row[name]) for name in _LISTS}))
