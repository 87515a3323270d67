"""Opens a pipeline's folder by diffusers and says how far its network's output is from a recorded one.

    pip install torch diffusers safetensors
    python check.py FOLDER IO
"""

import sys

import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file

pipeline = DiffusionPipeline.from_pretrained(sys.argv[1])
io = load_file(sys.argv[2])
with torch.no_grad():
    output = pipeline.unet(io["x"], io["t"]).sample
off = (output - io["output"]).flatten(1).abs().amax(1) / io["output"].flatten(1).abs().amax(1)
print(off.max().item())
