"""Evaluations a second of score networks and of the exact score of a set of images: this program beside PyTorch, on the
same cores, in turn.

Both load the same weights or images and must give the same output. Each figure is the best of some rounds, because whatever
else the machine does only ever takes time away. Run by tests/speed/run.
"""

import argparse
import io
import json
import math
import multiprocessing
import os
import resource
import struct
import subprocess
import tarfile
import tempfile
import time
import zlib
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.utils.flop_counter import FlopCounterMode

from network import Network

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = dict(
    nf=128, resamp_with_conv=True, conditional=True, fir=True, fir_kernel=[1.0, 3.0, 3.0, 1.0], skip_rescale=True,
    resblock_type="biggan", progressive_combine="sum", embedding_type="fourier", fourier_scale=16.0,
    scale_by_sigma=True, nonlinearity="swish", attn_resolutions=[16], num_channels=3, centered=False, num_scales=1000,
    sigma_min=0.01,
)
# Continuous NCSN++ as published, with random weights.
RANDOM = {
    "cifar": dict(
        PUBLISHED, ch_mult=[1, 2, 2, 2], num_res_blocks=4, progressive="none", progressive_input="residual",
        image_size=32, sigma_max=50.0,
    ),
    "church": dict(
        PUBLISHED, ch_mult=[1, 1, 2, 2, 2, 2, 2], num_res_blocks=2, progressive="output_skip",
        progressive_input="input_skip", image_size=256, sigma_max=380.0,
    ),
}


def opened(path):
    with safe_open(path, "pt") as file:
        description = json.loads(file.metadata()["score-explorer"])
    network = Network(description["config"])
    network.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return network


def shipped():
    path = ROOT / "checkpoints/worlds-vp-small.safetensors"
    return opened(path), path


def drawn(name, folder):
    """A network with random weights of the size that keeps variances, and a file of it."""
    config = RANDOM[name]
    network = Network(config)
    generator = torch.Generator().manual_seed(0)
    for key, value in network.named_parameters():
        fan = value[0].numel() if value.dim() > 1 else 1
        scale = 16.0 if key == "all_modules.0.W" else 0.1 if value.dim() == 1 else fan**-0.5
        value.data = scale * torch.randn(value.shape, generator=generator)
        if "GroupNorm" in key and key.endswith("weight"):
            value.data += 1
    family = {"family": "ve", "sigma_min": config["sigma_min"], "sigma_max": config["sigma_max"]}
    description = {"config": config, "family": family, "continuous": True, "levels": 1000, "range": "unit"}
    path = Path(folder) / f"{name}.safetensors"
    tensors = {key: value.data.contiguous() for key, value in network.named_parameters()}
    save_file(tensors, path, {"score-explorer": json.dumps(description)})
    return network, path


def label(network, t):
    config = network.config
    if config["embedding_type"] == "fourier":
        return config["sigma_min"] * (config["sigma_max"] / config["sigma_min"]) ** t
    return t * 999


def agreement(network, path, program, folder, device="cpu"):
    """Largest difference of the outputs, in units of the largest output."""
    config, times = network.config, torch.tensor([0.2, 0.7])
    size = config["image_size"]
    x = torch.rand((2, config["num_channels"], size, size), generator=torch.Generator().manual_seed(1))
    given, found = Path(folder) / "x.safetensors", Path(folder) / "y.safetensors"
    save_file({"x": x, "t": times}, given)
    command = [program, "score", "--model", path, "--input", given, "--output", found, "--device", device]
    subprocess.run(command, check=True, capture_output=True)
    with torch.inference_mode():
        expected = network(x, label(network, times.double()).float())
    ours = load_file(found)["output"]
    errors = [((a - b).abs().max() / b.abs().max()).item() for a, b in zip(ours, expected)]
    return max(errors)


def ours(program, path, batch, what="evaluations", threads=None, device="cpu"):
    """Evaluations a second, or such with gradients, and the most memory in MiB."""
    command = [program, "bench", "--model", path, "--device", device, f"--{what}", str(batch), "--json"]
    environment = dict(os.environ, RAYON_NUM_THREADS=str(threads)) if threads else None
    output = subprocess.run(command, check=True, capture_output=True, env=environment).stdout
    figures = json.loads(output)
    return figures[what][0]["best"], figures["peak"] / 2**20


def shortest(work, seconds):
    """Of the times that some work takes, again and again."""
    work()
    best, began = float("inf"), time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def theirs(network, x, labels, seconds):
    with torch.inference_mode():
        return len(x) / shortest(lambda: network(x, labels), seconds)


