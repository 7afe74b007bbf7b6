"""Loss and gradients to targets other than labels, by torch.nn.functional.cross_entropy in float64: smoothed labels,
weighted classes, images and labels mixed in pairs (Zhang et al., 2018), alone and together. Writes targets.safetensors from
grads_qv.safetensors (parameters, batch; gates 1, 1, 1) and the frozen model of make_reference.py. CC0-1.0.

    python make_targets.py [DIR]      # after make_reference.py; needs scikit-learn, which gives the weights
"""
import json, pathlib, sys, types
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import cross_entropy
import make_reference as made

here = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent).resolve()
c = types.SimpleNamespace(**json.loads((here / "manifest.json").read_text())["config"])
F = made.make_backbone(c, torch.Generator().manual_seed(c.seed))
given = load_file(here / "grads_qv.safetensors")
P = {k[6:]: v.double() for k, v in given.items() if k.startswith("param.")}
x, y = given["images"].double(), given["labels"].long()
plan = {m: {"gates": {0: 1.0, 1: 1.0, 2: 1.0}} for m in made.modules(c, "qv")}
rng = torch.Generator().manual_seed(c.seed + 5)
counts = torch.randint(4, 50, (c.classes,), generator=rng)     # training images of each class
every = np.arange(c.classes)
weights = torch.tensor(compute_class_weight("balanced", classes=every, y=np.repeat(every, counts.numpy())))
partners, share = torch.randperm(len(y), generator=rng), made.f32(torch.tensor(0.3, dtype=torch.float64))
names = ["head.weight", "head.bias", "blocks.0.q.A.1", "blocks.0.v.B.2", "blocks.1.q.B.0", "blocks.1.v.A.0", "blocks.0.v.s", "blocks.1.q.s"]

assert {k: v.shape for k, v in P.items()} == {k: v.shape for k, v in made.make_params(c, F, made.modules(c, "qv"), 3, c.rank, c.seed + 1, True).items()}
out = {"counts": counts.int(), "weights": weights, "partners": partners.int(), "share": share}
for name, smoothing, weighted, mixed in (("smoothed", 0.1, False, False), ("weighted", 0.0, True, False), ("both", 0.3, True, False),
                                         ("mixed", 0.0, False, True), ("all", 0.1, True, True)):
    leaves = {k: v.clone().requires_grad_(k in names) for k, v in P.items()}
    images = share * x + (1 - share) * x[partners] if mixed else x
    logits = made.forward(c, F, leaves, plan, images)
    to = lambda labels: cross_entropy(logits, labels, weight=weights if weighted else None, label_smoothing=smoothing)
    loss = share * to(y) + (1 - share) * to(y[partners]) if mixed else to(y)
    loss.backward()
    out |= {f"{name}.loss": loss.detach(), f"{name}.logits": logits.detach(), **{f"{name}.grad.{k}": leaves[k].grad for k in names}}
out = {k: (v if v.dtype == torch.int32 else v.float()).contiguous() for k, v in out.items()}
save_file(out, here / "targets.safetensors", metadata={"format": "pt"})
print({k: v.item() for k, v in out.items() if k.endswith(".loss")})
