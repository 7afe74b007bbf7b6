"""Prints the accuracy table of MODEL_CARD.md: multinomial logistic regression on frozen features (class token after the
final norm) of graft-sprout-64, of its teacher, and of random nets of the same shape. Owns the protocol of the comparison:
the L2 strength is chosen on a validation part of the training images alone; test images are used once.

    python probe.py            # reads ../shared/data by default; what is absent is named and left out
"""
import argparse
import io
import random
import statistics
import zipfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from vit import STUDENT, ViT, load_student, load_teacher

SEEDS, PER_CLASS, MOST_TEST = 5, 20, 100
STRENGTHS = [10.0 ** e for e in (0.5, 0, -0.5, -1, -1.5, -2, -3)]
T95 = 2.776  # Student's t, 4 degrees of freedom
IMAGES = (".png", ".jpg", ".jpeg")


def read_zip(path):
    """{split or "": {class: [RGB image, ...]}} in a fixed order; transparency is laid on white."""
    out = {}
    with zipfile.ZipFile(path) as z:
        for name in sorted(z.namelist()):
            if not name.lower().endswith(IMAGES):
                continue
            parts = name.split("/")
            split = parts[0] if parts[0] in ("train", "test") else ""
            picture = Image.open(io.BytesIO(z.read(name)))
            if picture.mode in ("RGBA", "LA", "P"):
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            out.setdefault(split, {}).setdefault(parts[-2], []).append(picture.convert("RGB"))
    return out


def pixels_student(picture):
    x = np.asarray(picture.resize((64, 64), Image.BICUBIC), np.float32) / 255
    return (x - 0.5) / 0.5


def pixels_teacher(picture, short=248, side=224):
    w, h = picture.size
    scale = short / min(w, h)
    w, h = (short if w <= h else int(w * scale)), (short if h <= w else int(h * scale))
    x, y = round((w - side) / 2), round((h - side) / 2)
    picture = picture.resize((w, h), Image.BICUBIC).crop((x, y, x + side, y + side))
    return (np.asarray(picture, np.float32) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]


def features(model, pictures, to_pixels):
    out = []
    with torch.no_grad():
        for i in range(0, len(pictures), 32):
            x = np.stack([to_pixels(p) for p in pictures[i:i + 32]]).astype(np.float32)
            out.append(model(torch.from_numpy(x).permute(0, 3, 1, 2).contiguous())[1][:, 0])
    return torch.cat(out)


