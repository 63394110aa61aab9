"""Pre-cropped faces on disk -> labelled tracks in memory.

Two layouts: Parquet files with the columns image (encoded bytes), label (1 = fake), video,
original (the real recording a row comes from; a real's own id) and, if known, orig_crop_px (side
of the crop before it was resized); and folders `real/` and `fake/` of images, where a fake belongs
to the real of the same file name. Images stay encoded in memory and are decoded per access.

A crop is taken for what dlib's face detector would have cut: the whole picture is the box, and the
landmarks are the typical ones, so that a `dlib` view is the whole picture again. To forge a face
needs them nearer to where they are, so `landmarks` looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from unmask.clips.tensors import dlib_landmarks
from unmask.datasets.crop_landmarks import crop_landmarks
from unmask.datasets.learned import Learned, parse_learned
from unmask.datasets.sources import Landmarks, WholeTracks
from unmask.datasets.store import RECORD
from unmask.errors import DataError
from unmask.faces.quality import sharpness
from unmask.types import Face, FaceQuality, Image, Track

Part = Literal["train", "val"]

SIDES: tuple[Part, ...] = ("train", "val")  # as files of crops begin
COLUMNS = ("image", "label", "video", "original")
CUT_FROM = b"unmask.cut_from"  # key of a Parquet file's own record of the videos behind its rows
KINDS = ("real", "fake")  # folder of each label
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceTable(WholeTracks):
    """Labelled face crops; one row is one face of one video."""

    images: pa.ChunkedArray  # encoded bytes
    labels: NDArray[np.int8]  # 1 = fake
    videos: Sequence[str]
    originals: Sequence[str]  # ids of the real recordings
    crop_px: Sequence[int | None]  # side of the crop before it was resized; None = not known
    datasets: tuple[str, ...] = ()  # names of the data that the rows are of
    cut_from: Learned = field(default_factory=Learned)  # videos that crops were cut out of
    looks_for_landmarks: bool = True  # or takes the typical ones
    _seen: dict[int, Landmarks] = field(default_factory=dict, init=False, repr=False)  # by row

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> FaceTable:
        """Return some of the rows, in the order given."""
        return FaceTable(
            images=self.images.take(pa.array(rows)),
            labels=self.labels[rows],
            videos=[self.videos[i] for i in rows],
            originals=[self.originals[i] for i in rows],
            crop_px=[self.crop_px[i] for i in rows],
            datasets=self.datasets,
            cut_from=self.cut_from,
            looks_for_landmarks=self.looks_for_landmarks,
        )

    def learned(self) -> Learned:
        """Remember the recordings and the names of the data."""
        return Learned.of_crops(self.originals, self.datasets) | self.cut_from

    def image(self, row: int) -> Image:
        """Decode one picture, (H, W, 3) RGB."""
        encoded = np.frombuffer(self.images[row].as_buffer(), np.uint8)
        rgb = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
        if rgb is None:
            raise DataError(f"the image of video '{self.videos[row]}' (row {row}) is damaged")
        return np.asarray(rgb, np.uint8)

    def times(self, row: int) -> Sequence[float]:  # noqa: ARG002
        """Every face was seen once."""
        return (0.0,)

    def track(self, row: int) -> Track:
        """Return one row as a person seen once, at 0 s."""
        rgb = self.image(row)
        height, width = rgb.shape[:2]
        side, crop_px = min(height, width), self.crop_px[row]
        box = (0.0, 0.0, float(width), float(height))
        face = Face(
            t_s=0.0,
            box_xyxy_px=box,
            landmarks_px=dlib_landmarks(width / 2, height / 2, side),
            confidence=1.0,
            crop=rgb,
            crop_origin_px=(0, 0),
            quality=FaceQuality(
                size_px=float(side if crop_px is None else crop_px),
                sharpness=sharpness(rgb, box),
                yaw=0.0,
                roll_deg=0.0,
            ),
        )
        return Track(id=row, faces=(face,))

    def landmarks(self, row: int, faces: Sequence[Face]) -> Sequence[Landmarks]:
        """Where the landmarks of a row are seen; the typical ones where they are not."""
        if not self.looks_for_landmarks:
            return super().landmarks(row, faces)
        if row not in self._seen:
            seen = crop_landmarks(faces[0].crop)
            self._seen[row] = super().landmarks(row, faces)[0] if seen is None else seen
        return [self._seen[row]] * len(faces)  # a clip shows one picture again and again

    def digest(self) -> str:
        """Return the sha256 of everything that is learned from, in order."""
        sha = hashlib.sha256()
        for row in range(len(self)):
            ids = f"{self.videos[row]}\t{self.originals[row]}\t{self.labels[row]}\n"
            sha.update(ids.encode())
            sha.update(self.images[row].as_buffer())
        return sha.hexdigest()


def name_of(path: Path) -> str:
    """Name the data set that a folder or file of crops is; a file of one side is its folder's.

    >>> name_of(Path("downloads/dfdc_faces/val.parquet"))
    'dfdc_faces'
    """
    place = path.resolve()
    is_side = place.suffix == ".parquet" and place.name.startswith(SIDES)
    return place.parent.name if is_side else place.stem


def read_parquet(paths: Sequence[Path], part: Part = "train") -> FaceTable:
    """Read Parquet files of face crops; a folder stands for its `<part>*.parquet`.

    Raises:
        DataError: nothing to read, a column is missing, a label is neither 0 nor 1.
    """
    files = [file for path in paths for file in _parquet_files(path, part)]
    if not files:
        raise DataError("no Parquet file of faces was named")
    table = _table_of(pa.concat_tables([_read_columns(file) for file in files]))
    return replace(table, datasets=_names(paths), cut_from=_videos_behind(files))


def read_folder(paths: Sequence[Path], part: Part = "train") -> FaceTable:
    """Read folders that hold `real/` and `fake/` with images, themselves or in a folder `<part>`.

    A picture directly in `real/` or `fake/` is a video of its own; pictures in a subfolder are one
    video named like it. A fake belongs to the real of the same name.

    Raises:
        DataError: no such folder, or no image in it.
    """
    rows = [row for path in paths for row in _folder_rows(path, part)]
    if not rows:
        raise DataError(f"no image below real/ or fake/ in {', '.join(map(str, paths))}")
    files, labels, names = zip(*rows, strict=True)
    return FaceTable(
        images=pa.chunked_array([pa.array([f.read_bytes() for f in files], pa.large_binary())]),
        labels=np.array(labels, np.int8),
        videos=[f"{KINDS[label]}/{name}" for _, label, name in rows],
        originals=list(names),
        crop_px=[None] * len(files),
        datasets=_names(paths),
    )


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(name_of, paths)))


def _parquet_files(path: Path, part: Part) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder of face crops")
    found = sorted(path.glob(f"{part}*.parquet"))
    if not found:
        if (path / RECORD).exists():
            raise DataError(f"{path}: is prepared data; read it with --set data.reader=prepared")
        raise DataError(
            f"{path}: holds no {part}*.parquet; name the Parquet files one by one. Of videos make "
            "faces first (unmask prepare); of pictures in real/ and fake/ say so (--set "
            "data.reader=folder)"
        )
    return found


def _videos_behind(files: Sequence[Path]) -> Learned:
    known = Learned()
    for file in files:
        if document := (pq.read_schema(file).metadata or {}).get(CUT_FROM):
            known |= parse_learned(document.decode())
    return known


def _read_columns(file: Path) -> pa.Table:
    try:
        names = pq.read_schema(file).names
    except pa.ArrowInvalid as error:
        raise DataError(f"{file}: not a Parquet file ({error})") from error
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise DataError(f"{file}: lacks the columns {', '.join(missing)}; it has {names}")
    wanted = [*COLUMNS, *(["orig_crop_px"] if "orig_crop_px" in names else [])]
    table = pq.read_table(file, columns=wanted)
    if "orig_crop_px" not in names:
        table = table.append_column("orig_crop_px", pa.nulls(len(table), pa.int32()))
    return table


def _table_of(table: pa.Table) -> FaceTable:
    given = table["label"].to_pylist()
    odd = sorted({str(label) for label in given if label not in (0, 1)})
    if odd:
        found = ", ".join(odd[:5]) + (" ..." if len(odd) > 5 else "")
        raise DataError(f"labels must be 0 (real) or 1 (fake), found {found}")
    labels = np.array(given, np.int8)
    return FaceTable(
        images=table["image"].cast(pa.large_binary()),  # rows may be taken beyond 2 GB
        labels=labels,
        videos=table["video"].to_pylist(),
        originals=table["original"].to_pylist(),
        crop_px=table["orig_crop_px"].to_pylist(),
    )


def _folder_rows(path: Path, part: Part) -> list[tuple[Path, int, str]]:
    """Return (file, label, name of its video) of every image, sorted."""
    root = path / part if (path / part).is_dir() else path
    if not root.is_dir():
        raise DataError(f"{path}: no such folder")
    rows = []
    for label, kind in enumerate(KINDS):
        for file in sorted((root / kind).rglob("*")):
            inside = file.relative_to(root / kind)
            hidden = any(name.startswith(".") for name in inside.parts)  # macOS's ._face.png
            if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file() and not hidden:
                video = inside.parent if inside.parent != Path() else inside.with_suffix("")
                rows.append((file, label, video.as_posix()))
    return rows
