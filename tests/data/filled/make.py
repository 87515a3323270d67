"""Records what published networks answer whose weights a formula fills, here and in the tests, so that none are stored.

    pip install torch diffusers timm safetensors numpy
    git clone https://github.com/NVlabs/edm
    git clone https://github.com/openai/guided-diffusion
    git clone https://github.com/facebookresearch/DiT
    PYTHONPATH=edm:guided-diffusion:DiT python make.py

Recorded with torch 2.15, diffusers 0.42 and timm 1.0. `NAME.json.gz` holds the names and shapes of the published state
dictionary (`tensors`) and what else describes the network; `NAME.safetensors` holds `x`, what the network is told
(`t`: a step, or sigma; `y`: a class of each image) and what it answers: `output`, and `without`, where it is told no class;
`pos_embed` is what a transformer is told of places.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel
from guided_diffusion.unet import UNetModel
from models import DiT
from safetensors.torch import save_file
from training.networks import EDMPrecond

HERE = Path(__file__).parent


def fill(shape, number, is_norm):
    """The values of the tensor that has this number among all names in their order: around 0, or around 1."""
    place = np.arange(int(np.prod(shape)), dtype=np.uint32)
    word = place * np.uint32(0x9E3779B1) + np.uint32((number * 0x85EBCA77) % 2**32)
    for shift, factor in [(15, 0x2C1B3C6D), (12, 0x297A2D39), (15, 1)]:
        word = (word ^ (word >> np.uint32(shift))) * np.uint32(factor)
    spread = 0.3 if len(shape) == 1 else np.prod(shape[1:]) ** -0.5
    values = float(is_norm) + spread * 12**0.5 * (word.astype(np.float64) / 2**32 - 0.5)
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def record(name, net, prefix, answers, keep=(), **facts):
    """`keep`: ends of the names of tensors that stay as they are; `answers`: what is called, and with what."""
    # In training the published EDM code has no other branch, and nothing here drops.
    net.eval()
    state = {key: value for key, value in net.state_dict().items() if not key.endswith(tuple(keep) or ("\0",))}
    shapes = {}
    for number, key in enumerate(sorted(state)):
        shape = list(state[key].shape)
        state[key].copy_(fill(shape, number, len(shape) == 1 and key.endswith("weight")))
        shapes[prefix + key] = shape
    with torch.no_grad():
        figures = answers(net)
    save_file({key: value.float().contiguous() for key, value in figures.items()}, HERE / f"{name}.safetensors")
    facts = {"tensors": shapes, **facts}
    # The same bytes each time.
    packed = gzip.compress((json.dumps(facts, separators=(",", ":")) + "\n").encode(), mtime=0)
    (HERE / f"{name}.json.gz").write_bytes(packed)
    print(name, sum((HERE / f"{name}{end}").stat().st_size for end in (".json.gz", ".safetensors")), "bytes")


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


X, STEPS, CLASSES = noise(2, 3, 8, 8), torch.tensor([20.0, 970.0]), torch.tensor([1, 2])


def diffusers(name, **config):
    net = UNet2DModel(
        sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, attention_head_dim=8,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"), **config,
    )
    answers = lambda net: {"x": X, "t": STEPS, "y": CLASSES, "output": net(X, STEPS, CLASSES).sample}
    record(name, net, "", answers, config=dict(net.config), scheduler=dict(DDPMScheduler().config))


def edm(name, sigma, **config):
    net = EDMPrecond(8, 3, label_dim=3, model_type="DhariwalUNet", dropout=0, num_blocks=1, **config)
    sigma = torch.tensor(sigma)
    x = X * (0.25 + sigma**2).sqrt().reshape(-1, 1, 1, 1)
    told, untold = torch.eye(3)[CLASSES], torch.zeros(2, 3)
    answers = lambda net: {
        "x": x, "t": sigma, "y": CLASSES, "output": net(x, sigma, told), "without": net(x, sigma, untold),
    }
    record(name, net, "", answers, keep=[".resample_filter"])


def guided(name, told, **config):
    usual = dict(model_channels=32, channel_mult=(1, 2), attention_resolutions=(2,))
    net = UNetModel(
        image_size=8, in_channels=3, out_channels=6, num_res_blocks=1, use_scale_shift_norm=True, **{**usual, **config},
    )
    # It keeps gradients by checkpoints of its own.
    answers = lambda net: {
        "x": X, "t": STEPS, **({"y": CLASSES} if told else {}),
        "output": net(X, STEPS, CLASSES if told else None)[:, :3],
    }
    record(name, net, "", answers)


def transformer(name, **config):
    net = DiT(input_size=8, patch_size=2, in_channels=3, hidden_size=48, depth=2, num_heads=3, num_classes=3, **config)
    # The last row of the table stands for no class.
    none = torch.tensor([3, 3])
    answers = lambda net: {
        "x": X, "t": STEPS, "y": CLASSES,
        "output": net(X, STEPS, CLASSES)[:, :3], "without": net(X, STEPS, none)[:, :3], "pos_embed": net.pos_embed,
    }
    record(name, net, "", answers, keep=["pos_embed"])


diffusers("diffusers-classes", num_class_embeds=3)
diffusers("diffusers-timestep", class_embed_type="timestep")
# Its embedding is twice as wide as the first layer, not four times as in published networks.
edm("edm-adm", [0.01, 60.0], model_channels=32, channel_mult=[1, 4], channel_mult_emb=2, attn_resolutions=[4])
guided("guided", True, num_classes=3, num_head_channels=32, resblock_updown=True)
# As the network of 512 pixels, whose first layers are half as wide as what its embedding begins with.
half = dict(model_channels=64, channel_mult=(0.5, 1, 1), attention_resolutions=(4,))
guided("guided-half", True, num_classes=3, num_head_channels=32, resblock_updown=True, **half)
guided("guided-new-order", False, num_heads=4, use_new_attention_order=True)
transformer("dit")
