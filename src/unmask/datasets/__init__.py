"""Labelled faces for learning and measuring: readers, splits, augmentation, batches.

A reader (`faces`) gives labelled tracks, `splits` divides them by source recording, `samples`
draws balanced examples, forges some and augments them (`augment`), `loader` makes batches. The
pixels go through `clips/tensors.py`, like those of a scan.
"""
