"""The trajectory of make_reference.py, without drops, where each step leaves out whole residual branches of single images
(stochastic depth, as timm's DropPath: probability path l / (depth - 1) in block l, each branch of each image for itself) and
elements of the branches' input (LoRA's dropout; q, k and v of a block share one mask). Draws are pcg4d (Jarzynski and Olano, JCGT
2020) of (seed, purpose, step, counter): paths by the purpose 11 with the place 2 l + branch and the image of the batch, masks by 6
with the place 4 l + (0 of q, k, v; 1 of proj; 2 of fc1; 3 of fc2) and ((image tokens + token) width + column) / 4, four columns a
draw. What is kept is divided by 1 - p. Writes train_noise and noise.json from manifest.json and train_data.safetensors. CC0-1.0.

    python make_noise.py [DIR]        # after make_reference.py
"""
import json, sys
import torch
from safetensors.torch import save_file
import make_reference as made

here, c, _, F, mods, P0, data = made.opened(sys.argv, __file__)
told = {"seed": 54321, "path": 0.4, "input": 0.3, "float32": {}}
tokens, word = (c.image // c.patch) ** 2 + 1, 2 ** 32 - 1
assert (c.dim // c.heads) % 4 == 0 and c.mlp % 4 == 0, "columns of heads would be counted with gaps"


def pcg4d(*words):
    a, b, c, d = ((torch.as_tensor(x) * 1664525 + 1013904223) & word for x in words)
    mul = lambda x, y: (x * (y & 65535) + ((x * (y >> 16) & 65535) << 16)) & word      # int64 holds no product of two uint32
    for turn in range(2):
        a = (a + mul(b, d)) & word; b = (b + mul(c, a)) & word; c = (c + mul(a, b)) & word; d = (d + mul(b, c)) & word
        if turn == 0: a, b, c, d = (x ^ x >> 16 for x in (a, b, c, d))
    return torch.stack(torch.broadcast_tensors(a, b, c, d), -1)


def key(purpose, place): return (purpose * 0x9E3779B1 + place) & word


def noise(i, dtype):
    out, n = {}, c.batch
    for l in range(c.depth):
        p = told["path"] * l / max(1, c.depth - 1)
        bits = [pcg4d(told["seed"], key(11, 2 * l + b), i, torch.arange(n))[:, 0] for b in (0, 1)]
        out[f"paths.{l}"] = tuple(((b / 2 ** 32 >= p) / (1 - p)).to(dtype).reshape(n, 1, 1) for b in bits)
    for m in mods:
        _, l, kind = m.split(".")
        width = F[m + ".weight"].shape[1]
        place = 4 * int(l) + {"proj": 1, "fc1": 2, "fc2": 3}.get(kind, 0)
        bits = pcg4d(told["seed"], key(6, place), i, torch.arange(n * tokens * width // 4)).reshape(n, tokens, width)
        out[m] = ((bits / 2 ** 32 >= told["input"]) / (1 - told["input"])).to(dtype)
    return out


stage2 = round(c.stage2 * c.steps)
c.snapshots, c.moments = [5, 12, stage2, c.steps], [f"after{stage2:02d}", f"after{c.steps:02d}"]
run = lambda dtype: made.train(c, F, P0, mods, {**data, "images": data["images"].to(dtype)}, {}, "zero", dtype, noise=noise)[0]
out, out32 = run(torch.float64), run(torch.float32)
tags = sorted({k.split(".")[0] for k in out if "." in k})
told["float32"]["train_noise"] = {tag: made.differences({k: v for k, v in out.items() if k.split(".")[0] == tag and k.split(".")[1] not in "mvt"}, out32)
                                  for tag in tags}
save_file({k: (v if v.dtype == torch.int32 else v.float()).contiguous().clone() for k, v in out.items()}, here / "train_noise.safetensors", metadata={"format": "pt"})
(here / "noise.json").write_text(json.dumps(told, indent=0) + "\n")
print(told["float32"], out["loss"][:4].tolist())
