"""Tiny random checkpoints of every family that Graft reads, made by the real libraries.

    python scripts/interop/make_tiny_models.py OUT [--library transformers|timm] [--only NAME ...] [--micro]

Each family becomes a folder OUT/NAME with what the library itself writes (config.json, preprocessor_config.json where the
library has one, model.safetensors or shards with an index) and expected.safetensors:

    pixel_values  [2, 3, S, S]  network input, normal numbers
    logits        [2, C]        of the library's own classifier on them
    head.weight   [C, H], head.bias [C]   for files without a head: the head that the logits were made with, put on the
                                library's classifier (`classifier` in its metadata) after loading the folder
    loss          [1] mean cross entropy of the labels 0 and 1, and of it the gradients grad.head.weight, grad.head.bias
                  (of two heads: the weights' side by side, the biases' summed), grad.q.weight and grad.fc2.weight of
                  the first block
    resized.pixel_values [1, 3, S - P, S - P], resized.logits [1, C]   one patch smaller each way, with the positions
                  interpolated by the library

Weights are drawn larger than the libraries initialise them, and every norm, bias, token and scale is random, so that no
part of a model can be left out without showing in the logits. transformers and timm need not be in one environment:
families of the library that is missing are left out. Needs torch, safetensors and transformers 5 or timm 1.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

CLASSES = 5
LABELS = {i: f"class {i}" for i in range(CLASSES)}


def randomise(model, seed):
    """Every parameter random: matrices by their fan-in, norms' weights around 1, everything else around 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        leaf = name.rsplit(".", 1)[-1]
        is_norm = "norm" in name and leaf == "weight" and parameter.ndim == 1
        if is_norm or leaf in ("gamma", "lambda1"):
            value = 1 + 0.2 * noise
        elif parameter.ndim >= 2 and "token" not in name and "pos" not in name and "class" not in leaf:
            value = 1.2 * noise / parameter[0].numel() ** 0.5
        else:
            value = 0.3 * noise
        parameter.data.copy_(value)
    return model.eval()


def pixels(size, seed=7):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(seed))


def loss_and_gradients(model, heads, q, fc2, size, forward):
    """What the module's docstring lists, computed in float64."""
    model = model.double()
    x = pixels(size).double()
    logits = forward(model, x)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1]))
    loss.backward()
    out = {"logits": logits, "loss": loss.reshape(1)}
    weights = [model.get_submodule(head).weight.grad for head in heads]
    out["grad.head.weight"] = torch.cat(weights, 1)
    out["grad.head.bias"] = sum(model.get_submodule(head).bias.grad for head in heads)
    dim = model.get_submodule(fc2).weight.shape[0]
    out["grad.q.weight"] = model.get_submodule(q).weight.grad[:dim]
    out["grad.fc2.weight"] = model.get_submodule(fc2).weight.grad
    return {name: value.detach().float().contiguous() for name, value in out.items()}


def write_expected(folder, model, heads, q, fc2, size, smaller, forward, resized, given_head):
    tensors = {"pixel_values": pixels(size)}
    if given_head:
        part = model.get_submodule(heads[0])
        tensors["head.weight"], tensors["head.bias"] = part.weight.data.clone(), part.bias.data.clone()
    tensors |= loss_and_gradients(model, heads, q, fc2, size, forward)
    tensors["resized.pixel_values"] = pixels(smaller)[:1].clone()
    with torch.no_grad():
        tensors["resized.logits"] = resized(model.double(), tensors["resized.pixel_values"].double()).float().contiguous()
    save_file(tensors, folder / "expected.safetensors", {"classifier": type(model).__name__})


def write_preprocessor(folder, kind, side, **fields):
    config = {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "image_processor_type": kind,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"height": side, "width": side},
        **fields,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(config, indent=2) + "\n")


# transformers ---------------------------------------------------------------------------------------------------------


