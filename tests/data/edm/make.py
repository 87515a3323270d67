"""Writes the small EDM networks beside this file, with what they answer.

    pip install nvidia-physicsnemo safetensors
    python make.py

The networks are NVIDIA's own newer version of EDM's `SongUNet` and preconditioners; their attention is given its name in
the published state dictionaries here. Weights are random, in half precision, and computed with in single precision.
Recorded with torch 2.15 and physicsnemo 2.2. Each `NAME.safetensors` is the state dictionary as `net.state_dict()` gives
it; `NAME-io.safetensors` holds `x`, `sigma` and `denoised`, the answer D(x; sigma), without a class, and `of_class_1`
where there are classes.
"""

import sys
import types
from pathlib import Path

import torch
from safetensors.torch import save_file

# It would read models from the cloud by this.
sys.modules.setdefault("s3fs", types.ModuleType("s3fs"))
from physicsnemo.diffusion.preconditioners.legacy import EDMPrecond, VEPrecond, VPPrecond  # noqa: E402

HERE = Path(__file__).parent
SIZE = 16
DDPMPP = {"embedding_type": "positional", "encoder_type": "standard", "channel_mult_noise": 1, "resample_filter": [1, 1]}
NCSNPP = {"embedding_type": "fourier", "encoder_type": "residual", "channel_mult_noise": 2, "resample_filter": [1, 3, 3, 1]}


def make(name, kind, sigma, prefix="model.", note=True, **config):
    torch.manual_seed(0)
    net = kind(
        img_resolution=SIZE, img_channels=3, model_type="SongUNet", model_channels=8, channel_mult=[1, 2],
        decoder_type="standard", attn_resolutions=[8], dropout=0.0, **config,
    )
    # Only in training are variances those of the published code, which does not divide by n - 1.
    net.train()
    with torch.no_grad():
        for parameter in net.parameters():
            # Not the usual start, at which norms do nothing and last layers are nothing.
            spread = 0.3 if parameter.ndim == 1 else parameter[0].numel() ** -0.5
            start = parameter if parameter.ndim == 1 else 0
            parameter.copy_((start + spread * torch.randn_like(parameter)).half().float())
        sigma = torch.tensor(sigma)
        x = torch.randn(len(sigma), 3, SIZE, SIZE) * (0.25 + sigma**2).sqrt().reshape(-1, 1, 1, 1)
        figures = {"x": x, "sigma": sigma}
        if classes := config.get("label_dim"):
            labels = torch.zeros(len(sigma), classes)
            figures["denoised"] = net(x, sigma, class_labels=labels)
            labels[:, 1] = 1
            figures["of_class_1"] = net(x, sigma, class_labels=labels)
        else:
            figures["denoised"] = net(x, sigma)
    state = {}
    for key, value in net.state_dict().items():
        key = key.replace(".attn.norm.", ".norm2.").replace(".attn.", ".")
        # The published embedding by sines keeps no frequencies.
        sines = key.endswith(".map_noise.freqs") and config["embedding_type"] == "positional"
        if key.startswith("model.") and not sines:
            # Buffers stay as they are.
            parameter = not key.endswith((".resample_filter", ".freqs"))
            state[prefix + key.removeprefix("model.")] = (value.half() if parameter else value).contiguous()
    save_file(state, HERE / f"{name}.safetensors", {"class": kind.__name__} if note else None)
    save_file(figures, HERE / f"{name}-io.safetensors")
    print(name, (HERE / f"{name}.safetensors").stat().st_size, "bytes")


# As edm-cifar10-32x32-uncond-vp.
make("edm-ddpmpp", EDMPrecond, [0.01, 0.7, 60.0], note=False, num_blocks=2, augment_dim=9, **DDPMPP)
# As edm-cifar10-32x32-cond-ve.
make("edm-ncsnpp", EDMPrecond, [0.01, 0.7, 60.0], num_blocks=1, label_dim=3, augment_dim=9, **NCSNPP)
# As baseline-cifar10-32x32-uncond-vp; the network alone.
make("vp-ddpmpp", VPPrecond, [0.02, 0.7, 60.0], prefix="", num_blocks=1, **DDPMPP)
# As baseline-cifar10-32x32-uncond-ve.
make("ve-ncsnpp", VEPrecond, [0.05, 0.7, 60.0], num_blocks=1, **NCSNPP)
