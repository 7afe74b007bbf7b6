"""What the real libraries make of single files: safetensors of hostile ones, torch of half precision, and transformers'
image processors of photos. Graft's side is compared with it in run.mjs.

    python scripts/interop/check_readers.py safetensors FOLDER OUT.json
    python scripts/interop/check_readers.py floats OUT.safetensors
    python scripts/interop/check_readers.py draw FOLDER
    python scripts/interop/check_readers.py images CONFIGS.json OUT.safetensors [PHOTOS]
    python scripts/interop/check_readers.py written CONFIGS.json OUT.safetensors
    python scripts/interop/check_readers.py expect FOLDER

`safetensors`: {file: true where safetensors reads it, else its words}. `floats`: every pattern of float16 and bfloat16 as
float32. `draw`: pictures of odd sizes as PNG. `images`: for each photo `photo.I` [h, w, 3] uint8, as PIL decodes it, and for each configuration and backend
`NAME.pil.I` and (where torchvision is there) `NAME.torchvision.I` [3, s, s] float32; a configuration that transformers refuses has none.
`written`: the same of three pictures that are drawn by a formula, with PIL, for files that Graft wrote.
`expect`: for every folder with a preprocessor_config.json or processor_config.json, what transformers' PIL classes make of
the same three pictures, as FOLDER/expected.json: the size, SHA-256 of the bytes of the middle square,
how far the numbers are from whole bytes, and a pixel of them.
"""

import hashlib
import importlib
import json
import sys
import tempfile
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
    """transformers' own class for the file, as a user gets it for a ViT's folder."""
    from transformers import AutoImageProcessor

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "preprocessor_config.json").write_text(json.dumps(config))
        Path(folder, "config.json").write_text('{"model_type": "vit"}')
        return AutoImageProcessor.from_pretrained(folder, backend=backend)


def torchvision_is_there():
    import torch

    library = torch.library.Library("torchvision", "DEF")  # the operators of torchvision's binary need not be there
    torchvision_is_there.library = library  # what it defines goes with it
    for operator in ("nms(Tensor x) -> Tensor", "qnms(Tensor x) -> Tensor"):
        try:
            library.define(operator)
        except RuntimeError:
            pass
    try:
        importlib.import_module("torchvision.transforms.v2.functional")
    except Exception:  # noqa: BLE001
        return False
    return True


def processed(configs, out, pictures, backends):
    from safetensors.numpy import save_file

    tensors = {}
    processors = [
        (name, backend, processor)
        for name, config in json.loads(Path(configs).read_text()).items()
        for backend in backends
        if (processor := attempt(f"{name}, {backend}", lambda: processor_of(config, backend))) is not None
    ]
    for i, picture in enumerate(pictures):
        tensors[f"photo.{i}"] = np.asarray(picture)
        for name, backend, processor in processors:
            pixels = attempt(f"{name}, {backend}", lambda: processor(picture, return_tensors="pt")["pixel_values"][0])
            if pixels is not None:
                tensors[f"{name}.{backend}.{i}"] = np.ascontiguousarray(np.asarray(pixels, dtype=np.float32))
    save_file(tensors, out)


def attempt(what, run):
    try:
        return run()
    except Exception as thrown:  # noqa: BLE001
        print(f"{what}: {str(thrown)[:160]}", file=sys.stderr)
        return None


def images(configs, out, photos=None):
    processed(configs, out, pictures(photos), ["pil", "torchvision"] if torchvision_is_there() else ["pil"])


def written(configs, out):
    from PIL import Image

    torchvision_is_there()  # transformers asks for it, whichever backend is wanted
    processed(configs, out, [Image.fromarray(formula(*size)) for size in formula_sizes], ["pil"])


formula_sizes = ((300, 231), (97, 140), (224, 224))


def formula(width, height):
    """[height, width, 3] uint8 without a random number: the same picture stands in preprocess-cases.test.ts."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((x * x * (3 + c) + y * (7 + 5 * c) + x * y * (c + 1)) % 256).astype(np.uint8)


def levels(values, processor):
    """The bytes that became these numbers [3, h, w], and how far from whole ones they are."""
    mean, deviation = np.zeros((3, 1, 1)), np.ones((3, 1, 1))
    name = type(processor).__name__
    if processor.do_normalize and not name.startswith("MobileViT"):
        mean = np.reshape(processor.image_mean, (-1, 1, 1))
        deviation = np.reshape(processor.image_std, (-1, 1, 1))
    x = values.astype(np.float64)
    is_efficient = name.startswith("EfficientNet")  # other classes keep its fields as attributes and do nothing with them
    if is_efficient and processor.include_top:
        x = x * np.reshape(processor.image_std, (-1, 1, 1))
    x = x * deviation + mean
    if is_efficient and processor.rescale_offset and processor.do_rescale:
        x = x + 1
    exact = x / (processor.rescale_factor if processor.do_rescale else 1)
    return np.rint(exact), float(np.abs(exact - np.rint(exact)).max())


def expect(folder):
    torchvision_is_there()  # transformers asks for it, whichever backend is wanted
    from PIL import Image, __version__ as pillow
    from transformers import AutoImageProcessor, __version__ as version

    found = {"transformers": version, "pillow": pillow, "cases": {}}
    for case in sorted(Path(folder).iterdir()):
        if not any((case / name).exists() for name in ("preprocessor_config.json", "processor_config.json")):
            continue
        rows = found["cases"][case.name] = []
        for width, height in formula_sizes:
            try:
                processor = AutoImageProcessor.from_pretrained(case, backend="pil")
                picture = Image.fromarray(formula(width, height))
                values = np.asarray(processor(picture, return_tensors="np")["pixel_values"][0], dtype=np.float32)
            except Exception as thrown:  # noqa: BLE001
                rows.append({"picture": [width, height], "refused": type(thrown).__name__})
                continue
            values = values.reshape(values.shape[-3:])  # VideoMAE's are frames
            whole, off = levels(values, processor)
            height, width = values.shape[1:]
            side = min(height, width)  # where transformers cuts no square, a model could only take the middle
            top, left = (height - side) // 2, (width - side) // 2
            square = whole[:, top : top + side, left : left + side].transpose(1, 2, 0)
            digest = hashlib.sha256(np.ascontiguousarray(square).astype(np.uint8).tobytes())
            places = [[c, top + side * 7 // 11, left + side * 5 // 13] for c in range(3)]
            rows.append(
                {
                    "picture": list(picture.size),
                    "size": [width, height],
                    "sha256": digest.hexdigest(),
                    "off": float(f"{off:.2g}"),
                    "values": [float(values[tuple(place)]) for place in places],
                }
            )
    cases = ",\n".join(f"{json.dumps(name)}: {json.dumps(rows)}" for name, rows in found.pop("cases").items())
    Path(folder, "expected.json").write_text(f'{json.dumps(found)[:-1]}, "cases": {{\n{cases}\n}}}}\n')


def draw(folder):
    Path(folder).mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(pictures(None)):
        picture.save(Path(folder) / f"{i}.png")


if __name__ == "__main__":
    {"draw": draw, "safetensors": hostile, "floats": floats, "images": images, "written": written, "expect": expect}[sys.argv[1]](*sys.argv[2:])