def transformers_families(only, out, micro):
    import transformers as tr

    sizes = {"image_size": 16, "patch_size": 4} if micro else {"image_size": 32, "patch_size": 8}
    small = {"hidden_size": 16 if micro else 32, "num_hidden_layers": 2, "num_attention_heads": 2, **sizes}
    vit = {**small, "intermediate_size": 24 if micro else 48}
    dino_sizes = {"image_size": 15, "patch_size": 5} if micro else {"image_size": 28, "patch_size": 7}
    dino = {**small, **dino_sizes, "mlp_ratio": 2}
    side, dino_side = sizes["image_size"], dino_sizes["image_size"]
    text = {
        **{"vocab_size": 50, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1},
        **{"num_attention_heads": 2, "max_position_embeddings": 8, "bos_token_id": 1, "eos_token_id": 2},
    }
    labels = {"num_labels": CLASSES, "id2label": LABELS, "label2id": {v: k for k, v in LABELS.items()}}

    def clip(cls, config):
        made = config(text_config=dict(text), vision_config=dict(vit), **labels)
        return cls(made)

    centre = {"do_center_crop": True}
    imagenet = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    edge = {**centre, "size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    clip_fields = {
        **edge,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    dino_edge = {"size": {"shortest_edge": dino_side + 4}, "crop_size": {"height": dino_side, "width": dino_side}}
    old_q, old_fc2 = "layers.0.attention.q_proj", "layers.0.mlp.fc2"

    # name -> (model to save, classifier class, heads, backbone, processor, its fields, options of save_pretrained)
    def families():
        yield "hf-vit", lambda: tr.ViTForImageClassification(tr.ViTConfig(**vit, **labels)), "ViT", {}
        yield "hf-vit-f16", lambda: tr.ViTForImageClassification(tr.ViTConfig(**vit, **labels)), "ViT", {"dtype": "f16"}
        yield "hf-vit-bf16", lambda: tr.ViTForImageClassification(tr.ViTConfig(**vit, **labels)), "ViT", {"dtype": "bf16"}
        yield "hf-vit-sharded", lambda: tr.ViTForImageClassification(tr.ViTConfig(**vit, **labels)), "ViT", {"shard": "10KB" if micro else "24KB"}
        yield "hf-vit-v5-names", lambda: tr.ViTForImageClassification(tr.ViTConfig(**vit, **labels)), "ViT", {"v5": True}
        yield "hf-vit-no-qkv-bias", lambda: tr.ViTForImageClassification(tr.ViTConfig(**vit, **labels, qkv_bias=False)), "ViT", {}
        yield "hf-dino", lambda: tr.ViTModel(tr.ViTConfig(**vit)), "ViT", {}
        yield "hf-mae", lambda: tr.ViTMAEForPreTraining(
            tr.ViTMAEConfig(
                **vit,
                decoder_hidden_size=16,
                decoder_num_attention_heads=2,
                decoder_num_hidden_layers=1,
                decoder_intermediate_size=16,
            )
        ), "ViT", {}
        yield "hf-msn", lambda: tr.ViTMSNForImageClassification(tr.ViTMSNConfig(**vit, **labels)), "ViTMSN", {}
        yield "hf-ijepa", lambda: tr.IJepaForImageClassification(tr.IJepaConfig(**vit, **labels)), "IJepa", {}
        yield "hf-deit", lambda: tr.DeiTForImageClassification(tr.DeiTConfig(**vit, **labels)), "DeiT", {}
        yield "hf-deit-distilled", lambda: tr.DeiTForImageClassificationWithTeacher(tr.DeiTConfig(**vit, **labels)), "DeiTTeacher", {}
        yield "hf-dinov2", lambda: tr.Dinov2ForImageClassification(tr.Dinov2Config(**dino, **labels)), "Dinov2", {}
        yield "hf-dinov2-backbone", lambda: tr.Dinov2Model(tr.Dinov2Config(**dino)), "Dinov2", {}
        yield "hf-dinov2-registers", lambda: tr.Dinov2WithRegistersForImageClassification(
            tr.Dinov2WithRegistersConfig(**dino, **labels)
        ), "Dinov2Reg", {}
        yield "hf-clip", lambda: clip(tr.CLIPForImageClassification, tr.CLIPConfig), "CLIP", {}
        yield "hf-clip-whole", lambda: clip(tr.CLIPModel, tr.CLIPConfig), "CLIP", {}
        yield "hf-clip-vision", lambda: tr.CLIPVisionModel(tr.CLIPVisionConfig(**vit)), "CLIP", {}
        yield "hf-siglip", lambda: clip(tr.SiglipForImageClassification, tr.SiglipConfig), "Siglip", {}
        yield "hf-siglip-whole", lambda: clip(tr.SiglipModel, tr.SiglipConfig), "Siglip", {}
        yield "hf-siglip-vision", lambda: tr.SiglipVisionModel(tr.SiglipVisionConfig(**vit)), "Siglip", {}
        yield "hf-metaclip2", lambda: clip(tr.MetaClip2ForImageClassification, tr.MetaClip2Config), "MetaClip2", {}

    # kind -> classifier, heads, where q and fc2 of the first block are, processor and fields
    kinds = {
        "ViT": (tr.ViTForImageClassification, ["classifier"], "vit.", old_q, old_fc2, "ViTImageProcessor", {"resample": 2}),
        "ViTMSN": (tr.ViTMSNForImageClassification, ["classifier"], "vit.", old_q, old_fc2, "ViTImageProcessor", {}),
        "IJepa": (tr.IJepaForImageClassification, ["classifier"], "ijepa.", old_q, old_fc2, "ViTImageProcessor", {}),
        "DeiT": (tr.DeiTForImageClassification, ["classifier"], "deit.", old_q, old_fc2, "DeiTImageProcessor",
                 {**centre, **imagenet, "size": {"height": side + 4, "width": side + 4}, "crop_size": {"height": side, "width": side}}),
        "DeiTTeacher": (tr.DeiTForImageClassificationWithTeacher, ["cls_classifier", "distillation_classifier"], "deit.",
                        old_q, old_fc2, "DeiTImageProcessor",
                        {**centre, **imagenet, "size": {"height": side + 4, "width": side + 4}, "crop_size": {"height": side, "width": side}}),
        "Dinov2": (tr.Dinov2ForImageClassification, ["classifier"], "dinov2.", "encoder.layer.0.attention.q_proj",
                   "encoder.layer.0.mlp.fc2", "BitImageProcessor", {**centre, **dino_edge, **imagenet}),
        "Dinov2Reg": (tr.Dinov2WithRegistersForImageClassification, ["classifier"], "dinov2_with_registers.",
                      "encoder.layer.0.attention.q_proj", "encoder.layer.0.mlp.fc2", "BitImageProcessor",
                      {**centre, **dino_edge, **imagenet}),
        "CLIP": (tr.CLIPForImageClassification, ["classifier"], "vision_model.", "encoder.layers.0.self_attn.q_proj",
                 "encoder.layers.0.mlp.fc2", "CLIPImageProcessor", clip_fields),
        "MetaClip2": (tr.MetaClip2ForImageClassification, ["classifier"], "vision_model.", "encoder.layers.0.self_attn.q_proj",
                      "encoder.layers.0.mlp.fc2", "CLIPImageProcessor", clip_fields),
        "Siglip": (tr.SiglipForImageClassification, ["classifier"], "vision_model.", "encoder.layers.0.self_attn.q_proj",
                   "encoder.layers.0.mlp.fc2", "SiglipImageProcessor", {}),
    }
    dtypes = {"f16": torch.float16, "bf16": torch.bfloat16}
    for seed, (name, make, kind, options) in enumerate(families()):
        if only and name not in only:
            continue
        cls, heads, prefix, q, fc2, processor, fields = kinds[kind]
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        model = randomise(make(), seed)
        if "dtype" in options:
            model = model.to(dtypes[options["dtype"]])
        save = {"save_original_format": False} if options.get("v5") else {}
        if "shard" in options:
            save["max_shard_size"] = options["shard"]
        model.save_pretrained(folder, **save)
        size = dino_side if kind.startswith("Dinov2") else side
        write_preprocessor(folder, processor, size, **fields)
        has_head = hasattr(model, heads[0])
        if has_head:
            classifier = model.float()
        else:
            classifier = load_with_head(tr, cls, folder, labels, seed)
        always = kind.startswith("Dinov2")  # interpolates without being asked
        sized = {} if always else {"interpolate_pos_encoding": True}
        write_expected(
            *(folder, classifier, heads, prefix + q, prefix + fc2, size, size - (dino if always else vit)["patch_size"]),
            lambda m, x: m(pixel_values=x).logits,
            lambda m, x: m(pixel_values=x, **sized).logits,
            not has_head,
        )
        print(name)


def load_with_head(tr, cls, folder, labels, seed):
    """The library's classifier on a checkpoint without a head: the backbone loaded by the library, the head random."""
    config = json.loads((folder / "config.json").read_text())
    vision = {"clip_vision_model": tr.CLIPConfig, "siglip_vision_model": tr.SiglipConfig}.get(config["model_type"])
    if vision is None:
        model, info = cls.from_pretrained(folder, **labels, output_loading_info=True)
    else:
        # A tower alone: transformers' classifier holds it as `vision_model`.
        model = cls(vision(vision_config=config, **labels))
        state = {f"vision_model.{k}": v for k, v in load_file(folder / "model.safetensors").items()}
        missing, unexpected = model.load_state_dict(state, strict=False)
        info = {"missing_keys": missing}
    assert all(key.startswith("classifier.") for key in info["missing_keys"]), info["missing_keys"]
    generator = torch.Generator().manual_seed(1000 + seed)
    for parameter in model.classifier.parameters():
        parameter.data.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


# timm -----------------------------------------------------------------------------------------------------------------


def timm_families(only, out, micro):
    library = torch.library.Library("torchvision", "DEF")  # timm imports torchvision's operators, which need not be there
    for operator in ("nms(Tensor x) -> Tensor", "qnms(Tensor x) -> Tensor"):
        try:
            library.define(operator)
        except RuntimeError:
            pass
    import timm
    from timm.models import save_for_hf

    sizes = {"img_size": 16, "patch_size": 4} if micro else {"img_size": 32, "patch_size": 8}
    small = {"embed_dim": 16 if micro else 32, "depth": 2, "num_heads": 2, "mlp_ratio": 1.5, **sizes}
    dino = {**small, **({"img_size": 15, "patch_size": 5} if micro else {"img_size": 28, "patch_size": 7})}
    # name -> architecture, arguments, classes
    families = {
        "timm-vit": ("vit_tiny_patch16_224", small, CLASSES),
        "timm-vit-avg": ("vit_tiny_patch16_224", {**small, "global_pool": "avg"}, CLASSES),
        "timm-vit-avg-tokens": ("vit_tiny_patch16_224", {**small, "global_pool": "avg", "fc_norm": False}, CLASSES),
        "timm-vit-no-qkv-bias": ("vit_tiny_patch16_224", {**small, "qkv_bias": False}, CLASSES),
        "timm-vit-gap-registers": (
            "vit_little_patch16_reg4_gap_256",
            {**small, "class_token": False, "reg_tokens": 4, "no_embed_class": True},
            CLASSES,
        ),
        "timm-vit-pool-prefix": (
            "vit_tiny_patch16_224",
            {**small, "global_pool": "avg", "pool_include_prefix": True, "fc_norm": False},
            CLASSES,
        ),
        "timm-deit3": ("deit3_small_patch16_224", small, CLASSES),
        "timm-deit-distilled": ("deit_tiny_distilled_patch16_224", small, CLASSES),
        "timm-dinov2": ("vit_small_patch14_dinov2", dino, 0),
        "timm-dinov2-registers": ("vit_small_patch14_reg4_dinov2", dino, 0),
        "timm-mae": ("vit_base_patch16_224", small, 0),
        "timm-clip": ("vit_base_patch16_clip_quickgelu_224", small, CLASSES),
        "timm-siglip": ("vit_base_patch32_siglip_256", small, 0),
        "timm-siglip-gap": ("vit_base_patch32_siglip_gap_256", small, CLASSES),
        "timm-no-final-norm": ("vit_tiny_patch16_224", {**small, "final_norm": False}, CLASSES),
    }
    for seed, (name, (architecture, args, classes)) in enumerate(families.items()):
        if only and name not in only:
            continue
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        model = randomise(timm.create_model(architecture, num_classes=classes, **args), 100 + seed)
        config = {"label_names": list(LABELS.values())} if classes else {}
        size = args["img_size"]
        model.pretrained_cfg["input_size"] = (3, size, size)
        save_for_hf(model, folder, config, safe_serialization=True, model_args=args)
        (folder / "pytorch_model.bin").unlink(missing_ok=True)
        if classes == 0:
            # What timm makes of the same weights for classification; an attention pooling gives way to the mean.
            pool = {"global_pool": "avg", "fc_norm": False} if model.global_pool == "map" else {}
            whole = timm.create_model(architecture, num_classes=CLASSES, **args, **pool).eval()
            missing, unexpected = whole.load_state_dict(model.state_dict(), strict=False)
            assert set(missing) == {"head.weight", "head.bias"}, missing
            assert all(key.startswith("attn_pool.") for key in unexpected), unexpected
            generator = torch.Generator().manual_seed(2000 + seed)
            for parameter in whole.head.parameters():
                parameter.data.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        else:
            whole = model
        heads = ["head", "head_dist"] if hasattr(whole, "head_dist") else ["head"]
        smaller = size - args["patch_size"]

        def resized(m, x):
            m.set_input_size(img_size=(smaller, smaller))
            return m(x)

        write_expected(
            *(folder, whole, heads, "blocks.0.attn.qkv", "blocks.0.mlp.fc2", size, smaller),
            lambda m, x: m(x),
            resized,
            classes == 0,
        )
        print(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--library", choices=["transformers", "timm"])
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--micro", action="store_true", help="half as wide, for testdata/families")
    options = parser.parse_args()
    for library, make in (("transformers", transformers_families), ("timm", timm_families)):
        if options.library not in (None, library):
            continue
        try:
            make(options.only, options.out, options.micro)
        except ModuleNotFoundError as missing:
            if options.library == library:
                raise
            print(f"{library} is not there ({missing.name}): its families are left out")


if __name__ == "__main__":
    main()
