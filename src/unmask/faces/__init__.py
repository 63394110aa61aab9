"""Frames -> face tracks: who is where in each sampled frame, and the pixels around each face.

`detect` finds boxes and landmarks, `align` cuts the pixels out, `quality` says how much they can
tell, `track` links the faces of one person.
"""
