"""Real faces -> labelled fakes with masks: what a detector can learn from, and be tried on.

`landmarks` fits a mean face to five detected points; `selfblend` blends a face onto itself.
"""
