"""Detector networks; this package is filled by models/ files, one per system."""
