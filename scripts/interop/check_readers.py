"""What the real libraries make of single files: safetensors of hostile ones, torch of half precision, and transformers'
image processors of photos. Graft's side is compared with it in run.mjs.

    python scripts/interop/check_readers.py safetensors FOLDER OUT.json
    python scripts/interop/check_readers.py floats OUT.safetensors
    python scripts/interop/check_readers.py images CONFIGS.json OUT.safetensors [PHOTOS]

`safetensors`: {file: true where safetensors reads it, else its words}. `floats`: every pattern of float16 and bfloat16 as
float32. `images`: for each photo `photo.I` [h, w, 3] uint8, as PIL decodes it, and for each configuration and backend
`NAME.pil.I` and (where torchvision is there) `NAME.torchvision.I` [3, s, s] float32.
"""

import importlib
import json
import sys
from pathlib import Path

import numpy as np


def hostile(folder, out):
    from safetensors import deserialize

    verdicts = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        try:
            deserialize(path.read_bytes())
            verdicts[path.name] = True
        except Exception as thrown:  # noqa: BLE001
            verdicts[path.name] = str(thrown)[:200]
    Path(out).write_text(json.dumps(verdicts))


def floats(out):
    import torch
    from safetensors.torch import save_file

    patterns = torch.arange(65536, dtype=torch.int32).to(torch.int16)
    save_file({"F16": patterns.view(torch.float16).float(), "BF16": patterns.view(torch.bfloat16).float()}, out)


def pictures(photos):
    """Photos of the folder, and pictures of odd sizes, full of detail, that are always there."""
    from PIL import Image

    generator = np.random.default_rng(1)
    for width, height in ((101, 77), (60, 231), (333, 224), (225, 224)):
        waves = np.indices((height, width)).sum(0)[..., None] * np.array([0.9, 1.7, 2.9]) % 256
        noise = generator.integers(0, 90, (height, width, 3))
        yield Image.fromarray(np.clip(waves + noise, 0, 255).astype(np.uint8))
    for path in sorted(Path(photos).glob("*.jpg")) if photos else []:
        yield Image.open(path).convert("RGB")


def processor_of(config, backend):
    """transformers' own class for the file, in the backend."""
    name = config.get("image_processor_type") or config["feature_extractor_type"].replace(
        "FeatureExtractor", "ImageProcessor"
    )
    module = {
        "ViTImageProcessor": "vit",
        "DeiTImageProcessor": "deit",
        "CLIPImageProcessor": "clip",
        "BitImageProcessor": "bit",
        "SiglipImageProcessor": "siglip",
        "ConvNextImageProcessor": "convnext",
        "BeitImageProcessor": "beit",
    }[name]
    part, suffix = ("_pil", "Pil") if backend == "pil" else ("", "")
    found = importlib.import_module(f"transformers.models.{module}.image_processing{part}_{module}")
    fields = {key: value for key, value in config.items() if not key.endswith("_type")}
    return getattr(found, name + suffix)(**fields)


def torchvision_is_there():
    import torch

    library = torch.library.Library("torchvision", "DEF")  # the operators of torchvision's binary need not be there
    for operator in ("nms(Tensor x) -> Tensor", "qnms(Tensor x) -> Tensor"):
        try:
            library.define(operator)
        except RuntimeError:
            pass
    try:
        importlib.import_module("torchvision.transforms.v2.functional")
    except Exception:  # noqa: BLE001
        return False
    torchvision_is_there.library = library  # it must outlive the call
    return True


def images(configs, out, photos=None):
    from safetensors.numpy import save_file

    configs = json.loads(Path(configs).read_text())
    backends = ["pil", "torchvision"] if torchvision_is_there() else ["pil"]
    tensors = {}
    for i, picture in enumerate(pictures(photos)):
        tensors[f"photo.{i}"] = np.asarray(picture)
        for name, config in configs.items():
            for backend in backends:
                pixels = processor_of(config, backend)(picture, return_tensors="np")["pixel_values"][0]
                tensors[f"{name}.{backend}.{i}"] = np.ascontiguousarray(np.asarray(pixels, dtype=np.float32))
    save_file(tensors, out)


if __name__ == "__main__":
    {"safetensors": hostile, "floats": floats, "images": images}[sys.argv[1]](*sys.argv[2:])
