#!/usr/bin/env bash
# datasets 5.0.1: load_dataset("imagefolder") on folders of classes, one of which has a word of a split in its name.
#
# Guess: a folder for each class is one split "train" with those classes, whatever they are called; a name means a split only as
#   the whole name of a folder at the top.
# Found: a word within a name is enough, between spaces, hyphens and the like. Of beaker, flask and "test tube" only the test
#   tubes are loaded, as a split "test", and without labels; the other two classes are gone without a word. Inside train/ and
#   test/ the training pictures of "test tube" are in both splits, and those of test/test tube twice.
# Output seen:
#   beaker, flask, test tube: test 3 images, no labels
#   dev board, resistor: validation 3 images, no labels
#   beaker, flask, pipette: train 9 images, beaker 3 flask 3 pipette 3
#   train and test of beaker, test tube: train 6 images, beaker 3 test tube 3; test 12 images, beaker 3 test tube 9
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet datasets==5.0.1 pillow==12.3.0
cat >check.py <<'PYTHON'
import collections
import os
import tempfile

from datasets import load_dataset
from PIL import Image


def told(*folders):
    root = tempfile.mkdtemp(dir=".")
    for at, name in enumerate(folders):
        os.makedirs(f"{root}/{name}")
        for i in range(3):
            Image.new("RGB", (8, 8), (40 * at, 40 * i, 0)).save(f"{root}/{name}/{i}.png")
    splits = load_dataset("imagefolder", data_dir=root, cache_dir=tempfile.mkdtemp(dir="."))
    words = []
    for split, rows in splits.items():
        labels = "no labels"
        if "label" in rows.features:
            counts = collections.Counter(rows["label"])
            names = rows.features["label"].names
            labels = " ".join(f"{name} {counts[i]}" for i, name in enumerate(names))
        words.append(f"{split} {rows.num_rows} images, {labels}")
    return "; ".join(words)


cases = {
    "beaker, flask, test tube": (["beaker", "flask", "test tube"], "test 3 images, no labels"),
    "dev board, resistor": (["dev board", "resistor"], "validation 3 images, no labels"),
    "beaker, flask, pipette": (
        ["beaker", "flask", "pipette"],
        "train 9 images, beaker 3 flask 3 pipette 3",
    ),
    "train and test of beaker, test tube": (
        ["train/beaker", "train/test tube", "test/beaker", "test/test tube"],
        "train 6 images, beaker 3 test tube 3; test 12 images, beaker 3 test tube 9",
    ),
}
for name, (folders, expected) in cases.items():
    found = told(*folders)
    print(f"{name}: {found}")
    assert found == expected, "the behaviour has changed"
PYTHON
venv/bin/python check.py
