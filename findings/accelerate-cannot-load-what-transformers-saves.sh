#!/usr/bin/env bash
# accelerate 1.15.0 with transformers 5.18.0: load_checkpoint_and_dispatch on a ViT that save_pretrained wrote.
#
# Guess: a folder that transformers writes by default loads by accelerate's own loader into a model of the same class and
#   version, as it did with transformers 4.
# Found: it does not. transformers 5 renamed the modules of ViT in memory and still writes the old names; the renaming is
#   known to from_pretrained alone. accelerate leaves the blocks on the meta device: "NotImplementedError: Cannot copy out
#   of meta tensor", and with strict=True "AttributeError: 'ViTModel' object has no attribute 'encoder'". A folder saved
#   with save_original_format=False loads, and from_pretrained loads both.
# Output seen:
#   default: load_checkpoint_and_dispatch NotImplementedError, strict AttributeError; from_pretrained loads, difference 0
#   save_original_format=False: load_checkpoint_and_dispatch loads, strict loads; from_pretrained loads, difference 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet accelerate==1.15.0 transformers==5.18.0 torch==2.13.0 numpy==2.4.6
cat >check.py <<'PYTHON'
import logging
import warnings

import torch
from accelerate import init_empty_weights, load_checkpoint_and_dispatch
from transformers import AutoConfig, AutoModelForImageClassification, ViTConfig, ViTForImageClassification

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
torch.manual_seed(0)
config = ViTConfig(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=16
)
model = ViTForImageClassification(config).eval()
pixels = torch.randn(2, 3, 32, 32)


def dispatched(strict):
    with init_empty_weights():
        empty = AutoModelForImageClassification.from_config(AutoConfig.from_pretrained("saved"))
    try:
        load_checkpoint_and_dispatch(empty, "saved", device_map={"": "cpu"}, strict=strict)
        return "loads"
    except Exception as error:
        return type(error).__name__


def tried(title, **options):
    model.save_pretrained("saved", **options)
    loose, strict = dispatched(False), dispatched(True)
    again = AutoModelForImageClassification.from_pretrained("saved").eval()
    with torch.no_grad():
        difference = (again(pixels).logits - model(pixels).logits).abs().max().item()
    line = f"load_checkpoint_and_dispatch {loose}, strict {strict}; from_pretrained loads, difference {difference:g}"
    print(f"{title}: {line}")
    return line


default = tried("default")
new_names = tried("save_original_format=False", save_original_format=False)
assert default == (
    "load_checkpoint_and_dispatch NotImplementedError, strict AttributeError; from_pretrained loads, difference 0"
), "the behaviour has changed"
assert new_names == (
    "load_checkpoint_and_dispatch loads, strict loads; from_pretrained loads, difference 0"
), "the behaviour has changed"
PYTHON
venv/bin/python check.py 2>/dev/null
