"""Writes the small diffusers models beside this file, with what they answer.

    pip install torch diffusers safetensors numpy
    python make.py

Weights are random, in half precision, and computed with in single precision. Recorded with torch 2.15 and
diffusers 0.42. Each folder holds what a published repository holds, and `io.safetensors` with `x`, `t` (what the
network is told: a step, or sigma) and `output`.
"""

from pathlib import Path

import torch
from diffusers import DDPMScheduler, ScoreSdeVeScheduler, UNet2DModel
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
WEIGHTS = "diffusion_pytorch_model"
# How diffusers called the parts of its attention before version 0.15.
LEGACY = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}


def legacy(name: str) -> str:
    for new, old in LEGACY.items():
        name = name.replace(new, old)
    return name


def make(name, scheduler, t, weights="safetensors", subfolders=False, **config):
    torch.manual_seed(0)
    net = UNet2DModel(sample_size=8, **config).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            # Not the usual start, at which norms do nothing and last layers are nothing.
            noise = torch.randn_like(parameter)
            parameter.copy_(parameter + (0.3 if parameter.ndim == 1 else 0.02) * noise)
            parameter.copy_(parameter.half().float())
        x, t = torch.randn(2, 3, 8, 8), torch.tensor(t)
        output = net(x, t).sample
    folder = HERE / name
    unet = folder / "unet" if subfolders else folder
    net.half().save_pretrained(unet)
    scheduler.save_pretrained(folder / "scheduler" if subfolders else folder)
    if weights == "bin":
        state = load_file(unet / f"{WEIGHTS}.safetensors")
        torch.save({legacy(name): value for name, value in state.items()}, unet / f"{WEIGHTS}.bin")
        (unet / f"{WEIGHTS}.safetensors").unlink()
    save_file({"x": x, "t": t.float(), "output": output}, folder / "io.safetensors")
    print(name, sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()), "bytes")


# As google/ddpm-cifar10-32: one head, DDPM's own embedding and padding, the old names in a .bin.
make(
    "ddpm",
    DDPMScheduler(),
    [20.0, 970.0],
    weights="bin",
    block_out_channels=(4, 8),
    layers_per_block=1,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    attention_head_dim=None,
    norm_num_groups=2,
    norm_eps=1e-6,
    downsample_padding=0,
    flip_sin_to_cos=False,
    freq_shift=1,
)
# What else UNet2DModel can be, in a pipeline's folders: two heads, cosines first, scales and shifts.
make(
    "heads",
    DDPMScheduler(beta_start=2e-4, beta_end=0.01, num_train_timesteps=500),
    [0.0, 333.0],
    subfolders=True,
    block_out_channels=(4, 8),
    layers_per_block=1,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    norm_num_groups=2,
    attention_head_dim=4,
    attn_norm_num_groups=2,
    resnet_time_scale_shift="scale_shift",
)
# As google/ncsnpp-ffhq-1024, with its attention in the middle only.
make(
    "ncsnpp",
    ScoreSdeVeScheduler(),
    [0.05, 700.0],
    block_out_channels=(4, 8),
    layers_per_block=1,
    down_block_types=("SkipDownBlock2D", "SkipDownBlock2D"),
    up_block_types=("SkipUpBlock2D", "SkipUpBlock2D"),
    attention_head_dim=None,
    norm_num_groups=None,
    norm_eps=1e-6,
    mid_block_scale_factor=2**0.5,
    time_embedding_type="fourier",
    freq_shift=0,
)
