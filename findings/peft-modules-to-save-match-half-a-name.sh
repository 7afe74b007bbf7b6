#!/usr/bin/env bash
# peft 0.21.0: modules_to_save=["classifier"], as recipes for ViTs have it, on a distilled DeiT of transformers 5.18.0, whose two heads
#   are called cls_classifier and distillation_classifier, and on a ViT whose head has been renamed to "head", as timm calls it.
#
# Guess: a name of modules_to_save is matched like one of target_modules, by whole parts of a module's path, and one that
#   matches nothing is refused like one of target_modules.
# Found: it is matched by how the path ends, letter by letter: "classifier" takes both heads of the DeiT, which target_modules
#   does not find. One that matches nothing is passed over without a warning: of the ViT the head stays as it was drawn.
# Output seen:
#   DeiT, saved whole: cls_classifier, distillation_classifier; as a target: NoMatchingPeftModuleError
#   ViT with a head called head: 0 warnings, 4 tensors train, of the head 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet peft==0.21.0 transformers==5.18.0 torch==2.13.0 numpy==2.4.6
cat >check.py <<'PYTHON'
import warnings

from peft import LoraConfig, get_peft_model
from transformers import DeiTConfig, DeiTForImageClassificationWithTeacher, ViTConfig, ViTForImageClassification

sizes = dict(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=16, patch_size=8, num_labels=3
)


def deit():
    return DeiTForImageClassificationWithTeacher(DeiTConfig(**sizes))


model = get_peft_model(deit(), LoraConfig(target_modules=["q_proj"], modules_to_save=["classifier"]))
whole = [name.rpartition(".")[2] for name, part in model.named_modules() if type(part).__name__ == "ModulesToSaveWrapper"]
try:
    get_peft_model(deit(), LoraConfig(target_modules=["classifier"]))
    target = "found"
except ValueError as refusal:
    target = type(refusal).__name__
first = f"DeiT, saved whole: {', '.join(whole)}; as a target: {target}"
print(first)

vit = ViTForImageClassification(ViTConfig(**sizes))
vit.head = vit.classifier
del vit.classifier
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    model = get_peft_model(vit, LoraConfig(target_modules=["q_proj"], modules_to_save=["classifier"]))
trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
head = sum(".head." in name for name in trained)
second = f"ViT with a head called head: {len(said)} warnings, {len(trained)} tensors train, of the head {head}"
print(second)

assert first == (
    "DeiT, saved whole: cls_classifier, distillation_classifier; as a target: NoMatchingPeftModuleError"
), "the behaviour has changed"
assert second == "ViT with a head called head: 0 warnings, 4 tensors train, of the head 0", "the behaviour has changed"
PYTHON
venv/bin/python check.py
