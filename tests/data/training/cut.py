"""Cuts recorded gradients to what the tests read: the double-precision figures, in single precision.

    python3 cut.py FOLDER    # with gradients-NAME.json and gradients-NAME.safetensors
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

HERE = Path(__file__).parent
for figures in sorted(Path(sys.argv[1]).glob("gradients-*.json")):
    name = figures.stem
    if not (HERE.parent / "nets" / name.removeprefix("gradients-")).exists():
        continue
    facts, tensors = json.loads(figures.read_text()), load_file(figures.with_suffix(".safetensors"))
    keep = {key: tensors[f"{key}_float64"].astype(np.float32) for key in ("entries", "norm")}
    keep |= {key: tensors[key].astype(np.float32) for key in ("labels", "perturbed", "z", "positions")}
    told = {
        "names": [p["name"].removeprefix("module.") for p in facts["parameters"]],
        "vanishes": [p["name"].removeprefix("module.") for p in facts["parameters"] if p.get("vanishes")],
        "loss": facts["loss_float64"],
        "gradient_norm": facts["gradient_norm_float64"],
        "reduce_mean": facts["reduce_mean"],
        "variance_exploding": facts["sde"] == "vesde",
    }
    save_file(keep, HERE / f"{name}.safetensors", {"figures": json.dumps(told)})
