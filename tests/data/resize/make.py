"""Writes a small picture and what Pillow makes of its central square at two sizes.

    pip install pillow numpy
    python make.py

`photo.png`: 48×40 pixels, value 60 + (7x + 13y + 29c + ⌊xy/5⌋) mod 136, so that nothing overshoots what bytes hold.
`lanczos-16.png`, `lanczos-27.png`: the central 40×40 resized with Pillow's LANCZOS, as EDM's
`dataset_tool.py --transform=center-crop` does. Recorded with Pillow 13.
"""

from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
y, x, c = np.mgrid[0:40, 0:48, 0:3]
photo = Image.fromarray((60 + (7 * x + 13 * y + 29 * c + x * y // 5) % 136).astype(np.uint8))
photo.save(HERE / "photo.png")
for size in (16, 27):
    photo.crop((4, 0, 44, 40)).resize((size, size), Image.Resampling.LANCZOS).save(HERE / f"lanczos-{size}.png")
