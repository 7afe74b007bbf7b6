"""A plain pre-norm ViT in PyTorch, used for teacher and student alike, and its translation to timm's and Hugging Face's
names. Owns shapes and names; knows nothing of data or training. Checked against transformers by verify.py."""
import json

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

WIDTH, HEADS, MLP, GRID = 192, 3, 768, 8  # both grids are 8 x 8: student 64 px / 8, teacher 128 px / 16
STUDENT = {"patch": 8, "depth": 6}
TEACHER = {"patch": 16, "depth": 12}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, 1e-6), nn.LayerNorm(WIDTH, 1e-6)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, MLP), nn.Linear(MLP, WIDTH)

    def forward(self, x):  # [batch, tokens, width]
        b, n, d = x.shape
        heads = self.qkv(self.norm1(x)).view(b, n, 3, HEADS, d // HEADS).permute(2, 0, 3, 1, 4)
        q, k, v = heads.reshape(3, b * HEADS, n, d // HEADS).unbind(0)
        # written out: on a CPU the fused attention's backward took five times as long (65 tokens, bfloat16)
        mixed = torch.bmm(torch.softmax(torch.bmm(q * (d // HEADS) ** -0.5, k.transpose(1, 2)), -1), v)
        x = x + self.proj(mixed.view(b, HEADS, n, d // HEADS).transpose(1, 2).reshape(b, n, d))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    def __init__(self, patch, depth, grid=GRID):
        super().__init__()
        self.patch, self.grid = patch, grid
        self.embed = nn.Linear(3 * patch * patch, WIDTH)  # columns: channel, row, column, as in the convolution
        self.cls = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos = nn.Parameter(torch.zeros(1, 1 + grid * grid, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(depth))
        self.norm = nn.LayerNorm(WIDTH, 1e-6)

    def initialise(self, seed):
        g = torch.Generator().manual_seed(seed)
        for name, p in self.named_parameters():
            if p.dim() == 2 or name in ("cls", "pos"):
                nn.init.trunc_normal_(p, std=0.02, generator=g)
            elif name.endswith("bias"):
                nn.init.zeros_(p)
        return self

    def forward(self, pixels):
        """[batch, 3, side, side] -> residual stream after each block, and the final normed tokens."""
        b, p, g = pixels.shape[0], self.patch, self.grid
        x = pixels.view(b, 3, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(b, g * g, 3 * p * p)
        x = torch.cat([self.cls.expand(b, -1, -1), self.embed(x)], 1) + self.pos
        after = []
        for block in self.blocks:
            x = block(x)
            after.append(x)
        return after, self.norm(x)


def load_teacher(folder, grid=GRID):
    """DeiT-Tiny from timm's names, positions interpolated to the grid; returns (model, head)."""
    t = load_file(f"{folder}/model.safetensors")
    model = ViT(**TEACHER, grid=grid)
    state = {"cls": t["cls_token"], "embed.weight": t["patch_embed.proj.weight"].flatten(1),
             "embed.bias": t["patch_embed.proj.bias"]}
    side = int((t["pos_embed"].shape[1] - 1) ** 0.5)
    patches = t["pos_embed"][:, 1:].reshape(1, side, side, WIDTH).permute(0, 3, 1, 2)
    if side != grid:
        patches = F.interpolate(patches, (grid, grid), mode="bicubic", align_corners=False)
    state["pos"] = torch.cat([t["pos_embed"][:, :1], patches.flatten(2).transpose(1, 2)], 1)
    for name, value in t.items():
        if name.startswith(("blocks.", "norm.")):
            state[name.replace(".attn.", ".").replace(".mlp.", ".")] = value
    model.load_state_dict(state)
    head = nn.Linear(WIDTH, t["head.weight"].shape[0])
    head.load_state_dict({"weight": t["head.weight"], "bias": t["head.bias"]})
    return model.eval().requires_grad_(False), head.eval().requires_grad_(False)


def to_hugging_face(state, patch):
    """Names of transformers' files (the long form, with prefix)."""
    out = {"vit.embeddings.cls_token": state["cls"], "vit.embeddings.position_embeddings": state["pos"],
           "vit.embeddings.patch_embeddings.projection.weight": state["embed.weight"].view(WIDTH, 3, patch, patch),
           "vit.embeddings.patch_embeddings.projection.bias": state["embed.bias"],
           "vit.layernorm.weight": state["norm.weight"], "vit.layernorm.bias": state["norm.bias"]}
    leaves = {"norm1": "layernorm_before", "norm2": "layernorm_after", "proj": "attention.output.dense",
              "fc1": "intermediate.dense", "fc2": "output.dense"}
    for name, value in state.items():
        if not name.startswith("blocks."):
            continue
        _, n, leaf, kind = name.split(".")
        base = f"vit.encoder.layer.{n}."
        if leaf == "qkv":
            for part, third in zip(("query", "key", "value"), value.chunk(3)):
                out[f"{base}attention.attention.{part}.{kind}"] = third
        else:
            out[f"{base}{leaves[leaf]}.{kind}"] = value
    return {k: v.contiguous() for k, v in out.items()}


def load_student(folder):
    """Reads the shipped float16 file back through the table of names, in float32."""
    model = ViT(**STUDENT)
    file = load_file(f"{folder}/model.safetensors")
    for name, target in to_hugging_face(model.state_dict(), STUDENT["patch"]).items():
        assert file[name].shape == target.shape, name
    state = model.state_dict()
    # to_hugging_face copies, so walk the same map with numbered stand-ins to find where each piece belongs
    flat = {k: torch.arange(v.numel(), dtype=torch.float64).view(v.shape) for k, v in state.items()}
    for key in state:
        pieces = to_hugging_face({**{k: torch.full_like(v, -1) for k, v in flat.items()}, key: flat[key]}, STUDENT["patch"])
        for name, place in pieces.items():
            at = place.flatten()
            if at.numel() and at[0] >= 0:
                state[key].view(-1)[at.long()] = file[name].float().flatten()
    model.load_state_dict(state)
    return model.eval()


def config(labels=2):
    names = [f"LABEL_{i}" for i in range(labels)]
    return json.dumps({
        "architectures": ["ViTForImageClassification"], "attention_probs_dropout_prob": 0.0, "dtype": "float16",
        "encoder_stride": 8, "hidden_act": "gelu", "hidden_dropout_prob": 0.0, "hidden_size": WIDTH,
        "id2label": {str(i): n for i, n in enumerate(names)}, "image_size": 64, "initializer_range": 0.02,
        "intermediate_size": MLP, "label2id": {n: i for i, n in enumerate(names)}, "layer_norm_eps": 1e-6,
        "model_type": "vit", "num_attention_heads": HEADS, "num_channels": 3, "num_hidden_layers": STUDENT["depth"],
        "patch_size": STUDENT["patch"], "pooler_act": "tanh", "pooler_output_size": WIDTH, "qkv_bias": True,
        "transformers_version": "5.18.0"}, indent=2) + "\n"


PREPROCESSOR = json.dumps({
    "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    "image_processor_type": "ViTImageProcessor", "resample": 3, "rescale_factor": 1 / 255,
    "size": {"height": 64, "width": 64}}, indent=2) + "\n"
