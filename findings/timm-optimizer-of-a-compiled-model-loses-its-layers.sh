#!/usr/bin/env bash
# timm 1.0.29: create_optimizer_v2 with layer_decay of a DINOv2 with registers, and of the same model after torch.compile.
#
# Guess: torch.compile(model) is a module of the same parameters, so the optimiser has the same groups: each block its own
#   rate, no decay of tokens and positions.
# Found: every parameter of the compiled model has the full rate, as if layer_decay had not been given, and the class token, the
#   register tokens and the positions decay. timm finds layers and exceptions by names, which begin with "_orig_mod." then,
#   and says nothing. The optimiser has to be made before the model is compiled, or of model._orig_mod.
# Output seen:
#   as it is: rates of patch embedding, blocks and head 0.125 0.25 0.5 1.0, decayed beside matrices: nothing
#   compiled: rates of patch embedding, blocks and head 1.0 1.0 1.0 1.0, decayed beside matrices: cls_token pos_embed reg_token
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet timm==1.0.29 torch==2.13.0 torchvision==0.28.0 numpy==2.4.6
cat >check.py <<'PYTHON'
import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:
    # A torchvision without its compiled operators: timm only needs their names.
    operators = torch.library.Library("torchvision", "DEF")
    operators.define("nms(Tensor x) -> Tensor")
    operators.define("qnms(Tensor x) -> Tensor")

import timm
from timm.optim import create_optimizer_v2

model = timm.create_model("vit_small_patch14_reg4_dinov2", num_classes=3, img_size=28, depth=2)
for title, module in (("as it is", model), ("compiled", torch.compile(model))):
    optimizer = create_optimizer_v2(module, opt="adamw", lr=1e-3, weight_decay=0.05, layer_decay=0.5)
    group_of = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    groups = {name: group_of[id(parameter)] for name, parameter in model.named_parameters()}
    asked = ("patch_embed.proj.weight", "blocks.0.mlp.fc1.weight", "blocks.1.mlp.fc1.weight", "head.weight")
    rates = " ".join(str(groups[name]["lr_scale"]) for name in asked)
    decayed = sorted(name for name, group in groups.items() if group["weight_decay"] > 0 and not name.endswith(".weight"))
    print(f"{title}: rates of patch embedding, blocks and head {rates}, decayed beside matrices: {' '.join(decayed) or 'nothing'}")
PYTHON
cat >expected <<'TEXT'
as it is: rates of patch embedding, blocks and head 0.125 0.25 0.5 1.0, decayed beside matrices: nothing
compiled: rates of patch embedding, blocks and head 1.0 1.0 1.0 1.0, decayed beside matrices: cls_token pos_embed reg_token
TEXT
venv/bin/python check.py | tee seen
diff expected seen
