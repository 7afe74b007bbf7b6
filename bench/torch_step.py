"""The same step in PyTorch: frozen ViT, branches on q and v, head, cross entropy, AdamW.

    python torch_step.py WORKLOAD.safetensors STEPS [cpu | cuda] [f32 | tf32 | bf16] [eager | compiled]

On a GPU a second of steps goes before the measured ones, because an idle GPU runs at a fraction of its clock, and
of five runs the median counts.

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


def main(path, steps, where="cpu", precision="f32", form="eager"):
    if where == "cuda" and not torch.cuda.is_available():
        sys.exit("this PyTorch finds no CUDA device")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    t, meta = read(path)
    t = {name: tensor.to(where) for name, tensor in t.items()}
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
    forward = torch.compile(loss_of) if form == "compiled" else loss_of

    def step():
        with torch.autocast(where, torch.bfloat16, enabled=precision == "bf16"):
            loss = forward()
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
    counted = len(losses) + steps
    begin = time.perf_counter()
    while where == "cuda" and time.perf_counter() - begin < 1:
        step()
    walls, cpu_before = [], cpu()
    for _ in range(5 if where == "cuda" else 1):
        begin = time.perf_counter()
        for _ in range(steps):
            step()  # reads its loss, so the device is done
        walls.append(1000 * (time.perf_counter() - begin) / steps)
    wall = sorted(walls)[len(walls) // 2]
    print(
        json.dumps(
            {
                "firstStepMs": first,
                "wallMs": wall,
                "cpuMs": (cpu() - cpu_before) / steps / len(walls),
                "losses": losses[:counted],
                "device": f"torch {torch.__version__}, "
                + (torch.cuda.get_device_name() if where == "cuda" else f"{torch.get_num_threads()} threads"),
                "peakBytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
