#!/usr/bin/env bash
# timm 1.0.29: a key of somebody else's in a config.json that create_model('local-dir:...') loads.
#
# Guess: a reader of config.json passes over keys that it does not know, wherever they stand, as transformers does: a
#   tool may note there how it prepared the images.
# Found: at the top level a new key is passed over without a word. Within pretrained_cfg, where everything about the
#   preparation of images stands, the same key ends the loading with a TypeError: its entries are the arguments of a
#   dataclass. The prefix of an underscore does not help. What a tool adds belongs at the top level.
# Output seen:
#   as timm saved it: loaded
#   "note" at the top level: loaded
#   "note" in pretrained_cfg: TypeError: PretrainedCfg.__init__() got an unexpected keyword argument 'note'
#   "_note" in pretrained_cfg: TypeError: PretrainedCfg.__init__() got an unexpected keyword argument '_note'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet timm==1.0.29 torch==2.13.0 torchvision==0.28.0 numpy==2.4.6
cat >check.py <<'PYTHON'
import copy
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

save_for_hf(timm.create_model("vit_tiny_patch16_224", num_classes=3), "model")
saved = json.load(open("model/config.json"))


def load(words, change):
    config = copy.deepcopy(saved)
    change(config)
    json.dump(config, open("model/config.json", "w"))
    try:
        timm.create_model("local-dir:model", pretrained=True)
        print(f"{words}: loaded")
    except TypeError as error:
        print(f"{words}: TypeError: {error}")


load("as timm saved it", lambda config: None)
load('"note" at the top level', lambda config: config.update(note="prepared by hand"))
for name in ("note", "_note"):
    load(f'"{name}" in pretrained_cfg', lambda config: config["pretrained_cfg"].update({name: "prepared by hand"}))
PYTHON
cat >expected <<'TEXT'
as timm saved it: loaded
"note" at the top level: loaded
"note" in pretrained_cfg: TypeError: PretrainedCfg.__init__() got an unexpected keyword argument 'note'
"_note" in pretrained_cfg: TypeError: PretrainedCfg.__init__() got an unexpected keyword argument '_note'
TEXT
venv/bin/python check.py 2>/dev/null | tee seen
diff expected seen
