"""Tracks -> model inputs: which faces form a clip (`windows`), and their pixels (`tensors`).

What a system hears beside them is made by `mel`.

Training, evaluation, scanning and exported graphs all come through here, so that what a network
learned on is what it is asked about.
"""
