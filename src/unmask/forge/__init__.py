"""Real faces -> labelled fakes with masks: what a detector can learn from, and be tried on.

Read `methods` first: the ways to forge, by name. Then, from one face to a data set:

landmarks, canvas, warp, colour   points of a face, an upright picture of it, its pixels, its light
selfblend, reenact, resynthesise  fakes of one face alone
donor, swap, masks                another person's face over it
spectra, voice                    fakes of sound
sightings, facepath               the main person of a clip, and a smooth path of their face
render, twin, still               passes over a clip; one clip or still forged
sources, makers, level, record, listing, dataset   a folder of fakes that only the forgery tells
sheet                             what was made, to be looked at
demo_clip                         a short clip out of one still portrait
"""
