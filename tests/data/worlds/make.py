"""Writes what Little Worlds drawn by the first program that drew them look like on average: `figures.json`.

    pip install pillow numpy
    python make.py train.tar

`train.tar` holds 4,000 pictures of each kind, 32×32, in a folder for each. For each kind and figure, the mean and the
variance over its pictures. The figures of a picture: means of the sixteen fields of 8×8 pixels of each channel (row by
row), then for each channel the sum over 31×31 pixels of how much each differs from its right neighbour, and from the one
below. Recorded with numpy 2.4.
"""

import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

kinds = {}
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        if member.name.endswith(".png"):
            image = Image.open(io.BytesIO(archive.extractfile(member).read())).convert("RGB")
            kinds.setdefault(member.name.split("/")[-2], []).append(np.asarray(image).transpose(2, 0, 1))
figures = {}
for kind, images in sorted(kinds.items()):
    x = np.stack(images).astype(np.float64)
    fields = x.reshape(-1, 3, 4, 8, 4, 8).mean((3, 5)).reshape(len(x), -1)
    right = np.abs(x[:, :, :31, 1:] - x[:, :, :31, :31]).sum((2, 3))
    below = np.abs(x[:, :, 1:, :31] - x[:, :, :31, :31]).sum((2, 3))
    of_all = np.concatenate([fields, np.stack([right, below], 2).reshape(len(x), 6)], 1)
    mean, variance = of_all.mean(0), of_all.var(0, ddof=1)
    figures[kind] = [[round(m, 3), round(v, 3)] for m, v in zip(mean.tolist(), variance.tolist())]
text = ",\n".join(f'  "{kind}": {json.dumps(values)}' for kind, values in figures.items())
(Path(__file__).parent / "figures.json").write_text("{\n" + text + "\n}\n")
