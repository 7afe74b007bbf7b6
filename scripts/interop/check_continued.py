"""What continue.py left, loaded by the real libraries: the merged model, and the adapter on the original model where there
is one.

    python scripts/interop/check_continued.py SOURCE OUT FOLDER

FOLDER holds continue.py, run.json and pictures. Prints JSON: `merged`, how far the merged model's loss on the validation
pictures is from the one that continue.py measured of the state it kept, and `adapter`, the largest |logit difference| of
adapter and merged model on them; null without an adapter.
"""

import importlib.util
import json
import sys
from pathlib import Path

from check_readers import torchvision_is_there


def merged_model(script, run, source, out):
    import torch

    if run["model"]["library"] == "timm":
        model = script.load_base(run, source)[0]
        model.load_state_dict(torch.load(out / "merged.pt", weights_only=True))
        return model.eval()
    import transformers

    cls = getattr(transformers, run["model"]["baseClass"]["name"])
    return cls.from_pretrained(out / "merged", dtype=torch.float32).eval()


def main(source, out, folder):
    torchvision_is_there()
    import torch
    from peft import PeftModel

    out, folder = Path(out), Path(folder)
    spec = importlib.util.spec_from_file_location("continued", folder / "continue.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    run, log = (json.loads(path.read_text()) for path in (folder / "run.json", out / "log.json"))
    files = script.labelled_files(folder / "pictures", run["data"]["classes"])
    _, held = script.split_files(files, run, run["recipe"], 0)
    pixels, labels = zip(*script.Pictures(held, run["model"]["preprocessing"]))
    pixels, labels = torch.stack(pixels), torch.tensor(labels)
    merged, adapter = merged_model(script, run, source, out), None
    with torch.no_grad():
        logits = script.logits_of(merged, pixels)
        loss = torch.nn.functional.cross_entropy(logits, labels).item()
        if (out / "adapter").exists():
            adapted = PeftModel.from_pretrained(script.load_base(run, source)[0], out / "adapter").eval()
            adapter = (script.logits_of(adapted, pixels) - logits).abs().max().item()
    measured = [one["loss"] for one in log["validations"] if one["step"] == log["kept"]][-1]
    print(json.dumps({"merged": abs(loss - measured) / measured, "adapter": adapter}))


if __name__ == "__main__":
    main(*sys.argv[1:])
