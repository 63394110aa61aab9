"""Errors a person can act on: each says what is wrong, where, and what to do.

Bad input is an `UnmaskError`; a broken invariant of ours is an `assert`. "No face found" is a
result (`undecided` with a reason), never an error.
"""


class UnmaskError(Exception):
    """Something outside unmask is not as it must be; the message says what to do about it."""


class UsageError(UnmaskError):
    """The request itself is wrong (an unknown name, a value out of range): exit code 2."""


class ConfigError(UsageError):
    """A configuration file or override has an unknown key or a value of the wrong kind."""


class UnreadableMediaError(UnmaskError):
    """A video, image or sound file cannot be read, or nothing could be decoded from it."""


class CheckpointError(UnmaskError):
    """A checkpoint is incomplete, damaged, of an unknown format, or not trained."""


class MissingExtraError(UnmaskError):
    """The request needs packages of an extra (`unmask[train]`, ...) that is not installed."""


class OutputError(UnmaskError):
    """A result cannot be written where it was asked for."""


class DataError(UnmaskError):
    """A data set on disk is not what its reader expects."""


class TrainingError(UnmaskError):
    """Training cannot go on; the message says at which step and what was kept."""
