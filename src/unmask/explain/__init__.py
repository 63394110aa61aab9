"""What moved a score: activation maps, gradients, attention and occlusion, laid on the frames.

    maps = explain(network, batch, "grad_cam")     # (B, T, h, w)

Everything here needs torch; the activation map that every report shows comes with the score and
needs none of it.
"""
