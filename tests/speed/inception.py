"""FID of two folders of images: this program beside pytorch-fid's own code, with the same weights, on the same cores.

The weights are random, by the formula of tests/data/metrics/inception.json, so that no file need be downloaded. Both must
find the same distance. Run by tests/speed/inception.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy
import torch
from PIL import Image
from pytorch_fid import fid_score, inception

ROOT = Path(__file__).resolve().parents[2]


def weights():
    recorded = json.loads((ROOT / "tests/data/metrics/inception.json").read_text())
    state = {}
    for k, (name, shape) in enumerate(zip(recorded["keys"], recorded["shapes"])):
        i = numpy.arange(int(numpy.prod(shape)), dtype=numpy.float64)
        s = numpy.sin(0.37 * i * (1 + 1e-4 * i) + 1.3 * k)
        if name.endswith("running_var") or name.endswith("bn.weight"):
            values = 1 + 0.3 * s
        elif len(shape) > 1:
            values = 1.2 * s * numpy.sqrt(2 / numpy.prod(shape[1:]))
        else:
            values = 0.1 * s
        state[name] = torch.tensor(values.reshape(shape), dtype=torch.float32)
    return state


def images(folder, count, seed):
    folder.mkdir()
    random = numpy.random.default_rng(seed)
    for number in range(count):
        small = Image.fromarray(random.integers(0, 256, (6 + seed, 6, 3), dtype=numpy.uint8))
        small.resize((32, 32), Image.BICUBIC).save(folder / f"{number:06}.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default="target/release/score-explorer")
    parser.add_argument("--images", type=int, default=200, help="in each of two folders")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        state = weights()
        torch.save(state, folder / "weights.pth")
        inception.load_state_dict_from_url = lambda *_, **__: state
        for seed in range(2):
            images(folder / str(seed), options.images, seed)
        paths = [str(folder / "0"), str(folder / "1")]

        began = time.monotonic()
        line = [options.program, "metric", "fd:0", *paths, "--inception", folder / "weights.pth", "--no-cache", "--json"]
        told = json.loads(subprocess.run(line, check=True, capture_output=True).stdout)
        own, ours = time.monotonic() - began, told["metrics"]["fd"]["value"]
        network = told["generated"]["seconds"] + told["reference"]["seconds"]

        began = time.monotonic()
        theirs = fid_score.calculate_fid_given_paths(paths, 50, "cpu", 2048, num_workers=0)
        published = time.monotonic() - began

        model = inception.InceptionV3([3]).eval()
        batch = torch.rand(50, 3, 32, 32)
        with torch.no_grad():
            model(batch[:8])
            began = time.monotonic()
            model(batch)
        torch_speed = 50 / (time.monotonic() - began)
    print(f"FID {ours:.6f}, pytorch-fid {theirs:.6f}")
    print(f"the network: {2 * options.images / network:.2f} images/s, PyTorch {torch_speed:.2f}")
    print(f"all of it: {own:.1f} s, pytorch-fid {published:.1f} s")
    assert abs(ours - theirs) <= 1e-3 * theirs + 1e-4, "the distances differ"


main()
