"""What Python makes of the same photographs: pixels of Graft's continue.py, of transformers' two image processors and of
timm-like plain Pillow, and the logits of the exported model on each.

    python scripts/interop/check_consumers.py HF_FOLDER CONTINUE.py RUN.json PHOTOS OUT.safetensors

Writes `NAME.I` [3, h, w] float32 for the I-th photograph by name, NAME being `pil` (transformers' processor with the PIL
backend on convert("RGB")), `torchvision` (its default) and `graft` (continue.py), and `logits.NAME` [photos, classes].
"""

import ast
import json
import sys
from pathlib import Path

import numpy as np

from check_readers import processor_of, torchvision_is_there


def functions_of(script, *names):
    """These functions of continue.py, without the libraries for training that it imports at its top."""
    import math

    from PIL import Image, ImageOps

    tree = ast.parse(Path(script).read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
    scope = {"np": np, "math": math, "Image": Image, "ImageOps": ImageOps}
    exec(compile(tree, str(script), "exec"), scope)  # noqa: S102
    return scope


def main(folder, script, run, photos, out):
    has_torchvision = torchvision_is_there()
    import torch
    from PIL import Image
    from safetensors.numpy import save_file
    from transformers import AutoModelForImageClassification

    model = AutoModelForImageClassification.from_pretrained(folder, dtype=torch.float32).eval()
    config = json.loads((Path(folder) / "preprocessor_config.json").read_text())
    preprocessing = json.loads(Path(run).read_text())
    mine = functions_of(script, "grey_of_8_bits", "read_picture", "sized", "in_order")
    mean, std = (np.array(preprocessing[key], np.float32) for key in ("mean", "std"))

    def graft(path):
        pixels = np.asarray(mine["sized"](mine["read_picture"](path, preprocessing), preprocessing), np.float32)
        return ((pixels * np.float32(preprocessing["rescale"]) - mean) / std).transpose(2, 0, 1)

    def processed(backend):
        processor = processor_of(config, backend)
        return lambda path: processor(Image.open(path).convert("RGB"), return_tensors="np")["pixel_values"][0]

    ways = {"graft": graft, "pil": processed("pil")}
    if has_torchvision:
        ways["torchvision"] = processed("torchvision")
    tensors = {}
    for name, prepare in ways.items():
        pixels = [np.ascontiguousarray(np.asarray(prepare(path), np.float32)) for path in sorted(Path(photos).iterdir())]
        with torch.no_grad():
            logits = model(torch.from_numpy(np.stack(pixels))).logits.numpy()
        tensors |= {f"{name}.{i}": value for i, value in enumerate(pixels)} | {f"logits.{name}": logits}
    save_file(tensors, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
