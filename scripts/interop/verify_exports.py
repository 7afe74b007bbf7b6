"""Loads what `npm run finetune -- --export ... --proof` wrote with the real libraries and compares their logits with Graft's.

    python scripts/interop/verify_exports.py OUT --base MODEL_FOLDER [--tolerance T]

OUT is the --out folder: format folders beside proof.safetensors (pixel_values [n, 3, S, S] as the network takes them, logits
[n, classes] of the branched model). MODEL_FOLDER is the original checkpoint, which the PEFT adapter is applied to. Prints one
line of JSON for each format found, {"format", "loaded_by", "difference", "scale", "tolerance", "missing", "unexpected",
"ok"}, and a last one for the whole; exit code 1 unless every one is ok. A library that is not installed is reported as
{"skipped": ...}: name it with --require to make that a failure. Tolerance: 1e-4 for float32, 2e-2 for float16, 1e-1 for
bfloat16, a quarter for ONNX in few bits, relative to the largest logit (at least 1).
"""
import argparse
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

TOLERANCES = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 1e-1, "uint8": 0.25, "int4": 0.25}


def record(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def transformers_logits(folder, pixels, report):
    import torch
    import transformers
    from transformers import AutoModelForImageClassification

    report["loaded_by"] = f"transformers {transformers.__version__}"
    model, info = AutoModelForImageClassification.from_pretrained(
        folder, output_loading_info=True, dtype=torch.float32
    )
    report["missing"] = sorted(info["missing_keys"])
    report["unexpected"] = sorted(info["unexpected_keys"])
    mismatched = info.get("mismatched_keys") or []
    report["missing"] += [str(key) for key in mismatched]
    labels = [model.config.id2label[i] for i in range(model.config.num_labels)]
    if labels != record(folder)["data"]["classes"]:
        report["error"] = f"its labels are {labels}"
    with torch.no_grad():
        return model.eval()(torch.from_numpy(pixels)).logits.numpy()


def import_timm():
    import torch

    try:
        import timm
    except RuntimeError:
        # A torchvision without its compiled operators: timm only needs their names.
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor x) -> Tensor")
        library.define("qnms(Tensor x) -> Tensor")
        import timm
    return timm


def timm_logits(folder, pixels, report):
    import torch
    from safetensors.torch import load_file as load_torch

    timm = import_timm()
    report["loaded_by"] = f"timm {timm.__version__}"
    model = timm.create_model(f"local-dir:{folder.resolve()}", pretrained=True)
    result = model.load_state_dict(load_torch(folder / "model.safetensors"), strict=False)
    report["missing"], report["unexpected"] = sorted(result.missing_keys), sorted(result.unexpected_keys)
    wanted = record(folder)["model"]["preprocessing"]
    config = timm.data.resolve_model_data_config(model)
    for key in ("mean", "std"):
        scaled = [value / (255 * wanted["rescale"]) for value in wanted[key]]
        if not np.allclose(config[key], scaled, atol=1e-5):
            report["error"] = f"its {key} is {config[key]}"
    with torch.no_grad():
        return model.eval().float()(torch.from_numpy(pixels)).numpy()


def peft_logits(folder, base, pixels, report):
    import peft
    import torch
    from peft import PeftModel

    run = record(folder)
    report["loaded_by"] = f"peft {peft.__version__}"
    classes = len(run["data"]["classes"])
    if run["model"]["library"] == "timm":
        model = import_timm().create_model(f"local-dir:{base.resolve()}", pretrained=True, num_classes=classes)
    else:
        model = original_model(base, run["model"]["baseClass"]["name"], classes)
    adapted = PeftModel.from_pretrained(model, folder)
    stored = set(load_file_names(folder / "adapter_model.safetensors"))
    wanted = set(peft.get_peft_model_state_dict(adapted))
    report["missing"], report["unexpected"] = sorted(wanted - stored), sorted(stored - wanted)

    def run_model(module):
        with torch.no_grad():
            out = module.eval()(torch.from_numpy(pixels))
        return (out if torch.is_tensor(out) else out.logits).numpy()

    logits = run_model(adapted)
    merged = run_model(adapted.merge_and_unload())
    report["merged_difference"] = float(np.abs(merged - logits).max())
    return logits


