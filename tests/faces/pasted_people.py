"""Scenes with known people at known places: NASA's portrait, pasted as it is and in disguise."""

from functools import cache
from importlib import resources

import cv2
import numpy as np

from unmask.faces.detect import Detection

# Where the face lies in the portrait, by eye: box, then eyes, nose, mouth corners as seen.
PORTRAIT_BOX = (181, 62, 269, 174)
PORTRAIT_MARKS = np.float32([(204, 101), (247, 103), (225, 128), (202, 139), (245, 141)])
HEAD = (110, 10, 340, 240)  # x0, y0, x1, y1 of the cut that is pasted
FRAME = (360, 640)


@cache
def portrait():
    data = resources.files("unmask.assets").joinpath("astronaut.jpg").read_bytes()
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


@cache
def head(who):
    """The cut-out of a person: `ann` is the portrait, `bea` mirrored, darker, of other colours."""
    x0, y0, x1, y1 = HEAD
    cut = portrait()[y0:y1, x0:x1]
    if who == "ann":
        return cut
    hsv = cv2.cvtColor(cut[:, ::-1].copy(), cv2.COLOR_RGB2HSV).astype(int)
    hsv[..., 0] = (hsv[..., 0] + 70) % 180
    hsv[..., 2] = hsv[..., 2] * 7 // 10
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


def room(seed=0):
    """A wall with furniture: soft blobs, nothing like a face; another seed is another place."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, FRAME[::-1], interpolation=cv2.INTER_LINEAR)


def scene(people, *, place=0, scale=1.0):
    """A frame with people {who: (x, y) of the head's corner} and what a detector says of it."""
    frame, found = room(place), []
    for who, (x, y) in people.items():
        picture = cv2.resize(head(who), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = picture.shape[:2]
        frame[y : y + height, x : x + width] = picture
        found.append(detection(who, x, y, scale))
    return frame, found


def detection(who, x, y, scale=1.0, confidence=0.99):
    """The detection of a head pasted at (x, y), without asking a detector."""
    marks = PORTRAIT_MARKS - HEAD[:2]
    box = np.reshape(PORTRAIT_BOX, (2, 2)) - HEAD[:2]
    if who != "ann":  # mirrored
        width = HEAD[2] - HEAD[0]
        marks = (marks * (-1, 1) + (width, 0))[[1, 0, 2, 4, 3]]
        box = np.array([(width - box[1, 0], box[0, 1]), (width - box[0, 0], box[1, 1])])
    (x0, y0), (x1, y1) = box * scale + (x, y)
    return Detection(
        box_xyxy_px=(float(x0), float(y0), float(x1), float(y1)),
        landmarks_px=np.float32(marks * scale + (x, y)),
        confidence=confidence,
    )
