#!/usr/bin/env bash
# peft 0.21.0 with transformers 5.18.0: merging an adapter of LayerNorms (LNTuning) that also trained the head.
#
# Guess: merge_and_unload() gives the plain model back, whatever the method: save_pretrained() then writes a folder that
#   from_pretrained() reads, as after LoRA.
# Found: for LoRA that is so. For LNTuning the merged model answers as before and is of the plain class, but the module
#   of `modules_to_save` stays in its wrapper: the folder holds the head twice under names of the wrapper and not under
#   its own, and from_pretrained() takes a head of random numbers, with a table in the log and no error. One has to
#   unwrap `model.classifier` by hand before saving.
# Output seen:
#   LORA: merged answers equal, head saved as ['classifier.bias', 'classifier.weight'], reloaded answers equal
#   LN_TUNING: merged answers equal, head saved as ['classifier.modules_to_save.default.bias',
#     'classifier.modules_to_save.default.weight', 'classifier.original_module.bias',
#     'classifier.original_module.weight'], reloaded answers differ
#   (each on one line)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet peft==0.21.0 transformers==5.18.0 torch==2.13.0 safetensors==0.8.0 numpy==2.4.6
cat >check.py <<'PYTHON'
import torch
from peft import LNTuningConfig, LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import ViTConfig, ViTForImageClassification

torch.manual_seed(0)
size = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
ViTForImageClassification(ViTConfig(image_size=32, patch_size=8, num_labels=3, **size)).save_pretrained("base")
pictures = torch.randn(4, 3, 32, 32)
for config in (
    LoraConfig(target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"]),
    LNTuningConfig(target_modules=["layernorm_before", "layernorm_after"], modules_to_save=["classifier"]),
):
    model = get_peft_model(ViTForImageClassification.from_pretrained("base"), config).eval()
    with torch.no_grad():  # as training would
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
        answers = model(pictures).logits
        merged = model.merge_and_unload()
        same = torch.allclose(merged(pictures).logits, answers, atol=1e-5)
        folder = config.peft_type.value
        merged.save_pretrained(folder)
        head = sorted(name for name in load_file(f"{folder}/model.safetensors") if "classifier" in name)
        again = ViTForImageClassification.from_pretrained(folder).eval()
        kept = torch.allclose(again(pictures).logits, answers, atol=1e-5)
    words = {True: "equal", False: "differ"}
    print(f"{folder}: merged answers {words[same]}, head saved as {head}, reloaded answers {words[kept]}")
PYTHON
cat >expected <<'TEXT'
LORA: merged answers equal, head saved as ['classifier.bias', 'classifier.weight'], reloaded answers equal
LN_TUNING: merged answers equal, head saved as ['classifier.modules_to_save.default.bias', 'classifier.modules_to_save.default.weight', 'classifier.original_module.bias', 'classifier.original_module.weight'], reloaded answers differ
TEXT
venv/bin/python check.py 2>/dev/null | tee seen
diff expected seen
