#!/usr/bin/env bash
# transformers 5.18.0 and timm 1.0.29: which parameters of a DINOv2 with registers their AdamW decays in full fine-tuning.
#
# Guess: both leave out what is no matrix, and the embeddings: biases, norms, LayerScale, class and register tokens, positions.
# Found: timm's create_optimizer_v2 does. transformers' Trainer leaves out biases and the weights of norms only: it decays
#   the class token, the mask token, the register tokens, the positions, and LayerScale's factors, which have one dimension.
#   So the same network, rate and weight_decay are two different runs.
# Output seen:
#   transformers decays of what timm leaves out: cls_token lambda1 mask_token position_embeddings register_tokens
#   timm decays, beside matrices: nothing
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.18.0 accelerate==1.15.0 timm==1.0.29 torch==2.13.0 torchvision==0.28.0 numpy==2.4.6
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
from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersForImageClassification, Trainer, TrainingArguments


def decayed(optimizer, model):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(p)]: p for group in optimizer.param_groups if group["weight_decay"] > 0 for p in group["params"]}


def special(name, parameter):
    return parameter.ndim == 1 or "token" in name or "pos" in name


config = Dinov2WithRegistersConfig(
    hidden_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14, num_labels=3
)
model = Dinov2WithRegistersForImageClassification(config)
arguments = TrainingArguments("out", weight_decay=0.1, use_cpu=True, report_to=[])
trained = decayed(Trainer(model, arguments).create_optimizer(), model)
hugging = " ".join(sorted({name.split(".")[-1] for name, parameter in trained.items() if special(name, parameter)}))
print(f"transformers decays of what timm leaves out: {hugging}")

model = timm.create_model("vit_small_patch14_reg4_dinov2", depth=1, img_size=28, num_classes=3)
trained = decayed(create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.1), model)
timms = " ".join(sorted(name for name, parameter in trained.items() if special(name, parameter))) or "nothing"
print(f"timm decays, beside matrices: {timms}")

wanted = "cls_token lambda1 mask_token position_embeddings register_tokens"
assert hugging == wanted and timms == "nothing", "the behaviour has changed"
PYTHON
venv/bin/python check.py
