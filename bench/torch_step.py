"""The same step in PyTorch on the processor: frozen ViT, branches on q and v, head, cross entropy, AdamW.

    python torch_step.py WORKLOAD.safetensors STEPS

The file holds weights under Graft's canonical names, branches side by side ({block}.{q|v}.down [dim, rank], .up
[rank, dim]), head, patches and labels; its metadata says the shape. Prints one line of JSON.
"""
import json
import resource
import struct
import sys
import time

import torch
import torch.nn.functional as F


def read(path):
    """A safetensors file as a dictionary of tensors, and its metadata; needs no package."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        body = bytearray(file.read())
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(body, dtype=torch.float32, count=(end - begin) // 4, offset=begin)
        tensors[name] = flat.reshape(entry["shape"]).clone()
    return tensors, {key: float(value) for key, value in metadata.items() if key != "format"}


def main(path, steps):
    t, meta = read(path)
    dim, depth, heads = int(meta["dim"]), int(meta["depth"]), int(meta["heads"])
    images, tokens, eps = int(meta["images"]), int(meta["tokens"]), meta["layerNormEps"]
    patches, labels = t["batch.patches"], t["batch.labels"].long()

    trained = {name: t[name].requires_grad_() for name in t if name.endswith((".down", ".up")) or name.startswith("head.")}
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for n, p in trained.items() if n != "head.bias"], "weight_decay": meta["weightDecay"]},
            {"params": [trained["head.bias"]], "weight_decay": 0.0},
        ],
        lr=meta["learningRate"],
        betas=(meta["beta1"], meta["beta2"]),
        eps=meta["eps"],
    )

    def linear(x, name):
        y = F.linear(x, t[f"{name}.weight"], t[f"{name}.bias"])
        down = trained.get(f"{name}.down")
        return y if down is None else y + (x @ down) @ trained[f"{name}.up"]

    def norm(x, name):
        return F.layer_norm(x, (dim,), t[f"{name}.weight"], t[f"{name}.bias"], eps)

    def split(x):
        return x.view(images, tokens, heads, dim // heads).transpose(1, 2)

    def loss_of():
        embedded = F.linear(patches, t["patch_embed.weight"].reshape(dim, -1), t["patch_embed.bias"])
        cls = t["prefix_tokens"].expand(images, -1, -1)
        x = torch.cat([cls, embedded.view(images, tokens - 1, dim)], 1) + t["pos_embed"]
        for block in range(depth):
            name = f"blocks.{block}"
            h = norm(x, f"{name}.norm1")
            q, k, v = (split(linear(h, f"{name}.{kind}")) for kind in "qkv")
            context = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(images, tokens, dim)
            x = x + linear(context, f"{name}.proj")
            h = F.gelu(linear(norm(x, f"{name}.norm2"), f"{name}.fc1"))
            x = x + linear(h, f"{name}.fc2")
        feature = norm(x[:, 0], "norm")
        return F.cross_entropy(F.linear(feature, trained["head.weight"], trained["head.bias"]), labels)

    losses = []

    def step():
        loss = loss_of()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    def cpu():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return 1000 * (usage.ru_utime + usage.ru_stime)

    begin = time.perf_counter()
    step()
    first = 1000 * (time.perf_counter() - begin)
    step()
    cpu_before, begin = cpu(), time.perf_counter()
    for _ in range(steps):
        step()
    wall = 1000 * (time.perf_counter() - begin) / steps
    print(
        json.dumps(
            {
                "firstStepMs": first,
                "wallMs": wall,
                "cpuMs": (cpu() - cpu_before) / steps,
                "losses": losses,
                "device": f"torch {torch.__version__}, {torch.get_num_threads()} threads",
                "peakBytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