def gradients(network, x, labels, seconds):
    """vᵀ·∂output/∂x; the parameters want no gradients."""
    network.requires_grad_(False)
    v, x = torch.randn_like(x), x.clone().requires_grad_()
    return len(x) / shortest(lambda: torch.autograd.grad(network(x, labels), x, v), seconds)


def peak(seconds):
    """GFLOP/s of a plain matrix product on all threads."""
    a, b = torch.rand((2048, 2048)), torch.rand((2048, 2048))
    return 2 * 2048**3 / shortest(lambda: a @ b, seconds) / 1e9


def question(network, batch):
    """Images and labels of a batch."""
    size = network.config["image_size"]
    x = torch.rand((batch, network.config["num_channels"], size, size))
    return x, label(network, torch.full((batch,), 0.5))


def work(network, x, labels):
    """GFLOP of one image by the definitions of its layers."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(x[:1], labels[:1])
    return counter.get_total_flops() / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, type=Path)
    parser.add_argument("--networks", nargs="*", default=["shipped", "cifar", "church"])
    parser.add_argument("--images", type=int, default=50_000, help="random images in the set; 0 leaves it out")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4, 16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="least time for one figure")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu", help="gpu: only evaluations")
    parser.add_argument("--training", type=int, metavar="BATCH", help="only whole steps of a training")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    args = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        for name in args.networks:
            network, path = shipped() if name == "shipped" else drawn(name, folder)
            if args.device == "gpu":
                compare_on_gpu(name, network.eval(), path, folder, args)
                continue
            if args.training:
                error = agreement(network.eval(), path, args.program, folder)
                print(f"\n{name}: outputs differ by {error:.1e} of the largest")
                compare_training(path, args.training, args)
                continue
            compare(name, network.eval(), path, folder, args)
        if args.images and not args.training and args.device == "cpu":
            compare_exact(folder, args)


def compare(name, network, path, folder, args):
    error = agreement(network, path, args.program, folder)
    parameters = sum(value.numel() for value in network.parameters())
    print(f"\n{name}: {parameters / 1e6:.1f} M parameters; outputs differ by {error:.1e} of the largest")
    assert error < 1e-3, "the outputs differ: the comparison would mean nothing"
    size = network.config["image_size"]
    rivals = ["eager", "channels-last"] + ([] if args.no_compile else ["compiled"])
    heads = ["ours", *rivals, "ours/eager", *([] if args.no_compile else ["ours/compiled"]), "of peak", "2 threads/1"]
    print(f"{'batch':>6}" + "".join(f"{head:>15}" for head in heads))
    batches = args.batches if size < 128 else [1]
    for batch in batches:
        x, labels = question(network, batch)
        best = dict.fromkeys(["ours", "alone", "peak", *rivals], 0.0)
        for _ in range(args.rounds):
            speed, memory = ours(args.program, path, batch)
            alone, _ = ours(args.program, path, batch, threads=1)
            best["ours"], best["alone"] = max(best["ours"], speed), max(best["alone"], alone)
            best["peak"] = max(best["peak"], peak(args.seconds / 4))
            for rival in rivals:
                best[rival] = max(best[rival], rate(rival, network, x, labels, args.seconds))
        figures = [best[name] for name in ["ours", *rivals]]
        figures += [best["ours"] / max(best["eager"], best["channels-last"])]
        figures += [] if args.no_compile else [best["ours"] / best["compiled"]]
        figures += [best["ours"] * work(network, x, labels) / best["peak"], best["ours"] / best["alone"]]
        print(f"{batch:>6}" + "".join(f"{figure:>15.2f}" for figure in figures), flush=True)
    print(f"{work(network, x, labels):.2f} GFLOP an image; the last peak was {best['peak']:.0f} GFLOP/s")
    theirs_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory at the last batch: {memory:.0f} MiB; of PyTorch's process so far: {theirs_memory:.0f} MiB")
    compare_gradients(network, path, [batch for batch in batches if batch <= 16], args)


def compare_on_gpu(name, network, path, folder, args):
    """On one card, in turn. PyTorch may use the card's reduced precision for single precision, too, as it does."""
    error = agreement(network, path, args.program, folder, "gpu")
    print(f"\n{name}: outputs differ by {error:.1e} of the largest", flush=True)
    assert error < 1e-3, "the outputs differ: the comparison would mean nothing"
    torch.backends.cudnn.benchmark = True
    rivals = [(mode, precision) for mode in RIVALS[args.no_compile] for precision in [torch.float32, torch.float16]]
    names = [f"{mode} {str(precision)[6:]}" for mode, precision in rivals]
    print(f"{'batch':>6}" + "".join(f"{head:>19}" for head in ["ours", *names, "ours/fastest"]))
    batches = args.batches if network.config["image_size"] < 128 else [1, 16]
    best = {batch: dict.fromkeys(["ours", *names], 0.0) for batch in batches}
    for _ in range(args.rounds):
        for batch in batches:
            speed, _ = ours(args.program, path, batch, device="gpu")
            best[batch]["ours"] = max(best[batch]["ours"], speed)
    for (mode, precision), rival in zip(rivals, names):
        network = network.to("cuda", precision, memory_format=torch.channels_last)
        asked = torch.compile(network, dynamic=False, mode="reduce-overhead") if mode == "compiled" else network
        for batch in batches:
            x, labels = question(network, batch)
            x, labels = x.to("cuda", precision, memory_format=torch.channels_last), labels.to("cuda")
            best[batch][rival] = on_gpu(asked, x, labels, args.seconds)
    network.to("cpu", torch.float32, memory_format=torch.contiguous_format)
    for batch, of in best.items():
        figures = [*of.values(), of["ours"] / max(of[rival] for rival in names)]
        print(f"{batch:>6}" + "".join(f"{figure:>19.2f}" for figure in figures), flush=True)


