"""Labelled faces for learning and measuring: readers, splits, augmentation, batches.

Videos: `readers` list data sets as downloaded in a `manifest`, `splits` keeps kin on one side,
`doctor` says what is wrong, `tampering` which part of a fake is fake, `prepare` cuts faces out.

Faces: a reader (`faces`) gives labelled tracks, divided by source recording (`splits`), `samples`
draws balanced examples, forges some and augments them (`augment`), `loader` makes batches. The
pixels go through `clips/tensors.py`, like those of a scan.
"""
