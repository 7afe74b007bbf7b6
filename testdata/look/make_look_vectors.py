"""Where models look, by PyTorch and the models' own libraries: the vectors that both engines are compared with.

    python testdata/look/make_look_vectors.py     # needs torch, transformers 5.18, timm 1.0.29, safetensors

Each NAME.safetensors here holds, for the class `CLASS` and n images, computed in float64 from the softmax that the
library itself computes and autograd's gradient of the logit by it (engine.ts, Look, has the formulas):

    attention [n, heads, tokens]   of the last block, by head
    rollout   [n, tokens]          attention rollout, Abnar and Zuidema 2020
    relevance [n, tokens]          Chefer, Gur and Wolf 2021, eq. 5 and 6, without the row that it begins with

reference   the first images of ../reference/grads_all.safetensors on the micro ViT, branches merged with gates 1, 1/2, 0
sprout      the model that ships, an image of each shipped set (../sprout/parity.safetensors: 0 and 4), and the head
            that the logit was made with: head.weight [4, 192], head.bias [4]
all others  the checkpoint of that name in ../families and the pixels of its expected.safetensors

Licence of this file and of all it writes: CC0-1.0.
"""
import json
import pathlib

import torch
from safetensors.torch import load_file, save_file

from torch.library import Library

library = Library("torchvision", "DEF")  # timm imports torchvision's operators, which need not be there
for operator in ("nms(Tensor x) -> Tensor", "qnms(Tensor x) -> Tensor"):
    try:
        library.define(operator)
    except RuntimeError:
        pass
import timm  # noqa: E402
import transformers as tr  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
CLASS = 1
LINEARS = ("q", "k", "v", "proj", "fc1", "fc2")


def softmaxes(run):
    """What `run` gives, and every softmax over four axes that it took: those of its attention, in order."""
    seen, names = [], [(torch, "softmax"), (torch.nn.functional, "softmax"), (torch.Tensor, "softmax")]
    own = [(where, name, getattr(where, name)) for where, name in names]

    def watched(function):
        def softmax(x, *args, **more):
            y = function(x, *args, **more)
            if x.ndim == 4 and not any(y is one for one in seen):
                y.retain_grad()
                seen.append(y)
            return y
        return softmax

    for where, name, function in own:
        setattr(where, name, watched(function))
    try:
        return run(), seen
    finally:
        for where, name, function in own:
            setattr(where, name, function)


def look(forward, pixels, start):
    """start [tokens]: the weights of the tokens that the head reads."""
    rows = {"attention": [], "rollout": [], "relevance": [], "logits": []}
    for image in pixels.double():
        logits, attentions = softmaxes(lambda: forward(image[None]))
        logits[0, CLASS].backward()
        tokens = attentions[0].shape[-1]
        eye = torch.eye(tokens, dtype=torch.float64)
        rollout, relevance = eye, eye
        for a in attentions:
            mean = a[0].detach().double().mean(0)
            rollout = (0.5 * mean + 0.5 * eye) @ rollout
            relevance = relevance + (a[0] * a.grad[0]).detach().double().clamp(min=0).mean(0) @ relevance
        rows["attention"].append(start @ attentions[-1][0].detach().double())
        rows["rollout"].append(start @ rollout)
        rows["relevance"].append(start @ relevance - start)
        rows["logits"].append(logits[0].detach())
    return {name: torch.stack(list(values)) for name, values in rows.items()}


def write(name, rows, expected=None, more=None):
    logits = rows.pop("logits")
    if expected is not None:
        worst = (logits - expected.double()).abs().max().item()
        assert worst < 1e-5, f"{name}: its logits are {worst} off"
    tensors = {key: value.float().contiguous() for key, value in {**rows, **(more or {})}.items()}
    save_file(tensors, HERE / f"{name}.safetensors", {"format": "pt"})
    print(name, {key: tuple(value.shape) for key, value in tensors.items()}, float(rows["relevance"].max()))


