"""The tensors that classes of transformers and timm register for a config.json: what Graft's own account is tested with.

    python scripts/interop/list_tensors.py testdata/architectures.json [--library transformers|timm]

Writes a list of {"library", "config", "tensors": {name: shape}}; entries of the library that is not named are kept.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from safetensors import safe_open


def transformers_entries():
    import transformers as tr

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8, "patch_size": 4}
    vit = {**sizes, "intermediate_size": 12}
    dino = {**sizes, "mlp_ratio": 2}
    no_head = {**vit, "vision_use_head": False}
    makes = [
        (tr.ViTForImageClassification, tr.ViTConfig, vit),
        (tr.ViTForImageClassification, tr.ViTConfig, {**vit, "qkv_bias": False}),
        (tr.DeiTForImageClassification, tr.DeiTConfig, vit),
        (tr.DeiTForImageClassificationWithTeacher, tr.DeiTConfig, vit),
        (tr.ViTMSNForImageClassification, tr.ViTMSNConfig, vit),
        (tr.IJepaForImageClassification, tr.IJepaConfig, vit),
        (tr.Dinov2ForImageClassification, tr.Dinov2Config, dino),
        (tr.Dinov2ForImageClassification, tr.Dinov2Config, {**dino, "use_mask_token": False}),
        (tr.Dinov2WithRegistersForImageClassification, tr.Dinov2WithRegistersConfig, {**dino, "num_register_tokens": 3}),
        (tr.CLIPForImageClassification, tr.CLIPConfig, {"vision_config": vit}),
        (tr.MetaClip2ForImageClassification, tr.MetaClip2Config, {"vision_config": vit}),
        (tr.SiglipForImageClassification, tr.SiglipConfig, {"vision_config": vit}),
        (tr.SiglipForImageClassification, tr.SiglipConfig, {"vision_config": no_head}),
    ]
    for cls, config, fields in makes:
        model = cls(config(**fields, num_labels=3))
        for original in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                model.save_pretrained(folder, save_original_format=original)
                written = json.loads((Path(folder) / "config.json").read_text())
                written.pop("text_config", None)
                with safe_open(Path(folder) / "model.safetensors", "pt") as file:
                    tensors = {name: file.get_slice(name).get_shape() for name in sorted(file.keys())}
            yield {"library": "transformers", "config": written, "tensors": tensors}


def timm_entries():
    library = torch.library.Library("torchvision", "DEF")  # timm imports torchvision's operators, which need not be there
    for operator in ("nms(Tensor x) -> Tensor", "qnms(Tensor x) -> Tensor"):
        try:
            library.define(operator)
        except RuntimeError:
            pass
    import timm

    plain = {
        **{"img_size": 8, "patch_size": 4, "embed_dim": 8, "depth": 1, "num_heads": 2, "mlp_ratio": 1.5},
        **{"qkv_bias": True, "class_token": True, "reg_tokens": 0, "no_embed_class": False, "global_pool": "token"},
        **{"fc_norm": False, "final_norm": True, "pre_norm": False, "act_layer": "gelu"},
    }
    mean = {"global_pool": "avg", "fc_norm": True}
    makes = [
        ("vit_tiny_patch16_224", {}),
        ("vit_base_patch16_224", mean),
        ("vit_base_patch16_224", {**mean, "fc_norm": False}),
        ("vit_base_patch16_224", {"final_norm": False}),
        ("vit_base_patch16_224", {"qkv_bias": False}),
        ("vit_base_patch16_224", {"init_values": 1}),
        ("vit_base_patch16_clip_224", {"pre_norm": True}),
        ("deit_tiny_distilled_patch16_224", {}),
        ("deit3_small_patch16_224", {"no_embed_class": True}),
        ("vit_small_patch14_dinov2", {}),
        ("vit_small_patch14_reg4_dinov2", {"reg_tokens": 4, "no_embed_class": True}),
        ("vit_little_patch16_reg4_gap_256", {**mean, "class_token": False, "reg_tokens": 4, "no_embed_class": True}),
        ("vit_base_patch16_siglip_gap_224", {**mean, "fc_norm": False, "class_token": False, "act_layer": "gelu_tanh"}),
    ]
    for architecture, switches in makes:
        args = {**plain, **switches}
        model = timm.create_model(architecture, num_classes=3, **args)
        config = {"architecture": architecture, "num_classes": 3, "model_args": args}
        tensors = {name: list(tensor.shape) for name, tensor in sorted(model.state_dict().items())}
        yield {"library": "timm", "config": config, "tensors": tensors}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--library", choices=["transformers", "timm"])
    options = parser.parse_args()
    before = json.loads(options.file.read_text()) if options.file.exists() else []
    found = []
    for name, entries in (("transformers", transformers_entries), ("timm", timm_entries)):
        keeps = options.library not in (None, name)
        found += [entry for entry in before if entry["library"] == name] if keeps else list(entries())
    lines = ",\n".join(json.dumps(entry) for entry in found)
    options.file.write_text(f"[\n{lines}\n]\n")
