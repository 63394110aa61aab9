"""Finds manipulated faces in videos and images."""

__version__ = "0.1.0.dev0"