def original_model(base, name, classes):
    """The original checkpoint in the class that the adapter is for; a bare tower is put into it."""
    import torch
    import transformers

    cls = getattr(transformers, name)
    config = transformers.AutoConfig.from_pretrained(base)
    if not config.model_type.endswith("_vision_model"):
        return cls.from_pretrained(base, num_labels=classes, ignore_mismatched_sizes=True, dtype=torch.float32)
    model = cls(cls.config_class(vision_config=config.to_dict(), num_labels=classes))
    tower = transformers.AutoModel.from_pretrained(base, dtype=torch.float32)
    model.vision_model.load_state_dict(tower.state_dict())
    return model


def load_file_names(path):
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return list(file.keys())


def onnx_logits(folder, pixels, report):
    import onnxruntime

    [path] = sorted((folder / "onnx").glob("*.onnx"))
    report["loaded_by"] = f"onnxruntime {onnxruntime.__version__}"
    report["missing"], report["unexpected"] = [], []
    try:
        import onnx

        onnx.checker.check_model(str(path), full_check=True)
    except ImportError:
        report["unchecked"] = "onnx is not installed: the graph ran, but was not checked"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    alone = session.run(["logits"], {"pixel_values": pixels[:1]})[0]
    logits = session.run(["logits"], {"pixel_values": pixels})[0]
    report["batch_difference"] = float(np.abs(logits[:1] - alone).max())
    return logits


def verify(folder, base, pixels, expected, tolerance, required):
    name = folder.name
    dtype = record(folder)["export"]["dtype"]
    report = {"format": name, "dtype": dtype}
    try:
        if name in ("hf", "hf-v5"):
            logits = transformers_logits(folder, pixels, report)
        elif name == "timm":
            logits = timm_logits(folder, pixels, report)
        elif name == "peft":
            logits = peft_logits(folder, base, pixels, report)
        else:
            logits = onnx_logits(folder, pixels, report)
    except ImportError as error:
        missing = str(error)
        fatal = any(word in missing for word in required)
        return {**report, "skipped": missing, "ok": not fatal}
    except Exception as error:  # noqa: BLE001 - whatever a library throws is the finding
        return {**report, "error": f"{type(error).__name__}: {error}", "ok": False}
    scale = max(1.0, float(np.abs(expected).max()))
    allowed = (tolerance or TOLERANCES[dtype]) * scale
    difference = float(np.abs(logits.astype(np.float32) - expected).max())
    good = difference <= allowed and not report["missing"] and not report["unexpected"] and "error" not in report
    return {**report, "difference": difference, "scale": scale, "tolerance": allowed, "ok": bool(good)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--base", type=Path, required=True, help="folder of the original checkpoint")
    parser.add_argument("--tolerance", type=float, help="relative to the largest logit, instead of the type's own")
    parser.add_argument("--only", help="formats, comma-separated (default: all that are there)")
    parser.add_argument("--require", default="", help="libraries that must be there, comma-separated")
    args = parser.parse_args()
    proof = load_file(args.out / "proof.safetensors")
    pixels, expected = proof["pixel_values"], proof["logits"]
    names = ["hf", "hf-v5", "timm", "peft", "onnx", "onnx-q8", "onnx-q4"]
    chosen = [name for name in names if args.only is None or name in args.only.split(",")]
    folders = [args.out / name for name in chosen if (args.out / name).is_dir()]
    required = [word for word in args.require.split(",") if word]
    reports = []
    for folder in folders:
        reports.append(verify(folder, args.base, pixels, expected, args.tolerance, required))
        print(json.dumps(reports[-1]), flush=True)
    good = bool(reports) and all(report["ok"] for report in reports)
    print(json.dumps({"formats": [report["format"] for report in reports], "ok": good}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
