"""Loads what Graft exported with transformers, peft, onnxruntime and timm, and compares the logits with Graft's.

    python scripts/interop/check_exports.py WORK --library transformers|timm [--families NAME ...]

WORK/FAMILY/out/proof.safetensors holds `pixel_values` and Graft's `logits`; WORK/FAMILY/out/FORMAT-DTYPE/ is an exported
folder, WORK/FAMILY/source/ the checkpoint that it came from. One line of JSON for each check on standard output:
family, check, and difference (largest |logit difference|), error, or skip with the reason; {"done": family} ends a family.
"""

import argparse
import json
import re
import sys
import traceback
from pathlib import Path

import torch
from safetensors.torch import load_file


def say(family, check, **fields):
    print(json.dumps({"family": family, "check": check, **fields}), flush=True)


def attempt(family, check, compute):
    """Runs one comparison; what it raises is the check's result."""
    try:
        say(family, check, difference=compute())
    except Exception as thrown:  # noqa: BLE001
        reason = str(thrown).strip().splitlines()
        say(family, check, error=f"{type(thrown).__name__}: {reason[0] if reason else ''}"[:300])
        traceback.print_exc(file=sys.stderr)


def largest(logits, proof):
    logits = torch.as_tensor(logits).float()
    assert logits.shape == proof["logits"].shape, f"logits {list(logits.shape)}"
    assert torch.isfinite(logits).all(), "a logit is not finite"
    return (logits - proof["logits"]).abs().max().item()


def as_share(difference, proof):
    """A difference as a share of the largest logit: what few bits are judged by."""
    return difference / max(1, proof["logits"].abs().max().item())


def exports(work, families=None):
    for out in sorted(work.glob("*/out")):
        family = out.parent.name
        if families is not None and family not in families:
            continue
        proof = load_file(out / "proof.safetensors")
        for folder in sorted(path for path in out.iterdir() if path.is_dir()):
            yield family, folder, proof
        print(json.dumps({"done": family}), flush=True)


def kind_of(folder):
    """The library that a folder is for; `source` is in the names of the checkpoint that it came from."""
    kind = folder.name.split("-")[0]
    if kind == "source" and (folder / "config.json").exists():
        return "timm" if "architecture" in json.loads((folder / "config.json").read_text()) else "hf"
    return kind


def load_strictly(cls, folder, **options):
    """Loads without a missing, unexpected or mismatched key: transformers only warns of them."""
    model, info = cls.from_pretrained(folder, output_loading_info=True, **options)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        assert not info.get(kind), f"{kind}: {sorted(map(str, info[kind]))[:3]}"
    return model.eval()


def with_adapter(PeftModel, model, folder):
    """The model with the adapter; every tensor of the file must have found its place, and every place its tensor."""
    from peft import get_peft_model_state_dict

    model = PeftModel.from_pretrained(model, folder).eval()
    stored, wanted = set(load_file(folder / "adapter_model.safetensors")), set(get_peft_model_state_dict(model))
    # Where all biases are saved, peft writes that of a module to save twice more, within its wrapper and the original's,
    # and those that have no say in the logits.
    spare = r"\.(modules_to_save|original_module)\.bias$|\.vision_model\.(post_layernorm|head)\.(.*\.)?\w*bias$"
    wanted = {name for name in wanted if name in stored or not re.search(spare, name)}
    assert stored == wanted, f"keys: {sorted(stored ^ wanted)[:3]}"
    return model