RIVALS = {False: ["eager", "compiled"], True: ["eager"]}


def on_gpu(network, x, labels, seconds):
    """Evaluations a second, of which eight are asked for before any is waited for."""

    def work():
        with torch.inference_mode():
            for _ in range(8):
                network(x, labels)
        torch.cuda.synchronize()

    return 8 * len(x) / shortest(work, seconds)


def compare_gradients(network, path, batches, args):
    layouts = {"eager": torch.contiguous_format, "channels-last": torch.channels_last}
    print(f"with gradients\n{'batch':>6}" + "".join(f"{head:>15}" for head in ["ours", *layouts, "ours/eager"]))
    for batch in batches:
        x, labels = question(network, batch)
        best = dict.fromkeys(["ours", *layouts], 0.0)
        for _ in range(args.rounds):
            best["ours"] = max(best["ours"], ours(args.program, path, batch, "gradients")[0])
            for layout, memory_format in layouts.items():
                network = network.to(memory_format=memory_format)
                found = gradients(network, x.contiguous(memory_format=memory_format), labels, args.seconds)
                best[layout] = max(best[layout], found)
        figures = [*best.values(), best["ours"] / max(best[layout] for layout in layouts)]
        print(f"{batch:>6}" + "".join(f"{figure:>15.2f}" for figure in figures), flush=True)


def png(levels):
    """A file of an image, 3×H×W bytes, without compression."""
    _, height, width = levels.shape
    rows = b"".join(b"\0" + row.numpy().tobytes() for row in levels.permute(1, 2, 0).contiguous())
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 0)),
        (b"IEND", b""),
    ]
    parts = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def image_set(count, folder):
    """Random images 3×32×32 in [−1, 1], one a row, and an archive of them."""
    levels = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    path = Path(folder) / "images.tar"
    with tarfile.open(path, "w") as archive:
        for index, image in enumerate(levels):
            body = png(image)
            info = tarfile.TarInfo(f"{index:06}.png")
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return levels.flatten(1).float() / 127.5 - 1, path


def vp(t):
    """α and σ of VP as published, with β from 0.1 to 20."""
    alpha = math.exp(-0.25 * 19.9 * t**2 - 0.05 * t)
    return alpha, math.sqrt(1 - alpha**2)


def exact_score(y, half_squares, x, alpha, sigma):
    weights = torch.addmm(half_squares * -((alpha / sigma) ** 2), x * (alpha / sigma**2), y.T).softmax(1)
    return torch.addmm(x, weights, y, beta=-1, alpha=alpha) / sigma**2


def exact_agreement(y, half_squares, path, program, folder):
    """Largest difference of the scores, in units of the largest score."""
    times = torch.tensor([0.1, 0.3, 0.5, 1.0])
    levels = [vp(t) for t in times.tolist()]
    z = torch.randn((len(times), y.shape[1]), generator=torch.Generator().manual_seed(1))
    x = torch.stack([alpha * y[i] + sigma * z[i] for i, (alpha, sigma) in enumerate(levels)])
    given, found = Path(folder) / "x.safetensors", Path(folder) / "y.safetensors"
    save_file({"x": x.reshape(-1, 3, 32, 32), "t": times}, given)
    command = [program, "score", "--model", f"exact:{path}", "--input", given, "--output", found, "--device", "cpu"]
    subprocess.run(command, check=True, capture_output=True)
    expected = [exact_score(y, half_squares, x[i : i + 1], *level) for i, level in enumerate(levels)]
    ours = load_file(found)["score"].flatten(1)
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(ours, expected))


