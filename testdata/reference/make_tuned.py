"""The run of make_reference.py in which parameters of the backbone learn too: LayerNorms, biases (Ben Zaken et al., "BitFit", 2022)
or all of them, each without branches; and LayerNorms beside branches that drop, with the second stage, in which they rest. And one
batch with branches on all linears in which everything has a gradient: but for the bias of k, which changes no softmax, so that its
gradient is zero and float32 gives it noise, which Adam makes steps of. Writes train_norms, train_biases, train_all, train_beside,
grads_tuned and tuned.json from manifest.json, train_data and grads_all. Names are Graft's. CC0-1.0.

    python make_tuned.py [DIR]        # after make_reference.py
"""
import json, sys
import torch
from safetensors.torch import load_file, save_file
import make_reference as made

here, c, events, F, mods, P0, data = made.opened(sys.argv, __file__)
head = {k: v for k, v in P0.items() if k.startswith("head.")}
told = {"float32": {}}
tuned = lambda which: {"backbone." + k: v for k, v in F.items() if which(k)}
is_norm = lambda k: "norm" in k
moves = lambda k: not k.endswith(".k.bias")
named = lambda k: k.replace("backbone.cls", "backbone.prefix_tokens").replace("backbone.pos", "backbone.pos_embed").replace("backbone.pe.", "backbone.patch_embed.")


def save(name, tensors):
    tensors = {named(k): (v if v.dtype == torch.int32 else v.float()).contiguous().clone() for k, v in tensors.items()}
    save_file(tensors, here / f"{name}.safetensors", metadata={"format": "pt"})


def follow(name, P, modules, drops, at, **how):
    """A run in float64, and how far the same in float32 is from it."""
    c.snapshots, c.moments = at, [f"after{at[-1]:02d}"]
    run = lambda dtype: made.train(c, F, P, modules, {**data, "images": data["images"].to(dtype)}, drops, "zero", dtype, **how)[0]
    out, out32 = run(torch.float64), run(torch.float32)
    tags = [f"after{i:02d}" for i in at]
    out = {k: v for k, v in out.items() if "." not in k or k.split(".")[0] in tags or k.endswith(".loss")}
    told["float32"][name] = {tag: made.differences({k: v for k, v in out.items() if k.split(".")[0] == tag and k.split(".")[1] not in "mvt" and moves(k)}, out32)
                             for tag in tags}
    save(name, out)
    print(name, told["float32"][name], out["loss"][[0, -1]].tolist())


joint = {"reading": {"scalars": "joint"}}                      # one stage
follow("train_norms", {**head, **tuned(is_norm)}, [], {}, [5, c.steps], **joint)
follow("train_biases", {**head, **tuned(lambda k: k.endswith(".bias"))}, [], {}, [5, c.steps], **joint)
follow("train_all", {**head, **tuned(lambda k: True)}, [], {}, [5, c.steps], **joint)
follow("train_beside", {**P0, **tuned(is_norm)}, mods, events, [5, max(events) + 1, round(c.stage2 * c.steps), c.steps])

stored = load_file(here / "grads_all.safetensors")
P = {k[6:]: v.double() for k, v in stored.items() if k.startswith("param.")} | tuned(lambda k: True)
plan = {m: {"gates": dict.fromkeys(range(3), 1.0)} for m in made.modules(c, "all")}
x, y = stored["images"].double(), stored["labels"].long()
logits, loss, g = made.loss_and_grads(c, F, P, plan, x, y, list(P))
g32 = made.loss_and_grads(c, F, P, plan, x, y, list(P), torch.float32)[2]
told["gradients"] = made.differences(g, g32)
told["finite_differences"] = float(f"{made.finite_differences(c, F, P, plan, x, y, list(filter(moves, P)), g, torch.Generator().manual_seed(1)):.1e}")
save("grads_tuned", {"logits": logits, "loss": loss, **{f"grad.{k}": v for k, v in g.items()}})
(here / "tuned.json").write_text(json.dumps(told, indent=0) + "\n")
print(told["gradients"], told["finite_differences"])