def first(tokens):
    return torch.eye(tokens, dtype=torch.float64)[0]


def mean(tokens, begin):
    start = torch.zeros(tokens, dtype=torch.float64)
    start[begin:] = 1 / (tokens - begin)
    return start


def timm_model(folder):
    config = json.loads((folder / "config.json").read_text())
    args = dict(config["model_args"])
    if "global_pool" in config:
        args.setdefault("global_pool", config["global_pool"])
    model = timm.create_model(config["architecture"], num_classes=config["num_classes"], **args)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    for block in model.blocks:
        block.attn.fused_attn = False
    return model.double().eval()


def reference():
    model = timm_model(ROOT / "reference/micro_vit_timm")
    data = load_file(ROOT / "reference/grads_all.safetensors")
    state, gates = model.state_dict(), (1.0, 0.5, 0.0)
    timm_names = {"proj": "attn.proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}
    dim = state["norm.weight"].shape[0]
    for block in range(len(model.blocks)):
        for i, linear in enumerate(LINEARS):
            name = f"param.blocks.{block}.{linear}"
            pairs = [(gate, data[f"{name}.B.{k}"].double(), data[f"{name}.A.{k}"].double()) for k, gate in enumerate(gates)]
            update = data[f"{name}.s"].double() * sum(gate * B @ A for gate, B, A in pairs)
            if linear in timm_names:
                state[f"blocks.{block}.{timm_names[linear]}.weight"] += update
            else:
                state[f"blocks.{block}.attn.qkv.weight"][i * dim:(i + 1) * dim] += update
    state["head.weight"], state["head.bias"] = data["param.head.weight"].double(), data["param.head.bias"].double()
    model.load_state_dict(state)
    n = 3
    write("reference", look(model, data["images"][:n], first(17)), data["g1h0.logits"][:n])


def sprout():
    model = tr.ViTModel.from_pretrained(ROOT.parent / "public/models/graft-sprout-64", add_pooling_layer=False,
                                        attn_implementation="eager", dtype=torch.float32).double().eval()
    data = load_file(ROOT / "sprout/parity.safetensors")
    generator = torch.Generator().manual_seed(5)
    weight = 0.3 * torch.randn(4, 192, generator=generator)
    bias = 0.1 * torch.randn(4, generator=generator)

    def forward(x):
        return model(pixel_values=x).last_hidden_state[:, 0] @ weight.double().T + bias.double()

    expected = data["cls_feature"][[0, 4]] @ weight.T + bias
    rows = look(forward, data["pixels"][[0, 4]], first(65))
    assert (rows["logits"] - expected.double()).abs().max() < 1e-3  # made from float32 features
    write("sprout", rows, None, {"head.weight": weight, "head.bias": bias})


def families():
    hf = {
        "hf-vit-sharded": (tr.ViTForImageClassification, first(17)),
        "hf-deit-distilled": (tr.DeiTForImageClassificationWithTeacher, first(18)),
        "hf-dinov2-registers": (tr.Dinov2WithRegistersForImageClassification, first(14)),
        "hf-siglip": (tr.SiglipForImageClassification, mean(16, 0)),
        "hf-metaclip2": (tr.MetaClip2ForImageClassification, mean(17, 1)),
    }
    for name, (cls, start) in hf.items():
        folder = ROOT / "families" / name
        model = cls.from_pretrained(folder, attn_implementation="eager").double().eval()
        data = load_file(folder / "expected.safetensors")
        write(name, look(lambda x: model(pixel_values=x).logits, data["pixel_values"], start), data["logits"])
    for name, start in {
        "timm-deit3": first(17), "timm-vit-avg": mean(17, 1), "timm-vit-gap-registers": mean(20, 4),
    }.items():
        folder = ROOT / "families" / name
        data = load_file(folder / "expected.safetensors")
        write(name, look(timm_model(folder), data["pixel_values"], start), data["logits"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    reference()
    sprout()
    families()
