"""Writes the averaged student as a Hugging Face folder: float16 safetensors, config, preprocessor; and the entry in
public/models/index.json. Owns the shipped files' form and the log's; the projections used in training are dropped here.

    python export.py --work WORK
"""
import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from vit import PREPROCESSOR, STUDENT, config, to_hugging_face

NAME = "graft-sprout-64"


def log_of(run):
    """The run's log without the steps that were done twice because it was continued from a checkpoint."""
    rows = []
    for row in map(json.loads, (run / "log.jsonl").read_text().splitlines()):
        rows = [r for r in rows if r["step"] < row["step"]] + [row]
    return "".join(json.dumps(r) + "\n" for r in rows)


def main():
    root = Path(__file__).resolve().parents[2]
    p = argparse.ArgumentParser()
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--log", type=Path, default=Path(__file__).with_name("log.jsonl"))
    p.add_argument("--out", type=Path, default=root / "public/models" / NAME)
    a = p.parse_args()
    c = torch.load(a.work / "run/checkpoint.pt")
    tensors = {k: v.half() for k, v in to_hugging_face(c["ema"], STUDENT["patch"]).items()}
    assert all(torch.isfinite(v).all() for v in tensors.values()), "not finite in float16"
    a.out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, a.out / "model.safetensors", metadata={"format": "pt"})
    (a.out / "model.safetensors").chmod(0o644)
    (a.out / "config.json").write_text(config())
    (a.out / "preprocessor_config.json").write_text(PREPROCESSOR)
    files = ["config.json", "model.safetensors", "preprocessor_config.json"]
    a.log.write_text(log_of(a.work / "run"))
    entry = {"id": NAME, "title": "Graft Sprout 64", "folder": NAME, "files": files,
             "bytes": sum((a.out / f).stat().st_size for f in files),
             "parameters": sum(v.numel() for v in tensors.values()), "imageSize": 64, "licence": "Apache-2.0",
             "goodFor": "A first run at once and offline: small pictures, simple shapes, clothing, drawings, textures. "
                        "For photographs with fine detail take a larger model.",
             "description": "A small plain ViT (6 blocks, width 192, 64 x 64 pixels in patches of 8), distilled by "
                            "Graft from DeiT-Tiny on freely licensed pictures. It ships with the app; its card says "
                            "how it was made and what it is bad at."}
    (a.out.parent / "index.json").write_text(json.dumps([entry], indent=2) + "\n")
    print("step", c["step"], "->", a.out, entry["bytes"], "bytes,", entry["parameters"], "parameters")


if __name__ == "__main__":
    main()