def transformers_checks(work, families):
    import onnx
    import onnxruntime
    import transformers
    from peft import PeftModel
    from verify_exports import original_model

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    auto = transformers.AutoModelForImageClassification

    def logits_of(model, proof):
        with torch.no_grad():
            return model.float()(pixel_values=proof["pixel_values"]).logits

    for family, folder, proof in exports(work, families):
        name = folder.name
        kind = kind_of(folder)
        if kind == "hf":
            attempt(family, name, lambda: largest(logits_of(load_strictly(auto, folder), proof), proof))
            attempt(family, f"{name}-scores", lambda: scores_of(folder))
            if name in ("hf-F32", "hf-v5-F32"):
                in_other_tools(family, folder, proof, logits_of)
        elif kind == "peft" and kind_of(work / family / "source") == "hf":
            base = work / family / "source"
            classes = proof["logits"].shape[1]

            if (why := unreadable(base)) is not None:
                say(family, name, skip=why)
                continue

            def adapted(merge):
                mapping = json.loads((folder / "adapter_config.json").read_text())["auto_mapping"]
                model = original_model(base, mapping["base_model_class"], classes)
                model = with_adapter(PeftModel, model, folder)
                return largest(logits_of(model.merge_and_unload() if merge else model, proof), proof)

            attempt(family, name, lambda: adapted(False))
            attempt(family, f"{name}-merged", lambda: adapted(True))
        elif kind == "onnx":

            def run():
                [path] = sorted((folder / "onnx").glob("model*.onnx"))
                onnx.checker.check_model(str(path), full_check=True)
                session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
                pixels = proof["pixel_values"].numpy()
                [whole] = session.run(["logits"], {"pixel_values": pixels})
                [single] = session.run(["logits"], {"pixel_values": pixels[:1]})  # the batch is dynamic
                most = max(largest(whole, proof), (torch.as_tensor(single[0]) - proof["logits"][0]).abs().max().item())
                # In few bits a share of the largest logit, as the export's own proof judges them.
                return as_share(most, proof) if "-q" in name else most

            attempt(family, name, run)
            attempt(family, f"{name}-levels", lambda: at_levels(folder, proof))
            if name == "onnx-F32":
                in_onnx_tools(family, folder, proof)


levels = ("DISABLE_ALL", "BASIC", "EXTENDED", "LAYOUT", "ALL")


def onnx_logits(path, proof, level="ALL"):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_{level if level == 'DISABLE_ALL' else f'ENABLE_{level}'}")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"pixel_values": proof["pixel_values"].numpy()})[0]


def at_levels(folder, proof):
    """The largest difference at any level of optimisation."""
    [path] = sorted((folder / "onnx").glob("model*.onnx"))
    most = max(largest(onnx_logits(path, proof, level), proof) for level in levels)
    return as_share(most, proof) if "-q" in folder.name else most


def in_onnx_tools(family, folder, proof):
    """A float32 graph in onnxruntime's transformer optimiser and, after quant_pre_process, in its dynamic quantiser."""
    import logging
    import tempfile

    import onnx
    from onnxruntime.quantization import quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process
    from onnxruntime.transformers import optimizer

    logging.disable(logging.WARNING)
    path = folder / "onnx/model.onnx"
    # The blocks: one softmax each.
    blocks = sum(node.op_type == "Softmax" for node in onnx.load(path, load_external_data=False).graph.node)
    with tempfile.TemporaryDirectory() as there:
        optimised, prepared, small = (Path(there) / f"{name}.onnx" for name in ("optimised", "prepared", "small"))

        def unfused():
            model = optimizer.optimize_model(str(path), model_type="vit")
            model.save_model_to_file(str(optimised))
            fused = model.get_fused_operator_statistics()["Attention"]
            assert fused == blocks, f"{fused} of {blocks} attention nodes are fused"
            return largest(onnx_logits(optimised, proof), proof)

        def quantised():
            quant_pre_process(str(path), str(prepared))
            quantize_dynamic(str(prepared), str(small), per_channel=True)
            return as_share(largest(onnx_logits(small, proof), proof), proof)

        attempt(family, f"{folder.name}-fused", unfused)
        attempt(family, f"{folder.name}-quantised", quantised)


def scores_of(folder):
    """How far the pipeline's scores are from a distribution over the classes."""
    from PIL import Image
    from transformers import pipeline

    picture = Image.linear_gradient("L").resize((97, 61)).convert("RGB")
    # torch's image processor where torchvision is there, PIL's where it is not.
    classify = pipeline("image-classification", model=str(folder), dtype=torch.float32)
    scores = [answer["score"] for answer in classify(picture, top_k=1000)]
    labels = json.loads((folder / "config.json").read_text())["id2label"]
    assert len(scores) == len(labels), f"{len(scores)} scores for {len(labels)} classes"
    return abs(sum(scores) - 1)


