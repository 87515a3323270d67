"""Writes a small checkpoint as score_sde's JAX code does, with what the network answers.

    pip install flax safetensors numpy
    python make.py

The network is DDPM++ with the smallest sizes, written anew after Song et al. 2021, appendix H: modules of the same
classes, made in the same order, get the same names from flax. Weights are random, in half precision, and computed with
in single precision.
"""

import json
from pathlib import Path
from typing import Any

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save_file

HERE = Path(__file__).parent
NF, SIZE, LEVELS = 4, 8, 2


def conv3x3(x, planes, stride=1):
    return nn.Conv(planes, kernel_size=(3, 3), strides=(stride, stride), padding="SAME")(x)


def norm(x):
    return nn.GroupNorm(num_groups=min(x.shape[-1] // 4, 32))(x)


class NIN(nn.Module):
    units: int

    @nn.compact
    def __call__(self, x):
        W = self.param("W", nn.initializers.normal(), (x.shape[-1], self.units))
        return jnp.einsum("bhwc,cd->bhwd", x, W) + self.param("b", nn.initializers.normal(), (self.units,))


class AttnBlockpp(nn.Module):
    @nn.compact
    def __call__(self, x):
        B, H, W, C = x.shape
        h = norm(x)
        q, k, v = NIN(C)(h), NIN(C)(h), NIN(C)(h)
        w = jnp.einsum("bhwc,bHWc->bhwHW", q, k) * C**-0.5
        w = jax.nn.softmax(w.reshape(B, H, W, H * W), axis=-1).reshape(B, H, W, H, W)
        return (x + NIN(C)(jnp.einsum("bhwHW,bHWc->bhwc", w, v))) / np.sqrt(2.0)


class ResnetBlockDDPMpp(nn.Module):
    @nn.compact
    def __call__(self, x, temb):
        h = conv3x3(nn.swish(norm(x)), NF)
        h = h + nn.Dense(NF)(nn.swish(temb))[:, None, None, :]
        h = conv3x3(nn.swish(norm(h)), NF)
        return ((x if x.shape[-1] == NF else NIN(NF)(x)) + h) / np.sqrt(2.0)


class Downsample(nn.Module):
    @nn.compact
    def __call__(self, x):
        return conv3x3(x, x.shape[-1], stride=2)


class Upsample(nn.Module):
    @nn.compact
    def __call__(self, x):
        B, H, W, C = x.shape
        return conv3x3(jax.image.resize(x, (B, 2 * H, 2 * W, C), "nearest"), C)


class NCSNpp(nn.Module):
    @nn.compact
    def __call__(self, x, labels):
        half = NF // 2
        phase = labels[:, None] * jnp.exp(-np.log(10000) / (half - 1) * jnp.arange(half))[None]
        temb = nn.Dense(4 * NF)(jnp.concatenate([jnp.sin(phase), jnp.cos(phase)], axis=1))
        temb = nn.Dense(4 * NF)(nn.swish(temb))
        hs = [conv3x3(x, NF)]
        for level in range(LEVELS):
            hs.append(ResnetBlockDDPMpp()(hs[-1], temb))
            if level < LEVELS - 1:
                hs.append(Downsample()(hs[-1]))
        # One after the other: a module is numbered when it is made, not when it is called.
        h = ResnetBlockDDPMpp()(hs[-1], temb)
        h = AttnBlockpp()(h)
        h = ResnetBlockDDPMpp()(h, temb)
        for level in reversed(range(LEVELS)):
            for _ in range(2):
                h = ResnetBlockDDPMpp()(jnp.concatenate([h, hs.pop()], axis=-1), temb)
            if level:
                h = Upsample()(h)
        return conv3x3(nn.swish(norm(h)), 3)


@flax.struct.dataclass
class State:
    step: int
    optimizer: Any
    lr: float
    model_state: Any
    ema_rate: float
    params_ema: Any
    rng: Any


rng = np.random.default_rng(0)
x = rng.standard_normal((2, SIZE, SIZE, 3), np.float32)
labels = np.array([19.98, 969.03], np.float32)
net = NCSNpp()
params = flax.core.unfreeze(net.init(jax.random.PRNGKey(0), x, labels)["params"])
params = jax.tree.map(lambda p: (p + 0.2 * rng.standard_normal(p.shape)).astype(np.float16), params)
with jax.default_matmul_precision("highest"):
    output = net.apply({"params": jax.tree.map(lambda p: p.astype(np.float32), params)}, x, labels)

# Of the live weights only the first are here, to save room.
optimizer = {"target": {"Dense_0": params["Dense_0"]}, "state": {"step": 1234}}
state = State(1234, optimizer, 2e-4, {}, 0.9999, params, np.array([0, 42], np.uint32))
(HERE / "checkpoint_24").write_bytes(flax.serialization.to_bytes(state))
channels_first = lambda image: np.ascontiguousarray(np.transpose(image, (0, 3, 1, 2)))
save_file({"x": channels_first(x), "labels": labels, "output": channels_first(np.asarray(output))}, HERE / "io.safetensors")
config = {
    "training": {"sde": "vpsde", "continuous": True},
    "data": {"image_size": SIZE, "num_channels": 3, "centered": True},
    "model": {
        "name": "ncsnpp", "nf": NF, "ch_mult": [1] * LEVELS, "num_res_blocks": 1, "attn_resolutions": [],
        "resamp_with_conv": True, "conditional": True, "fir": False, "skip_rescale": True, "resblock_type": "ddpm",
        "progressive": "none", "progressive_input": "none", "embedding_type": "positional", "scale_by_sigma": False,
        "nonlinearity": "swish", "normalization": "GroupNorm", "num_scales": 1000, "beta_min": 0.1, "beta_max": 20.0,
    },
}
(HERE / "config.json").write_text(json.dumps(config, indent=1) + "\n")
