#!/usr/bin/env bash
# timm 1.0.29: save_for_hf and create_model('local-dir:...') of a ViT that was made for another image size.
#
# Guess: a ViT made with img_size=96, saved by timm and loaded by timm is the same model.
# Found: it is a model for 224 pixels. The written config.json holds neither img_size nor the new input_size, so loading builds
#   the architecture's own size and interpolates the 37 positions to 197, without a warning. With model_args=
#   {"img_size": 96} handed to save_for_hf the model comes back exactly, but its data config still says 224, so that
#   a transform made from it gives pictures that the model does not take.
# Output seen:
#   saved: img_size absent, input_size [3, 224, 224]; loaded: positions 37 -> 197
#   saved with model_args: loaded: positions 37 -> 37, logits differ by 0, data config (3, 224, 224)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet timm==1.0.29 torch==2.13.0 torchvision==0.28.0 numpy==2.4.6
cat >check.py <<'PYTHON'
import json

import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:
    # A torchvision without its compiled operators: timm only needs their names.
    operators = torch.library.Library("torchvision", "DEF")
    operators.define("nms(Tensor x) -> Tensor")
    operators.define("qnms(Tensor x) -> Tensor")

import timm
from timm.models import save_for_hf

torch.manual_seed(0)
model = timm.create_model("vit_tiny_patch16_224", img_size=96, num_classes=3).eval()
pixels = torch.randn(1, 3, 96, 96)


def loaded(folder):
    again = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    return again, f"positions {model.pos_embed.shape[1]} -> {again.pos_embed.shape[1]}"


save_for_hf(model, "plain", safe_serialization=True)
config = json.load(open("plain/config.json"))
size = "absent" if "img_size" not in (config.get("model_args") or {}) else "stated"
plain = f"img_size {size}, input_size {config['pretrained_cfg']['input_size']}; loaded: {loaded('plain')[1]}"
print(f"saved: {plain}")

save_for_hf(model, "stated", model_args={"img_size": 96}, safe_serialization=True)
again, positions = loaded("stated")
with torch.no_grad():
    difference = (model(pixels) - again(pixels)).abs().max().item()
data = timm.data.resolve_model_data_config(again)["input_size"]
stated = f"loaded: {positions}, logits differ by {difference:g}, data config {tuple(data)}"
print(f"saved with model_args: {stated}")

assert plain == "img_size absent, input_size [3, 224, 224]; loaded: positions 37 -> 197", "the behaviour has changed"
assert stated == (
    "loaded: positions 37 -> 37, logits differ by 0, data config (3, 224, 224)"
), "the behaviour has changed"
PYTHON
venv/bin/python check.py
