"""Real faces -> labelled fakes with masks: what a detector can learn from, and be tried on.

landmarks   a mean face of 81 points fitted to the five that a detector gives
selfblend   a face blended onto itself: fakes of single pictures, for training
swap        a donor's face over another
sightings, facepath   the main person of a clip, and a smooth path of their face
twin        a forged twin of a whole clip, with mask and label
demo_clip   a short clip out of one still portrait
"""
