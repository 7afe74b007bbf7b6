"""Interpolated positions as PyTorch computes them, for src/checkpoints/positions.test.ts.

    python src/checkpoints/testing/make_position_vectors.py > testdata/positions.json

transformers calls torch.nn.functional.interpolate(mode="bicubic", align_corners=False), for DINOv2 with registers and in
timm (resample_abs_pos_embed) with antialias=True. Values are rounded to eight digits. Made with torch 2.13.0.
"""

import json

import torch

DIM = 3
cases = []
for number, (source, target) in enumerate([(4, 6), (7, 3), (14, 9), (3, 8), (5, 2), (2, 5)]):
    generator = torch.Generator().manual_seed(number)
    positions = torch.randn(1, DIM, source, source, generator=generator)
    rounded = lambda t: [float(f"{x:.8g}") for x in t.permute(0, 2, 3, 1).flatten().tolist()]
    positions = torch.tensor(rounded(positions)).reshape(1, source, source, DIM).permute(0, 3, 1, 2)
    case = {"from": source, "to": target, "positions": rounded(positions)}
    for kind, antialias in (("bicubic", False), ("bicubic-antialias", True)):
        resized = torch.nn.functional.interpolate(
            positions.double(), size=(target, target), mode="bicubic", align_corners=False, antialias=antialias
        )
        case[kind] = rounded(resized)
    cases.append(case)
print(json.dumps({"dim": DIM, "cases": cases}))
