"""The trajectory of make_reference.py where a dropped branch is absorbed by the frozen weight, or fades over three steps.
Writes train_absorb.safetensors, train_fade.safetensors and gates.json from manifest.json and train_data.safetensors. CC0-1.0.

    python make_gates.py [DIR]        # after make_reference.py
"""
import json, pathlib, sys, types
import torch
from safetensors.torch import load_file, save_file
import make_reference as made

here = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent).resolve()
manifest = json.loads((here / "manifest.json").read_text())
c = types.SimpleNamespace(**manifest["config"])
drops = {int(e): gone for e, gone in manifest["drops"].items()}
torch.manual_seed(0); torch.set_num_threads(1)
F = made.make_backbone(c, torch.Generator().manual_seed(c.seed))
mods = made.modules(c, c.traj_targets)
P0 = made.make_params(c, F, mods, c.traj_branches, c.rank, c.seed + 2, False)
data = load_file(here / "train_data.safetensors")
told = {"fade": 3, "float32": {}}


def follow(name, at, **how):
    """A run in float64, and how far the same in float32 is from it; parameters at `at`, moments at the last two of these."""
    c.snapshots, c.moments = [int(tag[5:]) for tag in at if tag.startswith("after")], at[-2:]
    out, P, live = made.train(c, F, P0, mods, {**data, "images": data["images"].double()}, drops, **how)
    out32 = made.train(c, F, P0, mods, data, drops, dtype=torch.float32, **how)[0]
    kept = lambda k: "." not in k or k.split(".")[0] in ("after00", *at) or k.endswith(".loss")
    out = {k: v for k, v in out.items() if kept(k)}
    told["float32"][name] = {tag: made.differences({k: v for k, v in out.items() if k.split(".")[0] == tag and k.split(".")[1] not in "mvt"}, out32)
                             for tag in at}
    save_file({k: (v if v.dtype == torch.int32 else v.float()).contiguous().clone() for k, v in out.items()}, here / f"{name}.safetensors", metadata={"format": "pt"})
    print(name, told["float32"][name], {k: v.tolist() for k, v in out.items() if k.endswith(".loss")})
    return P, live


first, second = sorted(drops)
end = [f"after{round(c.stage2 * c.steps):02d}", f"after{c.steps:02d}"]
follow("train_absorb", [f"drop{first:02d}", f"drop{second:02d}", *end], on_drop="absorb")
follow("train_fade", [f"after{first + 1:02d}", f"drop{first + told['fade']:02d}", f"drop{second + told['fade']:02d}", *end], on_drop="fade", fade=told["fade"])
(here / "gates.json").write_text(json.dumps(told, indent=0) + "\n")
