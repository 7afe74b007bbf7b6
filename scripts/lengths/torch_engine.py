"""An engine for Graft's own training loop in PyTorch on one core: what scripts/lengths.mjs measures with.

It is spoken to over standard input and output (torch-engine.ts): each message is the length of a JSON text, that
text, and as many bytes of arrays as it says. It decodes images too, with PIL, as the app's pixels are PIL's.
Only the original ViT: a class token, LayerNorm of the tokens, exact GELU, no layer scale.
"""
import io
import json
import struct
import sys
import zipfile

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

torch.set_num_threads(1)
KINDS = ("q", "k", "v", "proj", "fc1", "fc2")
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


def images(zip_file, size, shortest):
    """Every picture in its zip, in the order of the paths, as [size, size, 3] bytes."""
    archive = zipfile.ZipFile(zip_file)
    paths = sorted(n for n in archive.namelist() if n.lower().endswith((".jpg", ".jpeg", ".png")))
    pixels = np.empty((len(paths), size, size, 3), np.uint8)
    for i, path in enumerate(paths):
        picture = Image.open(io.BytesIO(archive.read(path)))
        if picture.mode in ("RGBA", "LA", "P"):
            picture = picture.convert("RGBA")
            white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
            picture = Image.alpha_composite(white, picture)
        picture = picture.convert("RGB")
        if shortest is None:
            picture = picture.resize((size, size), Image.Resampling.BICUBIC)
        else:
            width, height = picture.size
            short = min(width, height)
            width, height = shortest * width // short, shortest * height // short
            picture = picture.resize((width, height), Image.Resampling.BICUBIC)
            left, top = (width - size) // 2, (height - size) // 2
            picture = picture.crop((left, top, left + size, top + size))
        pixels[i] = np.asarray(picture)
    return {"paths": paths}, [pixels]


class Parameter:
    """One tensor that is trained, with Adam's moments; the branches of a module lie side by side in it."""

    def __init__(self, value, m=None, v=None, steps=0):
        self.value = value
        self.m = torch.zeros_like(value) if m is None else m
        self.v = torch.zeros_like(value) if v is None else v
        self.steps = steps


