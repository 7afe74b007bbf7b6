"""Checks the shipped folder with transformers: nothing missing but the head, nothing not finite, the same feature as
the training code computes; writes the parity values of 8 shipped images on request. Owns no figures of its own.

    python verify.py [--parity FILE.safetensors]
"""
import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import ViTForImageClassification, ViTModel

from probe import load_student, pixels_student, read_zip


def main():
    root = Path(__file__).resolve().parents[2]
    p = argparse.ArgumentParser()
    p.add_argument("--model", type=Path, default=root / "public/models/graft-sprout-64")
    p.add_argument("--parity", type=Path, help="write pixels [8, 3, 64, 64] and cls_feature [8, 192] here")
    a = p.parse_args()
    net, info = ViTForImageClassification.from_pretrained(
        a.model, num_labels=5, ignore_mismatched_sizes=True, output_loading_info=True, dtype=torch.float32)
    assert set(info["missing_keys"]) == {"classifier.weight", "classifier.bias"}, info
    assert not info["unexpected_keys"] and not info["mismatched_keys"], info
    bare, info = ViTModel.from_pretrained(a.model, add_pooling_layer=False, output_loading_info=True, dtype=torch.float32)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    pictures = []
    for file in ("emoji-8", "fashion-1k"):
        test = read_zip(root / f"public/datasets/{file}.zip")["test"]
        pictures += [test[name][0] for name in sorted(test)[::2][:4]]
    pixels = torch.from_numpy(np.stack([pixels_student(q) for q in pictures])).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        ours = load_student(a.model)(pixels)[1][:, 0]
        theirs = bare.eval()(pixels).last_hidden_state[:, 0]
        logits = net.eval()(pixels).logits
    assert torch.isfinite(theirs).all() and torch.isfinite(logits).all()
    difference = (ours - theirs).abs().max().item()
    print(f"transformers loads it; missing: classifier only; largest difference to the training code {difference:.1e} "
          f"(features up to {theirs.abs().max():.1f})")
    assert difference < 1e-3
    if a.parity:
        save_file({"pixels": pixels, "cls_feature": theirs.contiguous()}, a.parity)
        print("written:", a.parity, a.parity.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
