"""How pixels in [0, 1] are brought to the scale that a network's first layers expect."""

from __future__ import annotations

PIXEL_SPREAD = 0.1
"""Standard deviation of the pixels of a galaxy cutout, on the scale [0, 1].

Cutouts are mostly dark sky: 0.11 in SDSS and DECaLS, 0.06 in HST's GOODS fields, where ImageNet's photographs have 0.226.
Divided by this the pixels vary by about one, and the spread after the first convolution stands far above the square root
of the first batch norm's epsilon (0.03). Nearer to that, batch norm no longer brings the features to unit variance:
with ImageNet's value EfficientNet-B0's small first filters leave a variance of 2 to 9 times epsilon on real galaxies, and
with no scaling at all next to nothing."""
