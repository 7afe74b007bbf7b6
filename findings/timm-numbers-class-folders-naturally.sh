#!/usr/bin/env bash
# timm 1.0.29, torchvision 0.28.0 and datasets 5.0.1: the numbers that they give to the same folders of classes.
#
# Guess: all three sort the names of the folders and number them from 0: a model that was trained by one of them is measured right
#   by the readers of the others.
# Found: torchvision and datasets sort by code points, timm "naturally": numbers in names count as numbers, and case does not. With
#   folders 1, 2 and 10 the second and third class change places, without a word; timm's scripts want a --class-map then.
# Output seen:
#   timm:        1 2 10 a B img9 img10
#   torchvision: 1 10 2 B a img10 img9
#   datasets:    1 10 2 B a img10 img9
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet timm==1.0.29 torch==2.13.0 torchvision==0.28.0 numpy==2.4.6 datasets==5.0.1 pillow==12.3.0
cat >check.py <<'PYTHON'
import os

import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:
    # A torchvision without its compiled operators: only their names are needed.
    operators = torch.library.Library("torchvision", "DEF")
    operators.define("nms(Tensor x) -> Tensor")
    operators.define("qnms(Tensor x) -> Tensor")

from datasets import load_dataset
from PIL import Image
from timm.data import create_dataset
from torchvision.datasets import ImageFolder

for name in ["1", "2", "10", "a", "B", "img9", "img10"]:
    os.makedirs(f"classes/{name}")
    Image.new("RGB", (8, 8)).save(f"classes/{name}/picture.png")


def ordered(numbers):
    return " ".join(sorted(numbers, key=numbers.get))


of_timm = ordered(create_dataset("", root="classes").reader.class_to_idx)
of_torchvision = ordered(ImageFolder("classes").class_to_idx)
rows = load_dataset("imagefolder", data_dir="classes", cache_dir="cache")["train"]
of_datasets = " ".join(rows.features["label"].names)
print(f"timm:        {of_timm}")
print(f"torchvision: {of_torchvision}")
print(f"datasets:    {of_datasets}")
assert of_timm == "1 2 10 a B img9 img10", "the behaviour has changed"
assert of_torchvision == of_datasets == "1 10 2 B a img10 img9", "the behaviour has changed"
PYTHON
venv/bin/python check.py
