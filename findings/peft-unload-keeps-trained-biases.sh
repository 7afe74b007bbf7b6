#!/usr/bin/env bash
# peft 0.21.0: LoRA with bias="all" (LoRA and BitFit at once) on a ViT of transformers 5.18.0, trained, then unload().
#
# Guess: unload(), by its documentation the way back to the base model, gives a model that answers as before peft, also where
#   biases were trained.
# Found: the trained biases stay. The model that comes back answers as neither the base model nor the adapted one, and nothing
#   warns; disable_adapter() keeps them too, but warns.
# Output seen:
#   warnings of unload: 0, of disable_adapter: 1
#   after unload: biases as trained, logits as the base model's: no; with the base model's biases put back: yes
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet peft==0.21.0 transformers==5.18.0 torch==2.13.0 numpy==2.4.6
cat >check.py <<'PYTHON'
import warnings

import torch
from peft import LoraConfig, get_peft_model
from transformers import ViTConfig, ViTForImageClassification

torch.manual_seed(0)
config = ViTConfig(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8, num_labels=3
)
base = ViTForImageClassification(config).eval()
pixels = torch.randn(2, 3, 32, 32)
labels = torch.tensor([0, 2])
targets = sorted({name.split(".")[-1] for name, m in base.named_modules() if isinstance(m, torch.nn.Linear) and "attention" in name})


def answers(model):
    with torch.no_grad():
        return model(pixels).logits


before = answers(base)
biases = {name: p.detach().clone() for name, p in base.named_parameters() if name.endswith("bias")}
model = get_peft_model(base, LoraConfig(r=4, target_modules=targets, bias="all"))
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
for _ in range(10):
    optimizer.zero_grad()
    model(pixels, labels=labels).loss.backward()
    optimizer.step()

with warnings.catch_warnings(record=True) as disabling:
    warnings.simplefilter("always")
    with model.disable_adapter():
        pass
with warnings.catch_warnings(record=True) as unloading:
    warnings.simplefilter("always")
    back = model.unload().eval()
counts = f"warnings of unload: {len(unloading)}, of disable_adapter: {len(disabling)}"
print(counts)

moved = max((p - biases[n]).abs().max().item() for n, p in back.named_parameters() if n in biases)
same = torch.allclose(answers(back), before, atol=1e-5)
with torch.no_grad():
    for name, parameter in back.named_parameters():
        if name in biases:
            parameter.copy_(biases[name])
again = torch.allclose(answers(back), before, atol=1e-5)
word = {True: "yes", False: "no"}
found = (
    f"after unload: biases {'as trained' if moved > 1e-3 else 'as before'}, logits as the base model's: {word[same]}; "
    f"with the base model's biases put back: {word[again]}"
)
print(found)
assert counts == "warnings of unload: 0, of disable_adapter: 1", "the behaviour has changed"
assert found == (
    "after unload: biases as trained, logits as the base model's: no; with the base model's biases put back: yes"
), "the behaviour has changed"
PYTHON
venv/bin/python check.py
