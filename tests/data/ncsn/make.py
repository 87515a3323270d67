"""Writes the small NCSN and NCSNv2 models beside this file, with what they answer.

    pip install torch safetensors numpy pyyaml
    python make.py PATH/TO/ncsn PATH/TO/ncsnv2

The two arguments are checkouts of the original releases (Song & Ermon 2019 and 2020), whose classes are imported.
Weights are random, in half precision, and computed with in single precision. Recorded with torch 2.15.

`ncsn` and `ncsnv2` hold a checkpoint as the releases' own training loops save it, in the file format of the PyTorch
of those years (before 1.6), with the configuration: that of `ncsn` as its training loop dumps it, that of `ncsnv2` as
its repository has it. `ncsnv2_128` and `ncsnv2_256` (NCSNv2Deeper and NCSNv2Deepest) hold neither: parameter number
k, of the names in order, has at its flat index i (both from 0) the value of `formula`, with
s = sin(0.37 i (1 + 1e-4 i) + 1.3 k). `io.safetensors` holds `x`, the `labels` (levels, largest sigma first) and
`output`, which is the score.
"""

import sys
from argparse import Namespace
from math import sqrt
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

HERE = Path(__file__).parent


def namespace(fields):
    return Namespace(**{k: namespace(v) if isinstance(v, dict) else v for k, v in fields.items()})


def originals(path, module, names):
    """Classes of a checkout; both have a package called models."""
    for name in [name for name in sys.modules if name.split(".")[0] == "models"]:
        del sys.modules[name]
    sys.path.insert(0, path)
    found = __import__(f"models.{module}", fromlist=names)
    sys.path.pop(0)
    return [getattr(found, name) for name in names]


def record(folder, net, shape, labels):
    x = torch.rand(len(labels), *shape) + torch.randn(len(labels), *shape) * 0.5
    labels = torch.tensor(labels)
    with torch.no_grad():
        output = net.eval()(x, labels)
    save_file({"x": x, "labels": labels.float(), "output": output}, folder / "io.safetensors")
    print(folder.name, sum(file.stat().st_size for file in folder.iterdir()), "bytes", output.abs().amax((1, 2, 3)))


def rounded(tensor):
    return tensor.half().float()


def shaken(net):
    """Not the usual start, at which biases are nothing and all norms the same."""
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            noise = 0.02 if parameter.ndim == 4 else 0.2
            parameter.copy_(rounded(parameter + noise * torch.randn_like(parameter)))
    return net


def half(state):
    return {name: value if name.endswith("sigmas") else value.half() for name, value in state.items()}


def save(states, folder):
    torch.save(states, folder / "checkpoint.pth", _use_new_zipfile_serialization=False)


def stepped(net):
    """An optimizer that has seen gradients, of one parameter so that it stays small."""
    optimizer = torch.optim.Adam(net.parameters(), lr=0.0)
    net.end_conv.bias.grad = torch.ones_like(net.end_conv.bias)
    optimizer.step()
    return optimizer.state_dict()


def make_ncsn(checkout):
    (Net,) = originals(checkout, "cond_refinenet_dilated", ["CondRefineNetDilated"])
    folder = HERE / "ncsn"
    folder.mkdir(exist_ok=True)
    config = namespace({
        "training": {"batch_size": 128, "n_iters": 200001, "algo": "dsm", "anneal_power": 2.0},
        "data": {"dataset": "MNIST", "image_size": 28, "channels": 1, "logit_transform": False, "random_flip": False},
        "model": {"sigma_begin": 1, "sigma_end": 0.01, "num_classes": 10, "batch_norm": False, "ngf": 4},
        "optim": {"weight_decay": 0.0, "optimizer": "Adam", "lr": 0.001, "beta1": 0.9, "amsgrad": False},
    })
    (folder / "config.yml").write_text(yaml.dump(config, default_flow_style=False))
    torch.manual_seed(0)
    net = shaken(Net(config))
    parallel = torch.nn.DataParallel(net)
    save([half(parallel.state_dict()), stepped(net)], folder)
    record(folder, net, (1, 28, 28), [0, 9])


V2 = """training:
  batch_size: 128
  anneal_power: 2

data:
  dataset: "{dataset}"
  image_size: {size}
  channels: 3
  logit_transform: false
  uniform_dequantization: false
  gaussian_dequantization: false
  random_flip: true
  rescaled: {rescaled}

model:
  sigma_begin: {sigma}
  num_classes: {classes}
  ema: true
  ema_rate: 0.999  # of the shadow
  spec_norm: false
  sigma_dist: geometric
  sigma_end: 0.01
  normalization: InstanceNorm++
  nonlinearity: {act}
  ngf: 4

optim:
  lr: 0.0001
  eps: 0.00000001
"""


def v2_config(folder, **fields):
    folder.mkdir(exist_ok=True)
    text = V2.format(**fields)
    if folder.name == "ncsnv2":
        (folder / "config.yml").write_text(text)
    return namespace({**yaml.safe_load(text), "device": "cpu"})


def make_ncsnv2(Net):
    folder = HERE / "ncsnv2"
    config = v2_config(folder, dataset="CIFAR10", size=16, rescaled="false", sigma=50, classes=20, act="elu")
    torch.manual_seed(1)
    net = shaken(Net(config))
    live = half(torch.nn.DataParallel(net).state_dict())
    # The average differs from the live weights on purpose.
    shadow = {name: value.detach().clone() for name, value in shaken(net).named_parameters()}
    save([live, stepped(net), 3, 1234, half(shadow)], folder)
    record(folder, net, (3, 16, 16), [7, 19])


def formula(name, shape, k):
    count = torch.Size(shape).numel()
    i = torch.arange(count, dtype=torch.float64)
    s = torch.sin(0.37 * i * (1 + 1e-4 * i) + 1.3 * k)
    if len(shape) > 1:
        values = 1.2 * s * sqrt(2 / (count // shape[0]))
    elif name.endswith(("alpha", "gamma")):
        values = 1 + 0.3 * s
    else:
        values = 0.1 * s
    return values.float().reshape(shape)


def make_deep(name, Net, **fields):
    folder = HERE / name
    config = v2_config(folder, size=16, classes=20, **fields)
    net = Net(config)
    parameters = dict(net.named_parameters())
    with torch.no_grad():
        for k, name in enumerate(sorted(parameters)):
            parameters[name].copy_(formula(name, parameters[name].shape, k))
    torch.manual_seed(2)
    record(folder, net, (3, 16, 16), [2, 19])


make_ncsn(sys.argv[1])
V2_CLASSES = originals(sys.argv[2], "ncsnv2", ["NCSNv2", "NCSNv2Deeper", "NCSNv2Deepest"])
make_ncsnv2(V2_CLASSES[0])
make_deep("ncsnv2_128", V2_CLASSES[1], dataset="LSUN", rescaled="true", sigma=190, act="elu")
make_deep("ncsnv2_256", V2_CLASSES[2], dataset="FFHQ", rescaled="false", sigma=348, act="swish")