def fit(x, y, classes, strength, start=None):
    w = torch.zeros(x.shape[1] + 1, classes) if start is None else start.clone()
    w.requires_grad_(True)
    optimizer = torch.optim.LBFGS([w], max_iter=120, tolerance_grad=1e-5, tolerance_change=1e-7,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(x @ w[:-1] + w[-1], y) + 0.5 * strength * (w[:-1] ** 2).sum() / classes
        loss.backward()
        return loss
    optimizer.step(closure)
    return w.detach()


def accuracy(w, x, y):
    return ((x @ w[:-1] + w[-1]).argmax(1) == y).double().mean().item()


def probe(train, train_y, test, test_y, classes, seed):
    """Chooses the strength on every fifth training image of a class, fits again on all, tests once."""
    rng = random.Random(f"validation {seed}")
    held = []
    for c in range(classes):
        rows = torch.nonzero(train_y == c).flatten().tolist()
        rng.shuffle(rows)
        held += rows[:len(rows) // 5]
    mask = torch.zeros(len(train_y), dtype=torch.bool)
    mask[held] = True

    def scaled(reference, *others):
        mean, std = reference.mean(0), reference.std(0).clamp(min=1e-6)
        return [(o - mean) / std for o in others]
    a, v = scaled(train[~mask], train[~mask], train[mask])
    w, best, best_score = None, None, -1.0
    for s in STRENGTHS:  # from strong to weak, each starting from the last; ties go to the stronger
        w = fit(a, train_y[~mask], classes, s, w)
        score = accuracy(w, v, train_y[mask])
        if score > best_score:
            best, best_score = s, score
    a, t = scaled(train, train, test)
    return accuracy(fit(a, train_y, classes, best), t, test_y)


def splits(name, data):
    """Yields (seed, train pictures, train labels, test pictures, test labels)."""
    if "train" in data:
        names = sorted(data["train"])
        yield 0, *sum(([[p for n in names for p in data[s][n]],
                        torch.tensor([i for i, n in enumerate(names) for _ in data[s][n]])] for s in ("train", "test")), [])
        return
    names = sorted(data[""])
    for seed in range(SEEDS):
        parts = [[], [], [], []]
        for i, n in enumerate(names):
            order = list(range(len(data[""][n])))
            random.Random(f"{name} {n} {seed}").shuffle(order)
            for k, rows in ((0, order[:PER_CLASS]), (2, order[PER_CLASS:PER_CLASS + MOST_TEST])):
                parts[k] += [data[""][n][r] for r in rows]
                parts[k + 1] += [i] * len(rows)
        yield seed, parts[0], torch.tensor(parts[1]), parts[2], torch.tensor(parts[3])


def interval(values, tests):
    """Half width of a 95 % interval: over seeds where there are five, else binomial over the test images."""
    if len(values) > 1:
        return T95 * statistics.stdev(values) / len(values) ** 0.5
    return 1.96 * (values[0] * (1 - values[0]) / tests) ** 0.5


def main():
    root = Path(__file__).resolve().parents[2]
    p = argparse.ArgumentParser()
    p.add_argument("--model", type=Path, default=root / "public/models/graft-sprout-64")
    p.add_argument("--datasets", type=Path, default=root / "public/datasets")
    p.add_argument("--shared", type=Path, default=root.parent / "shared/data")
    p.add_argument("--teacher-too-small", action="store_true", help="also DeiT-Tiny at 128 px, as it was in training")
    p.add_argument("--only", help="one model, by the beginning of its name")
    p.add_argument("--sets", help="one data set, by the beginning of its title")
    a = p.parse_args()
    models = {"graft-sprout-64": [(load_student(a.model), pixels_student)]}
    teacher = a.shared / "models/deit_tiny_patch16_224"
    if teacher.exists():
        models["DeiT-Tiny (224 px)"] = [(load_teacher(teacher, 14)[0], pixels_teacher)]
        if a.teacher_too_small:
            models["DeiT-Tiny (128 px)"] = [(load_teacher(teacher)[0], lambda q: pixels_teacher(q, 128, 128))]
    else:
        print(f"absent, left out: {teacher}")
    models["random net, same shape"] = [(ViT(**STUDENT).initialise(1000 + s).eval(), pixels_student) for s in range(SEEDS)]
    models = {m: v for m, v in models.items() if m.startswith(a.only or "")}
    sets = {"Fashion-1k": a.datasets / "fashion-1k.zip", "emoji-8": a.datasets / "emoji-8.zip",
            "hand digits": a.shared / "datasets/sign-language-digits.zip", "textures": a.shared / "datasets/textures10.zip"}
    sets = {t: v for t, v in sets.items() if t.startswith(a.sets or "")}
    table, titles, chance = {m: [] for m in models}, [], []
    for title, path in sets.items():
        if not path.exists():
            print(f"absent, left out: {path}")
            continue
        data = read_zip(path)
        classes = len(next(iter(data.values())))
        parts = list(splits(title, data))
        pictures = {id(q): q for part in parts for q in part[1] + part[3]}
        titles.append(f"{title} ({len(parts[0][1]) // classes} a class, {classes} classes)")
        chance.append(1 / classes)
        for m, nets in models.items():
            scores = []
            for k, (net, to_pixels) in enumerate(nets):
                known = dict(zip(pictures, features(net, list(pictures.values()), to_pixels)))
                of = lambda list_of: torch.stack([known[id(q)] for q in list_of])
                for seed, x, y, tx, ty in parts if len(nets) == 1 else parts[k % len(parts):][:1]:
                    scores.append(probe(of(x), y, of(tx), ty, classes, seed))
            table[m].append((statistics.mean(scores), interval(scores, len(parts[0][3]))))
    print("\n| Linear probe, test accuracy in % | " + " | ".join(titles) + " |\n|---|" + "---|" * len(titles))
    for m, cells in table.items():
        print(f"| {m} | " + " | ".join(f"{100 * v:.1f} ± {100 * h:.1f}" for v, h in cells) + " |")
    if "graft-sprout-64" in table and "DeiT-Tiny (224 px)" in table:
        print("| graft-sprout-64 as a share of DeiT-Tiny | " + " | ".join(
            f"{100 * v / r:.0f}" for (v, _), (r, _) in zip(table["graft-sprout-64"], table["DeiT-Tiny (224 px)"])) + " |")
    print("| chance | " + " | ".join(f"{100 * c:.1f}" for c in chance) + " |")


if __name__ == "__main__":
    main()
