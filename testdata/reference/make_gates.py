"""The trajectory of make_reference.py where a dropped branch is absorbed by the frozen weight, or fades over three steps; and one
without drops whose gates are drawn anew in each step of stage 1, by pcg4d (Jarzynski and Olano, JCGT 2020) of (seed, purpose of
the gates 10 with 16 times the module's place + branch, step, attempt); and one of crossed branches, a branch being out with the
same probability throughout, whose ups draw theirs by the purpose 12. Writes train_absorb, train_fade, train_stochastic,
train_crossed and gates.json from manifest.json and train_data.safetensors. CC0-1.0.

    python make_gates.py [DIR]        # after make_reference.py
"""
import json, sys
import torch
from safetensors.torch import save_file
import make_reference as made

here, c, events, F, mods, P0, data = made.opened(sys.argv, __file__)
told = {"fade": 3, "stochastic": {"seed": 12345, "rate": 0.7, "window": [0.1, 0.6]}, "crossed": {"seed": 777, "rate": 0.5, "alpha": 3.0}, "float32": {}}


def save(name, tensors):
    save_file({k: (v if v.dtype == torch.int32 else v.float()).contiguous().clone() for k, v in tensors.items()}, here / f"{name}.safetensors", metadata={"format": "pt"})


def pcg4d(*v):
    m = 2 ** 32 - 1
    a, b, c, d = ((x * 1664525 + 1013904223) & m for x in v)
    for turn in range(2):
        a = (a + b * d) & m; b = (b + c * a) & m; c = (c + a * b) & m; d = (d + b * c) & m
        if turn == 0: a, b, c, d = (x ^ x >> 16 for x in (a, b, c, d))
    return a, b, c, d


def kept_gates(m, i, seed, p, purpose):
    """Gates of a module in step i: at least one branch is in; those in have (1 - p^K) / (1 - p)."""
    K = c.traj_branches
    if p == 0 or i >= round(c.stage2 * c.steps): return dict.fromkeys(range(K), 1.0)
    for attempt in range(10 ** 6):
        keys = [(purpose * 0x9E3779B1 + 16 * mods.index(m) + k) % 2 ** 32 for k in range(K)]
        kept = [pcg4d(seed, key, i, attempt)[0] / 2 ** 32 >= p for key in keys]
        if any(kept): return {k: (1 - p ** K) / (1 - p) if on else 0.0 for k, on in enumerate(kept)}


def drawn(m, i):
    """p rises from 0 over the window."""
    s = told["stochastic"]
    begin, end = s["window"]
    return kept_gates(m, i, s["seed"], s["rate"] * min(1, max(0, (i / c.steps - begin) / (end - begin))), 10)


def drawn_apart(m, i):
    s = told["crossed"]
    return {side: kept_gates(m, i, s["seed"], s["rate"], purpose) for side, purpose in (("down", 10), ("up", 12))}


def follow(name, at, **how):
    """A run in float64, and how far the same in float32 is from it; parameters at `at`, moments at the last two of these."""
    drops = {} if "gates" in how else events
    c.snapshots, c.moments = [int(tag[5:]) for tag in at if tag.startswith("after")], at[-2:]
    out, P, live = made.train(c, F, P0, mods, {**data, "images": data["images"].double()}, drops, **how)
    out32 = made.train(c, F, P0, mods, data, drops, dtype=torch.float32, **how)[0]
    kept = lambda k: "." not in k or k.split(".")[0] in ("after00", *at) or k.endswith(".loss")
    out = {k: v for k, v in out.items() if kept(k)}
    told["float32"][name] = {tag: made.differences({k: v for k, v in out.items() if k.split(".")[0] == tag and k.split(".")[1] not in "mvt"}, out32)
                             for tag in at}
    if "gates" in how:
        rows = lambda of: torch.tensor([[of(i)[k] for k in range(c.traj_branches)] for i in range(c.steps)])
        sides = [f".{side}" for side in ("down", "up") if "reading" in how] or [""]
        out |= {f"gates{side}.{m}": rows(lambda i: how["gates"](m, i)[side[1:]] if side else how["gates"](m, i)) for m in mods for side in sides}
    save(name, out)
    print(name, told["float32"][name], {k: v.tolist() for k, v in out.items() if k.endswith(".loss")})
    return P, live


first, second = sorted(events)
end = [f"after{round(c.stage2 * c.steps):02d}", f"after{c.steps:02d}"]
follow("train_absorb", [f"drop{first:02d}", f"drop{second:02d}", *end], on_drop="absorb")
follow("train_fade", [f"after{first + 1:02d}", f"drop{first + told['fade']:02d}", f"drop{second + told['fade']:02d}", *end], on_drop="fade", fade=told["fade"])
follow("train_stochastic", ["after05", "after12", *end], on_drop="zero", gates=drawn)
follow("train_crossed", ["after05", "after12", *end], on_drop="zero", gates=drawn_apart, reading={"alpha": told["crossed"]["alpha"]})
(here / "gates.json").write_text(json.dumps(told, indent=0) + "\n")
