"""What continue.py left, loaded by the real libraries: the adapter on the original model, and the merged model beside it.

    python scripts/interop/check_continued.py SOURCE OUT

Prints the largest |logit difference| of the two on random pixels, as JSON.
"""

import json
import sys
from pathlib import Path

from check_readers import torchvision_is_there


def main(source, out):
    torchvision_is_there()
    import torch
    from peft import PeftModel
    from transformers import AutoModelForImageClassification

    merged = AutoModelForImageClassification.from_pretrained(Path(out) / "merged", dtype=torch.float32).eval()
    base = type(merged).from_pretrained(
        source, num_labels=merged.config.num_labels, ignore_mismatched_sizes=True, dtype=torch.float32
    )
    adapted = PeftModel.from_pretrained(base, Path(out) / "adapter").eval()
    side = merged.config.image_size
    pixels = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        difference = (merged(pixels).logits - adapted(pixels).logits).abs().max().item()
    print(json.dumps({"difference": difference}))


if __name__ == "__main__":
    main(*sys.argv[1:])