class Network:
    def __init__(self, config, weights, normalisation):
        self.config, self.weights = config, weights
        self.scale = normalisation["rescale"] / torch.tensor(normalisation["std"])
        self.shift = -torch.tensor(normalisation["mean"]) / torch.tensor(normalisation["std"])
        # Cast once, as autocast would at every use.
        for name, value in weights.items():
            if name.startswith("blocks.") and ".norm" not in name:
                weights[name] = value.bfloat16()
        self.modules, self.parameters = [], {}

    def write(self, modules, tensors):
        """modules: [{name, branches}]; tensors: name -> (value, m, v, steps), branch by branch."""
        self.modules = modules
        self.parameters = {}
        for module in modules:
            name = module["name"]
            for side, axis in (("A", 0), ("B", 1)):
                parts = [tensors[f"{name}.{side}.{k}"] for k in module["branches"]]
                joined = [torch.cat([part[i] for part in parts], axis) for i in range(3)]
                self.parameters[f"{name}.{side}"] = Parameter(*joined, parts[0][3])
            self.parameters[f"{name}.s"] = Parameter(*tensors[f"{name}.s"])
        for name in ("head.weight", "head.bias"):
            self.parameters[name] = Parameter(*tensors[name])

    def read(self):
        """The same, cut into branches again."""
        out = []
        for name, parameter in self.parameters.items():
            values = (parameter.value, parameter.m, parameter.v)
            if name.endswith((".A", ".B")):
                live = next(m["branches"] for m in self.modules if m["name"] == name[:-2])
                cut = [t.chunk(len(live), 0 if name.endswith(".A") else 1) for t in values]
                out += [(f"{name}.{k}", *(c[i] for c in cut), parameter.steps) for i, k in enumerate(live)]
            else:
                out.append((name, *values, parameter.steps))
        return out

    def pixels(self, data, crops):
        """[n, side, side, 3] bytes, sampled as engine/crop.ts says -> [n, 3, side, side]."""
        side = self.config["imageSize"]
        x = torch.frombuffer(bytearray(data), dtype=torch.uint8).view(-1, side, side, 3)
        if crops is None:
            sampled = x.float()
        else:
            places = torch.tensor([[c["x"], c["y"], c["dx"], c["dy"]] for c in crops])
            steps = torch.arange(side)

            def along(start, step):
                at = (start[:, None] + step[:, None] * steps).clamp(0, (side - 1) * 65536)
                first = at // 65536
                return first, (first + 1).clamp(max=side - 1), (at % 65536).float() / 65536

            c0, c1, cs = along(places[:, 0], places[:, 2])
            r0, r1, rs = along(places[:, 1], places[:, 3])
            n = torch.arange(len(x))[:, None, None]
            take = lambda r, c: x[n, r[:, :, None], c[:, None, :]].float()
            mix = lambda a, b, share: a + (b - a) * share
            top = mix(take(r0, c0), take(r0, c1), cs[:, None, :, None])
            bottom = mix(take(r1, c0), take(r1, c1), cs[:, None, :, None])
            sampled = mix(top, bottom, rs[:, :, None, None])
        return (sampled * self.scale + self.shift).permute(0, 3, 1, 2)

    def features(self, pixels, live):
        """live: the tensors of the parameters by name. Products of the blocks are of bfloat16, sums float32."""
        with torch.autocast("cpu", torch.bfloat16):
            return self.blocks(pixels, live)

    def blocks(self, pixels, live):
        c, w = self.config, self.weights
        n, heads, dim, eps = len(pixels), c["heads"], c["dim"], c["layerNormEps"]
        x = F.conv2d(pixels, w["patch_embed.weight"], w["patch_embed.bias"], stride=c["patchSize"])
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([w["prefix_tokens"].expand(n, -1, -1), x], 1) + w["pos_embed"]
        norm = lambda t, name: F.layer_norm(t, (dim,), w[f"{name}.weight"], w[f"{name}.bias"], eps).bfloat16()

        def adapted(y, t, name):
            if f"{name}.A" not in live:
                return y
            up = live[f"{name}.s"] * live[f"{name}.B"]
            low = F.linear(t, live[f"{name}.A"])
            return torch.addmm(y.flatten(0, 1), low.flatten(0, 1), up.T).view_as(y)

        def linear(t, name):
            return adapted(F.linear(t, w[f"{name}.weight"], w[f"{name}.bias"]), t, name)

        split = lambda t: t.view(n, -1, heads, dim // heads).transpose(1, 2)
        for block in range(c["depth"]):
            b = f"blocks.{block}"
            h = norm(x, f"{b}.norm1")
            q, k, v = (split(linear(h, f"{b}.{kind}")) for kind in "qkv")
            # Its own fused attention is several times slower backwards.
            weights = torch.softmax(q @ k.transpose(-1, -2) * (dim // heads) ** -0.5, -1)
            context = (weights @ v).transpose(1, 2).reshape(n, -1, dim)
            x = x + linear(context, f"{b}.proj")
            x = x + linear(F.gelu(linear(norm(x, f"{b}.norm2"), f"{b}.fc1")), f"{b}.fc2")
        return F.layer_norm(x[:, 0].float(), (dim,), w["norm.weight"], w["norm.bias"], eps)

    def values(self):
        return {name: parameter.value for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def forward(self, data, what):
        live = self.values()
        feature = self.features(self.pixels(data, None), live)
        return feature if what == "features" else F.linear(feature, live["head.weight"], live["head.bias"])

    def loss(self, data, crops, labels, live):
        feature = self.features(self.pixels(data, crops), live)
        logits = F.linear(feature, live["head.weight"], live["head.bias"])
        return F.cross_entropy(logits, labels), logits

    def step(self, data, labels, crops, control):
        trains = control["trains"]

        def rate(name):
            if name.startswith("head."):
                return control["headRate"]
            return control["scalarRate"] if name.endswith(".s") else control["learningRate"]

        def learns(name):
            if name.startswith("head."):
                return trains["head"]
            return trains["scalars"] if name.endswith(".s") else trains["branches"]

        live = {n: v.detach().requires_grad_(learns(n)) for n, v in self.values().items()}
        names = [n for n in live if learns(n)]
        loss, logits = self.loss(data, crops, labels, live)
        gradients = torch.autograd.grad(loss, [live[n] for n in names])
        norm = torch.sqrt(sum((g.double() ** 2).sum() for g in gradients)).item()
        scale = min(1.0, control["clipNorm"] / (norm + 1e-6))
        for name, gradient in zip(names, gradients):
            p, eta = self.parameters[name], rate(name)
            p.steps += 1
            g = gradient * scale
            p.m = BETA1 * p.m + (1 - BETA1) * g
            p.v = BETA2 * p.v + (1 - BETA2) * g * g
            decay = 0.0 if name.endswith(".s") or name == "head.bias" else control["weightDecay"]
            root = torch.sqrt(p.v / (1 - BETA2**p.steps)) + EPS
            p.value = p.value * (1 - eta * decay) - eta * (p.m / (1 - BETA1**p.steps)) / root
            if name.endswith(".s"):
                p.value = p.value.clamp(0, control["scalarLimit"])
        correct = int((logits.argmax(1) == labels).sum())
        return {"loss": loss.item(), "correct": correct, "gradientNorm": norm, "clipScale": scale}


def tensors_of(entries, body):
    """entries: [{name, shape}] in the order of the float32 values in body."""
    out, at = {}, 0
    flat = torch.frombuffer(bytearray(body), dtype=torch.float32) if body else torch.empty(0)
    for entry in entries:
        count = int(np.prod(entry["shape"]))
        out[entry["name"]] = flat[at : at + count].reshape(entry["shape"]).clone()
        at += count
    return out


def answer(network, ask, body):
    """The network after the message, the JSON of the answer and its arrays."""
    what = ask["what"]
    if what == "images":
        return network, *images(ask["zip"], ask["size"], ask["shortest"])
    if what == "prepare":
        return Network(ask["config"], tensors_of(ask["tensors"], body), ask["normalisation"]), {}, []
    if what == "write":
        flat = tensors_of(ask["tensors"], body)
        known = {
            e["name"]: (flat[e["name"]], flat.get(f"{e['name']}/m"), flat.get(f"{e['name']}/v"), e["steps"])
            for e in ask["tensors"]
            if "/" not in e["name"]
        }
        fresh = lambda t: (t[0], *(torch.zeros_like(t[0]) if x is None else x for x in t[1:3]), t[3])
        network.write(ask["modules"], {name: fresh(t) for name, t in known.items()})
        return network, {}, []
    if what == "read":
        entries = network.read()
        told = [{"name": name, "shape": list(value.shape), "steps": steps} for name, value, _, _, steps in entries]
        arrays = [t.contiguous().numpy() for _, *tensors, _ in entries for t in tensors]
        return network, {"tensors": told}, arrays
    if what in ("evaluate", "features"):
        rows = network.forward(body, what)
        return network, {"shape": list(rows.shape)}, [rows.contiguous().numpy()]
    labels = torch.tensor(ask["labels"])
    if what == "loss":
        with torch.no_grad():
            loss, _ = network.loss(body, ask.get("crops"), labels, network.values())
        return network, {"loss": loss.item()}, []
    return network, network.step(body, labels, ask.get("crops"), ask["control"]), []


def main():
    network = None
    while True:
        head = sys.stdin.buffer.read(4)
        if len(head) < 4:
            return
        ask = json.loads(sys.stdin.buffer.read(struct.unpack("<I", head)[0]))
        body = sys.stdin.buffer.read(ask["bytes"])
        network, told, arrays = answer(network, ask, body)
        parts = [array.tobytes() for array in arrays]
        text = json.dumps({**told, "bytes": sum(map(len, parts))}).encode()
        sys.stdout.buffer.write(struct.pack("<I", len(text)) + text + b"".join(parts))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