def in_other_tools(family, folder, proof, logits_of):
    """A merged folder in torch.export and torch.compile, and in the loaders of accelerate."""
    import transformers

    auto = transformers.AutoModelForImageClassification
    pixels = {"pixel_values": proof["pixel_values"]}

    def exported():
        program = torch.export.export(auto.from_pretrained(folder).eval(), (), pixels)
        return largest(program.module()(**pixels).logits, proof)

    def compiled():
        # The whole graph at once; the code generator behind it needs a C++ compiler and a minute.
        torch._dynamo.reset()
        model = torch.compile(auto.from_pretrained(folder).eval(), fullgraph=True, backend="aot_eager")
        return largest(model(**pixels).logits, proof)

    if folder.name == "hf-F32":
        attempt(family, f"{folder.name}-export", exported)
        attempt(family, f"{folder.name}-compile", compiled)
    try:
        import accelerate
    except ModuleNotFoundError:
        return say(family, f"{folder.name}-accelerate", skip="no accelerate")

    def dispatched():
        # Of the two generations of names, accelerate's own loader takes those of the modules; transformers' takes both.
        if folder.name == "hf-F32":
            return largest(logits_of(load_strictly(auto, folder, device_map="cpu"), proof), proof)
        with accelerate.init_empty_weights():
            model = auto.from_config(transformers.AutoConfig.from_pretrained(folder))
        weights = str(folder / "model.safetensors")
        model = accelerate.load_checkpoint_and_dispatch(model, weights, device_map={"": "cpu"}, strict=True)
        return largest(logits_of(model.eval(), proof), proof)

    attempt(family, f"{folder.name}-accelerate", dispatched)


def unreadable(base):
    """Why transformers itself does not find the weights of an original; None when it does, or is not asked for a classifier."""
    import transformers

    auto = transformers.AutoModelForImageClassification
    if type(transformers.AutoConfig.from_pretrained(base)) not in auto._model_mapping:
        return None  # MAE's encoder, a tower: the adapter's own base class loads it
    _, info = auto.from_pretrained(base, num_labels=2, ignore_mismatched_sizes=True, output_loading_info=True)
    missing = [key for key in info["missing_keys"] if "classifier" not in key]
    return f"transformers itself does not find {missing[0]} in the original" if missing else None


def timm_cannot(base):
    """Why timm itself cannot load an original with a new head; None when it can."""
    import timm

    try:
        timm.create_model(f"local-dir:{base}", pretrained=True, num_classes=2)
    except Exception as thrown:  # noqa: BLE001
        return f"timm itself does not load the original: {type(thrown).__name__}: {str(thrown).splitlines()[0]}"[:200]
    return None


def timm_checks(work, families):
    library = torch.library.Library("torchvision", "DEF")  # timm imports torchvision's operators, which need not be there
    for operator in ("nms(Tensor x) -> Tensor", "qnms(Tensor x) -> Tensor"):
        try:
            library.define(operator)
        except RuntimeError:
            pass
    import timm

    try:
        from peft import PeftModel
    except ModuleNotFoundError:
        PeftModel = None

    for family, folder, proof in exports(work, families):
        kind = kind_of(folder)
        if kind == "peft" and kind_of(work / family / "source") == "timm":
            if PeftModel is None:
                say(family, folder.name, skip="no peft beside timm")
                continue
            if (why := timm_cannot(work / family / "source")) is not None:
                say(family, folder.name, skip=why)
                continue

            def adapted(merge):
                base = work / family / "source"
                args = json.loads((base / "config.json").read_text())
                # A classifier needs the mean in place of an attention pooling.
                pooled = {"global_pool": "avg", "fc_norm": False} if args.get("global_pool") == "map" else {}
                classes = proof["logits"].shape[1]
                model = timm.create_model(f"local-dir:{base}", pretrained=True, num_classes=classes, **pooled)
                model = with_adapter(PeftModel, model, folder)
                model = (model.merge_and_unload() if merge else model).float()
                with torch.no_grad():
                    return largest(model(proof["pixel_values"]), proof)

            attempt(family, folder.name, lambda: adapted(False))
            attempt(family, f"{folder.name}-merged", lambda: adapted(True))
        if kind != "timm":
            continue

        def run():
            # Strict about names and shapes; the architecture and its arguments come from the folder's config.json.
            model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval().float()
            with torch.no_grad():
                return largest(model(proof["pixel_values"]), proof)

        attempt(family, folder.name, run)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--library", choices=["transformers", "timm"], required=True)
    parser.add_argument("--families", nargs="+", help="default: all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    {"transformers": transformers_checks, "timm": timm_checks}[options.library](options.work, options.families)
