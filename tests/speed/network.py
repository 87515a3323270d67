"""The network of NCSN++ and DDPM++ (Song et al. 2021, appendix H) in PyTorch, with BigGAN blocks.

Parameters have the published names. Only what the networks of compare.py need is here.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


def resample(x, taps, up):
    """Halves or doubles height and width: with a low-pass filter, or by means and repetition."""
    if taps is None:
        return F.interpolate(x, scale_factor=2.0) if up else F.avg_pool2d(x, 2)
    channels, size = x.shape[1], len(taps)
    kernel = torch.tensor(taps, dtype=x.dtype, device=x.device)
    kernel = torch.outer(kernel, kernel) / kernel.sum() ** 2
    if up:
        kernel = (4 * kernel).expand(channels, 1, size, size)
        return F.conv_transpose2d(x, kernel, stride=2, padding=size // 2 - 1, groups=channels)
    kernel = kernel.flip(0, 1).expand(channels, 1, size, size)
    return F.conv2d(x, kernel, stride=2, padding=(size - 2) // 2, groups=channels)


def norm(channels):
    return nn.GroupNorm(min(channels // 4, 32), channels, eps=1e-6)


class Nin(nn.Module):
    """A map of each pixel's channels."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.W, self.b = nn.Parameter(torch.empty(inputs, outputs)), nn.Parameter(torch.empty(outputs))

    def forward(self, x):
        return F.conv2d(x, self.W.t()[:, :, None, None], self.b)


class Attention(nn.Module):
    def __init__(self, channels, scale):
        super().__init__()
        self.scale = scale
        self.GroupNorm_0 = norm(channels)
        for index in range(4):
            setattr(self, f"NIN_{index}", Nin(channels, channels))

    def forward(self, x):
        n, c, h, w = x.shape
        y = self.GroupNorm_0(x)
        q, k, v = (nin(y).reshape(n, 1, c, h * w).transpose(2, 3) for nin in (self.NIN_0, self.NIN_1, self.NIN_2))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(n, c, h, w)
        return (x + self.NIN_3(mixed)) * self.scale


class Block(nn.Module):
    def __init__(self, inputs, outputs, told, taps, scale, up=None):
        super().__init__()
        self.taps, self.scale, self.up = taps, scale, up
        self.GroupNorm_0, self.Conv_0 = norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.Dense_0 = nn.Linear(told, outputs)
        self.GroupNorm_1, self.Conv_1 = norm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        if inputs != outputs or up is not None:
            self.Conv_2 = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, embedding):
        h = F.silu(self.GroupNorm_0(x))
        if self.up is not None:
            x, h = resample(x, self.taps, self.up), resample(h, self.taps, self.up)
        h = self.Conv_0(h) + self.Dense_0(embedding)[:, :, None, None]
        h = self.Conv_1(F.silu(self.GroupNorm_1(h)))
        if hasattr(self, "Conv_2"):
            x = self.Conv_2(x)
        return (x + h) * self.scale