def compare_exact(folder, args):
    """At t = 1, where all images have weight and none can be passed over."""
    y, path = image_set(args.images, folder)
    half_squares = y.square().sum(1) / 2
    error = exact_agreement(y, half_squares, path, args.program, folder)
    print(f"\nexact: the score of {len(y)} images 3×32×32; scores differ by {error:.1e} of the largest")
    assert error < 1e-3, "the scores differ: the comparison would mean nothing"
    best = {batch: dict.fromkeys(["ours", "alone", "theirs"], 0.0) for batch in args.batches}
    for _ in range(args.rounds):
        for name, threads in (("ours", None), ("alone", 1)):
            figures, memory = exact_figures(args, path, threads)
            for batch, figure in figures.items():
                best[batch][name] = max(best[batch][name], figure)
        for batch, of in best.items():
            x, level = torch.randn((batch, y.shape[1])), vp(1.0)
            with torch.inference_mode():
                seconds = shortest(lambda: exact_score(y, half_squares, x, *level), args.seconds)
            of["theirs"] = max(of["theirs"], batch / seconds)
    print(f"{'batch':>6}" + "".join(f"{head:>15}" for head in ["ours", "PyTorch", "ours/PyTorch", "2 threads/1"]))
    for batch, of in best.items():
        figures = [of["ours"], of["theirs"], of["ours"] / of["theirs"], of["ours"] / of["alone"]]
        print(f"{batch:>6}" + "".join(f"{figure:>15.2f}" for figure in figures), flush=True)
    theirs_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory: {memory:.0f} MiB, with reading the files; of PyTorch's process so far: {theirs_memory:.0f} MiB")


def exact_figures(args, path, threads=None):
    """Evaluations a second by batch, and the most memory in MiB."""
    batches = ",".join(map(str, args.batches))
    command = [args.program, "bench", "--model", f"exact:{path}", "--device", "cpu", "--evaluations", batches, "--json"]
    environment = dict(os.environ, RAYON_NUM_THREADS=str(threads)) if threads else None
    figures = json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)
    return {of["batch"]: of["best"] for of in figures["evaluations"]}, figures["peak"] / 2**20


LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


def compare_training(path, batch, args):
    """Whole steps: forward, backward, clipping, Adam, EMA. Each in a process of its own, for its memory."""
    rivals = [(precision, layout) for precision in ["f32", "bf16"] for layout in LAYOUTS]
    best, memory = dict.fromkeys(["ours", *rivals], 0.0), {}
    for _ in range(args.rounds):
        speed, memory["ours"] = ours(args.program, path, batch, "training")
        best["ours"] = max(best["ours"], speed)
        for rival in rivals:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                speed, memory[rival] = pool.apply(train, (path, batch, *rival, args.seconds))
            best[rival] = max(best[rival], speed)
    print(f"training, steps of {batch}: images/s, and MiB at most")
    for name, speed in best.items():
        print(f"{name if name == 'ours' else ' '.join(name):>20}{speed:>10.1f}{memory[name]:>10.0f}")
    print(f"ours/fastest {best['ours'] / max(best[rival] for rival in rivals):.2f}", flush=True)


def train(path, batch, precision, layout, seconds):
    """Images a second of PyTorch's whole step, and the most memory in MiB."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    network = opened(path).to(memory_format=LAYOUTS[layout]).train().requires_grad_()
    parameters = list(network.parameters())
    average = [value.detach().clone() for value in parameters]
    adam = torch.optim.Adam(parameters, lr=2e-4, foreach=True)
    clean, _ = question(network, batch)

    def step():
        t = torch.rand(batch)
        # As for VP: what is predicted is the noise.
        mean, z = torch.exp(-5 * t * t).view(-1, 1, 1, 1), torch.randn_like(clean)
        x = (mean * clean + (1 - mean**2).sqrt() * z).contiguous(memory_format=LAYOUTS[layout])
        adam.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            output = network(x, label(network, t))
        (output.float() - z).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        adam.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, parameters, 5e-4)

    speed = batch / shortest(step, seconds)
    return speed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


COMPILED = {}


def rate(rival, network, x, labels, seconds):
    if rival == "eager":
        return theirs(network.to(memory_format=torch.contiguous_format), x, labels, seconds)
    network = network.to(memory_format=torch.channels_last)
    if rival == "compiled":
        network = COMPILED.setdefault((id(network), len(x)), torch.compile(network, dynamic=False))
    return theirs(network, x.contiguous(memory_format=torch.channels_last), labels, seconds)


if __name__ == "__main__":
    main()
