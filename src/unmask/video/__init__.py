"""Stage 1: a file becomes frames and sound, and frames become a file again.

    probe    what a file is, or why it cannot be read      audio   its sound on the picture's clock
    sample   which times to look at                        encode  frames and sound to a file
    decode   the frames at those times (`Reader`)          corrupt what sharing does to pictures

Beneath them: container (opening and refusing), stream (FFmpeg's frames, with seeks), clock (when a
frame is shown), damage (which frames to trust), images (OpenCV's: stills, animations), colour
(YCbCr and RGB), orientation (upright pictures), soundtrack (sound for a new picture), distort (one
picture, pure), recode (a run of frames through H.264 in memory).
"""

from unmask.video.decode import Reader, open_media

__all__ = ["Reader", "open_media"]