class FilteredHalving(nn.Module):
    """Low-pass filter, then a convolution that halves."""

    def __init__(self, inputs, outputs, taps):
        super().__init__()
        self.taps, self.Conv2d_0 = taps, nn.Conv2d(inputs, outputs, 3, stride=2)

    def forward(self, x):
        channels, size = x.shape[1], len(self.taps)
        kernel = torch.tensor(self.taps, dtype=x.dtype, device=x.device)
        kernel = (torch.outer(kernel, kernel) / kernel.sum() ** 2).flip(0, 1).expand(channels, 1, size, size)
        return self.Conv2d_0(F.conv2d(x, kernel, padding=size // 2, groups=channels))


class Skip(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.Conv_0 = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x):
        return self.Conv_0(x)


class Fourier(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.W = nn.Parameter(torch.empty(features))


class Network(nn.Module):
    """`config`: this program's own, as in a checkpoint's metadata."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.taps = config["fir_kernel"] if config["fir"] else None
        scale = math.sqrt(0.5) if config["skip_rescale"] else 1.0
        nf, levels, told = config["nf"], len(config["ch_mult"]), 4 * config["nf"]
        modules = [Fourier(nf)] if config["embedding_type"] == "fourier" else []
        modules += [nn.Linear(2 * nf if modules else nf, told), nn.Linear(told, told)]
        # What forward does, in order: a name, and a module for those that have one.
        self.steps = []

        def add(name, module=None):
            self.steps.append((name, None if module is None else len(modules)))
            if module is not None:
                modules.append(module)

        channels, pyramid = nf, config["num_channels"]
        add("conv", nn.Conv2d(pyramid, channels, 3, padding=1))
        kept = [channels]
        add("keep")
        for level, factor in enumerate(config["ch_mult"]):
            for _ in range(config["num_res_blocks"]):
                add("block", Block(channels, nf * factor, told, self.taps, scale))
                channels = nf * factor
                if config["image_size"] >> level in config["attn_resolutions"]:
                    add("attention", Attention(channels, scale))
                kept.append(channels)
                add("keep")
            if level + 1 < levels:
                add("block", Block(channels, channels, told, self.taps, scale, up=False))
                if config["progressive_input"] == "input_skip":
                    add("input skip", Skip(pyramid, channels))
                if config["progressive_input"] == "residual":
                    add("input residual", FilteredHalving(pyramid, channels, self.taps))
                    pyramid = channels
                kept.append(channels)
                add("keep")
        add("block", Block(channels, channels, told, self.taps, scale))
        add("attention", Attention(channels, scale))
        add("block", Block(channels, channels, told, self.taps, scale))
        for level, factor in reversed(list(enumerate(config["ch_mult"]))):
            for _ in range(config["num_res_blocks"] + 1):
                add("recall")
                add("block", Block(channels + kept.pop(), nf * factor, told, self.taps, scale))
                channels = nf * factor
            if config["image_size"] >> level in config["attn_resolutions"]:
                add("attention", Attention(channels, scale))
            if config["progressive"] == "output_skip":
                add("norm", norm(channels))
                add("output", nn.Conv2d(channels, config["num_channels"], 3, padding=1))
            if level > 0:
                add("block", Block(channels, channels, told, self.taps, scale, up=True))
        if config["progressive"] == "none":
            add("norm", norm(channels))
            add("output", nn.Conv2d(channels, config["num_channels"], 3, padding=1))
        self.scale = scale
        self.all_modules = nn.ModuleList(modules)

    def embed(self, labels):
        if self.config["embedding_type"] == "fourier":
            phases = labels.log()[:, None] * self.all_modules[0].W * 2 * math.pi
            first = 1
        else:
            half = self.config["nf"] // 2
            frequencies = torch.exp(torch.arange(half, device=labels.device) * (-math.log(10000) / (half - 1)))
            phases, first = labels[:, None] * frequencies, 0
        features = torch.cat([phases.sin(), phases.cos()], dim=1)
        hidden = F.silu(self.all_modules[first](features.to(self.all_modules[first].weight.dtype)))
        return F.silu(self.all_modules[first + 1](hidden))

    def forward(self, x, labels):
        if not self.config["centered"]:
            x = 2 * x - 1
        h, pyramid, output, kept, normed = x, x, None, [], None
        embedding = self.embed(labels)
        for name, index in self.steps:
            module = None if index is None else self.all_modules[index]
            if name == "keep":
                kept.append(h)
            elif name == "recall":
                h = torch.cat([h, kept.pop()], dim=1)
            elif name == "block":
                h = module(h, embedding)
            elif name == "input skip":
                pyramid = resample(pyramid, self.taps, up=False)
                h = module(pyramid) + h
            elif name == "input residual":
                h = pyramid = (module(pyramid) + h) * self.scale
            elif name == "norm":
                normed = F.silu(module(h))
            elif name == "output":
                part = module(normed)
                output = part if output is None else resample(output, self.taps, up=True) + part
            else:
                h = module(h)
        return output / labels[:, None, None, None] if self.config["scale_by_sigma"] else output
