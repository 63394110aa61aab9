"""Pictures of one video, encoded as soon as they are cut, and the rows made of them.

A face keeps its position and gives up its pixels (`put`), so that a video of any length costs no
more memory than its encoded faces.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError
from unmask.types import Face, FaceQuality, Frame, Image

Row = dict[str, Any]  # of a table of store.SCHEMAS

JPEG = (
    *(cv2.IMWRITE_JPEG_QUALITY, 95),
    # Colour in full: a crop begins at any pixel, so halving it again would blur it further.
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
)
_NO_PIXELS = np.empty((0, 0, 3), np.uint8)


class Shelf:
    """Encoded pictures of one video."""

    def __init__(self, video: str, *, lossless: bool, whole_frames: bool) -> None:
        self.spent_s = 0.0  # on encoding
        self.frames: list[Row] = []  # whole ones, where wanted
        self._video, self._lossless, self._whole_frames = video, lossless, whole_frames
        self._faces: dict[Face, tuple[bytes, tuple[int, int]]] = {}  # picture, height and width

    def put(self, face: Face) -> Face:
        """Keep a face; returns it without its pixels, by which `faces` knows it again."""
        known = replace(face, crop=_NO_PIXELS)
        height, width = face.crop.shape[:2]
        self._faces[known] = self._encoded(face.crop), (height, width)
        return known

    def watch(self, frame: Frame) -> None:
        """Keep a whole frame, if whole frames are wanted."""
        if self._whole_frames:
            row = {"video": self._video, "t_s": frame.t_s, "image": self._encoded(frame.rgb)}
            self.frames.append(row)

    def faces(self, faces: Sequence[Face], track: int, boxes_from: str | None) -> list[Row]:
        """Make rows of faces of one person that were put here."""
        return [
            {
                "video": self._video,
                "track": track,
                "t_s": face.t_s,
                "image": self._faces[face][0],
                "crop_x": face.crop_origin_px[0],
                "crop_y": face.crop_origin_px[1],
                "crop_w": self._faces[face][1][1],
                "crop_h": self._faces[face][1][0],
                "box": list(face.box_xyxy_px),
                "landmarks": face.landmarks_px.reshape(-1).tolist(),
                "confidence": face.confidence,
                **vars(face.quality),
                "boxes_from": boxes_from,
            }
            for face in faces
        ]

    def add_masks(self, rows: Sequence[Row], frame: Image) -> None:
        """Give faces of one frame what is forged of them, by the frame of the mask's video."""
        started = time.perf_counter()
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        for row in rows:
            x, y = row["crop_x"], row["crop_y"]
            done, data = cv2.imencode(".png", grey[y : y + row["crop_h"], x : x + row["crop_w"]])
            assert done
            row["mask"] = data.tobytes()
        self.spent_s += time.perf_counter() - started

    def _encoded(self, picture: Image) -> bytes:
        started = time.perf_counter()
        data = encode_picture(picture, lossless=self._lossless)
        self.spent_s += time.perf_counter() - started
        return data


def face_of(row: Row) -> Face:
    """Make a face of a row: the one that was put, with the pixels as they were kept."""
    return Face(
        t_s=row["t_s"],
        box_xyxy_px=tuple(row["box"]),
        landmarks_px=np.array(row["landmarks"], np.float32).reshape(5, 2),
        confidence=row["confidence"],
        crop=decode_picture(row["image"], row["video"]),
        crop_origin_px=(row["crop_x"], row["crop_y"]),
        quality=FaceQuality(
            size_px=row["size_px"],
            sharpness=row["sharpness"],
            yaw=row["yaw"],
            roll_deg=row["roll_deg"],
        ),
    )


def mask_of(row: Row) -> NDArray[np.uint8] | None:
    """Decode a mask (H, W) of a row's crop; None where it is not known what is forged."""
    if row["mask"] is None:
        return None
    mask = cv2.imdecode(np.frombuffer(row["mask"], np.uint8), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise DataError(f"a prepared mask of {row['video']} is damaged; prepare this data again")
    return np.asarray(mask, np.uint8)


def encode_picture(picture: Image, *, lossless: bool) -> bytes:
    """Encode (H, W, 3) RGB as JPEG, or as PNG."""
    bgr = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".png", bgr) if lossless else cv2.imencode(".jpg", bgr, JPEG)
    assert done
    return data.tobytes()


def decode_picture(data: bytes, video: str) -> Image:
    """Decode a kept picture.

    Raises:
        DataError: it is damaged.
    """
    rgb = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if rgb is None:
        raise DataError(f"a prepared picture of {video} is damaged; prepare this data set again")
    return np.asarray(rgb, np.uint8)
