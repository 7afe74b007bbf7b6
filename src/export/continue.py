# continue.py: the recipe of this folder's run.json with transformers (or timm), peft and accelerate, for more images or
# a larger machine than a browser has. Written by Graft; public domain (CC0-1.0).
#
#   pip install torch transformers peft accelerate pillow numpy  (and timm for a timm model)
#   python continue.py --data IMAGES --out OUT                   a LoRA from the start, as large as the branches left
#   python continue.py --data IMAGES --out OUT --adapter DIR     goes on from an exported PEFT adapter
#   accelerate launch continue.py ...                            on several GPUs
#
# IMAGES holds a folder of pictures for each class, or such folders inside train/ and val/. Pictures that run.json knows
# by their digest stay on their side of the split. The branches of DMLoRA are one stacked LoRA here: without drops and
# scalars that is the same function and the same training. There is no linear probe: a new head starts from random numbers.
# With the recipe's `patience` it validates at most 20 times, ends when so many in a row found nothing better, and keeps the
# best validated state; without it, it validates before and after and keeps the last.
import argparse
import hashlib
import json
import math
import random
import re
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".avif"}
# Graft's options, from their table: path, default, and why this script does not follow it (None where it does).
OPTIONS = {
    "steps": (None, None),
    "epochs": (None, None),
    "patience": (None, None),
    "batch": (32, None),
    "learningRate": (0.003, None),
    "seed": (1, None),
    "dmlora.branches": (4, None),
    "dmlora.branchesEnd": (2, None),
    "dmlora.rank": (4, None),
    "dmlora.targets": ("all", None),
    "dmlora.firstBlock": (0, None),
    "dmlora.dropMode": ("permanent", "The branches that would be left train from the start, as one LoRA: none is dropped."),
    "dmlora.pairing": ("paired", None),
    "dmlora.dropWindow.0": (0.1, "The branches that would be left train from the start, as one LoRA: none is dropped."),
    "dmlora.dropWindow.1": (0.4, "The branches that would be left train from the start, as one LoRA: none is dropped."),
    "dmlora.dropRate": (0.5, "All branches train in every step, as one LoRA."),
    "dmlora.dropSpacing": ("even", "The branches that would be left train from the start, as one LoRA: none is dropped."),
    "dmlora.dropSteps": ("", "The branches that would be left train from the start, as one LoRA: none is dropped."),
    "dmlora.dropPick": ("random", "The branches that would be left train from the start, as one LoRA: none is dropped."),
    "dmlora.dropEffect": ("zero", "The branches that would be left train from the start, as one LoRA: none is dropped."),
    "dmlora.fadeSteps": (20, "The branches that would be left train from the start, as one LoRA: none is dropped."),
    "dmlora.inputDropout": (0, None),
    "dmlora.scalars": ("train-then-scale", "A LoRA has no scalar for each layer that could be trained."),
    "dmlora.scalarShare": ("linear", "A LoRA has no scalar for each layer that could be trained."),
    "dmlora.stage2": (0.8, "A LoRA has no scalar for each layer that could be trained."),
    "dmlora.stage2Rate": ("run", "A LoRA has no scalar for each layer that could be trained."),
    "dmlora.scalarStart": (1, "A LoRA has no scalar for each layer that could be trained."),
    "dmlora.scaling": ("none", None),
    "dmlora.alpha": (8, None),
    "headStart": ("probe", "A new head starts from random numbers; with --adapter it is the adapter’s."),
    "headRate": (0.1, None),
    "warmup": (0.1, None),
    "learningRateFloor": (0.00001, None),
    "weightDecay": (0.0001, None),
    "clipNorm": (1, None),
    "scalarRate": (0.01, "A LoRA has no scalar for each layer that could be trained."),
    "augment": ("crop+flip", None),
    "smallestCrop": (0.5, None),
    "upsideDown": ("no", None),
    "notMirrored": ("", None),
    "rotation": (0, None),
    "colourJitter": (0, None),
    "blur": (0, "It blurs no picture."),
    "randomErasing": (0, None),
    "randAugment": (0, "It has no such operations."),
    "randAugmentStrength": (0.3, "It has no such operations."),
    "mixup": (0, None),
    "cutmix": (0, None),
    "labelSmoothing": (0, None),
    "classBalance": ("none", None),
    "stochasticDepth": (0, "transformers’ ViT has no stochastic depth; in timm it is drop_path_rate."),
    "memory.budgetMB": (None, "PyTorch takes what it needs: give a smaller --batch."),
    "memory.float16": ("if-needed", "Use accelerate’s own --mixed_precision."),
    "memory.arithmetic": ("float32", "Use accelerate’s own --mixed_precision."),
    "split.validationFraction": (0.2, None),
    "split.together": ("none", "Pictures that run.json does not know are drawn one by one."),
    "split.folds": (0, "Pictures that run.json does not know are drawn one by one."),
    "split.fold": (1, "Pictures that run.json does not know are drawn one by one."),
    "split.trainPerClass": (None, "All pictures that are given are used."),
    "split.validationPerClass": (None, "All pictures that are given are used."),
}
# End of options.

SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation"}


def arguments():
    parser = argparse.ArgumentParser(description="Fine-tunes with the recipe of run.json.")
    parser.add_argument("--data", type=Path, required=True, help="folder of class folders, or of train/ and val/")
    parser.add_argument("--out", type=Path, required=True, help="where adapter/ and merged/ go")
    parser.add_argument("--model", help="the original model: a folder or an id on the Hub (default: that of run.json)")
    parser.add_argument("--adapter", type=Path, help="PEFT adapter to go on from")
    parser.add_argument("--run", type=Path, default=HERE / "run.json")
    parser.add_argument("--steps", type=int, help="optimiser steps (default: the recipe's)")
    parser.add_argument("--epochs", type=float, help="passes over the training images instead")
    parser.add_argument("--batch", type=int, help="images of a step on each device (default: the recipe's)")
    parser.add_argument("--rank", type=int, help="rank of the LoRA (default: branches left times their rank)")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="another option of the recipe")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def recipe_of(run, settings):
    """The value of every option by its path: that of --set, else of run.json, else its default."""
    recipe = {}
    for path, (value, _) in OPTIONS.items():
        found = run["recipe"]
        for name in path.split("."):
            if isinstance(found, list):
                found = found[int(name)]
            else:
                found = found.get(name, value) if isinstance(found, dict) else value
        recipe[path] = found
    for setting in settings:
        path, _, text = setting.partition("=")
        if path not in OPTIONS:
            raise SystemExit(f"--set: there is no option {path!r}. There are: {', '.join(OPTIONS)}.")
        if OPTIONS[path][1] is not None:
            raise SystemExit(f"--set: {path} is not followed here. {OPTIONS[path][1]}")
        try:
            recipe[path] = json.loads(text)
        except json.JSONDecodeError:
            recipe[path] = text
    return recipe


def not_followed():
    """Why options are not followed, each reason with its options."""
    reasons = {}
    for path, (_, reason) in OPTIONS.items():
        if reason is not None:
            reasons.setdefault(reason, []).append(path)
    return [f"Not followed: {', '.join(paths)}. {reason}" for reason, paths in reasons.items()]


def labelled_files(root, classes):
    """(path, class index, split or None) of every picture below a class folder."""
    found = []
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in PICTURES):
        parts = path.relative_to(root).parts[:-1]
        split = next((SPLITS[part.lower()] for part in parts if part.lower() in SPLITS), None)
        name = next((part for part in reversed(parts) if part in classes), None)
        if name is not None:
            found.append((path, classes.index(name), split))
    if not found:
        raise SystemExit(f"There is no folder of {', '.join(classes[:5])} with pictures in {root}.")
    return found


def split_files(files, run, recipe, seed):
    """Training and validation pictures: by folder, else by the digests of run.json, else a seeded draw."""
    recorded = {image["sha256"]: name for name in ("train", "validation", "test") for image in run["data"][name]}
    train, validation, unknown = [], [], []
    for path, label, split in files:
        split = split or recorded.get(hashlib.sha256(path.read_bytes()).hexdigest())
        if split != "test":
            {"train": train, "validation": validation}.get(split, unknown).append((path, label))
    if not validation:
        share = recipe["split.validationFraction"]
        random.Random(seed).shuffle(unknown)
        held = max(1, round(share * len(unknown)))
        validation, unknown = unknown[:held], unknown[held:]
    train += unknown
    if not train or not validation:
        raise SystemExit("Training and validation need one picture at least each.")
    return train, validation


def grey_of_8_bits(grey, window):
    """Grey of 16 bits as 8: through the run's window, from one percentile to another, or by its high byte."""
    if window is None:
        return (grey >> 8).astype(np.uint8)
    grey = grey.astype(np.float64)
    low, high = (window["low"], window["high"]) if window["kind"] == "set" else np.percentile(grey, window["percentiles"])
    share = (grey - low) / (high - low) if high > low else grey > low
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


def read_picture(path, p):
    """The picture as Graft takes it: the numbers that the file stores, upright by its EXIF, the high byte of 16 bits (or
    grey through the run's window), the first frame, transparency over white. Pillow's convert("RGB") alone would show
    colours hidden under transparency and make 16-bit grey white."""
    image = Image.open(path)
    image.load()
    for key in ("xmp", "XML:com.adobe.xmp"):  # Pillow looks there for an orientation too, browsers do not
        image.info.pop(key, None)
    image = ImageOps.exif_transpose(image)
    key = image.info.get("transparency")
    with open(path, "rb") as file:
        head = file.read(26)
    if head.startswith(b"\x89PNG") and head[24] == 16 and head[25] == 4 and p.get("grey16") is not None:
        raise SystemExit(f"{path}: Pillow reads 16-bit grey with an alpha channel by its high byte, and this model saw it through a window. Save it without alpha.")
    if head.startswith(b"\x89PNG") and head[24] == 16 and head[25] in (0, 2):
        pixels = np.asarray(image)
        if pixels.ndim == 2:
            opaque = np.ones(pixels.shape, bool) if key is None else pixels != key
            pixels = grey_of_8_bits(pixels, p.get("grey16"))[..., None].repeat(3, axis=2)
        else:  # Pillow keeps the high bytes alone, so the transparent colour is found by them
            opaque = np.ones(pixels.shape[:2], bool) if key is None else (pixels != np.right_shift(key, 8)).any(axis=2)
        alpha = np.where(opaque, 255, 0).astype(np.uint8)
        image = Image.fromarray(np.dstack([pixels, alpha]))
    elif image.mode.startswith("I;16"):  # a TIFF, whose black may be the largest value
        pixels = np.asarray(image).astype(np.uint16)
        inverted = getattr(image, "tag_v2", {}).get(262) == 0
        image = Image.fromarray(grey_of_8_bits(65535 - pixels if inverted else pixels, p.get("grey16")))
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def sized(image, p):
    """Resized and cropped about the centre, as Graft does; what a crop reaches beyond the picture is black."""
    resize, crop = p["resize"], p["crop"]
    width, height = image.size
    if resize["kind"] == "exact":
        width, height = resize["width"], resize["height"]
    elif resize["kind"] == "shortest-edge":
        short, long = min(image.size), max(image.size)
        limited = "longest" in resize and long / short * resize["size"] > resize["longest"]
        exact = resize["longest"] * short / long if limited else resize["size"]
        edge = max(round(exact), 1) if limited else resize["size"]
        if not ("longest" in resize and short == edge):
            width, height = (edge, int(exact * height / width)) if width <= height else (int(exact * width / height), edge)
        if crop is None:
            crop = {"width": resize["size"], "height": resize["size"]}
    image = image.resize((width, height), getattr(Image.Resampling, p["filter"].upper()))
    if crop is None:
        return in_order(image, p)

    def begin(side, cut):
        gap = (side - cut) / 2
        if p["cropAt"] == "floor":
            return math.floor(gap)
        return math.ceil(gap) if gap < 0 else round(gap)

    left, top = begin(width, crop["width"]), begin(height, crop["height"])
    return in_order(image.crop((left, top, left + crop["width"], top + crop["height"])), p)


def check_sizes(files, p):
    """Where pictures are neither resized nor cropped, they must have the model's size."""
    resize = p["resize"]
    if resize["kind"] != "none" or p["crop"] is not None:
        return
    size = (resize["width"], resize["height"])
    wrong = []
    for path, _ in files:
        with Image.open(path) as image:
            if image.size != size:
                wrong.append(f"{path} ({image.width} x {image.height})")
    if wrong:
        raise SystemExit(
            f"This model's images are not resized: they must have {size[0]} x {size[1]} pixels. {len(wrong)} of "
            f"{len(files)} have another size, the first is {wrong[0]}. Resize them, or take them out of --data."
        )


def in_order(image, p):
    """The channels in the network's order."""
    return Image.merge("RGB", image.split()[::-1]) if p.get("channels") == "bgr" else image


class Pictures(torch.utils.data.Dataset):
    """Pictures as the model takes them: Graft's own preparation, with Pillow."""

    def __init__(self, files, preprocessing, recipe=None, not_mirrored=()):
        self.files, self.p, self.recipe, self.not_mirrored = files, preprocessing, recipe, not_mirrored

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        path, label = self.files[index]
        image = sized(read_picture(path, self.p), self.p)
        whole = image
        if self.recipe is not None:
            image = augmented(turned(image, self.recipe["rotation"]), self.recipe, label not in self.not_mirrored)
        pixels = np.asarray(image, np.float32)
        if self.recipe is not None:
            pixels = jittered(pixels, np.asarray(whole), self.recipe["colourJitter"], self.p.get("channels"))
        pixels = torch.from_numpy(pixels.transpose(2, 0, 1).copy()) * self.p["rescale"]
        mean, std = (torch.tensor(self.p[key]).reshape(3, 1, 1) for key in ("mean", "std"))
        pixels = (pixels - mean) / std
        return (pixels if self.recipe is None else erased(pixels, self.recipe["randomErasing"])), label


def names_in(text):
    """Names with commas between them, and in double quotes one that has a comma."""
    return [name for name in ((quoted or plain).strip() for quoted, plain in re.findall(r'"([^"]*)"|([^,"]+)', text)) if name]


def augmented(image, recipe, may_mirror):
    """A random resized crop and mirror images, where the recipe has them: area uniform, proportions log-uniform."""
    kind = recipe["augment"]
    width, height = image.size
    for _ in range(10 if kind == "crop+flip" else 0):
        area = random.uniform(recipe["smallestCrop"], 1)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        across, down = width * math.sqrt(area * ratio), height * math.sqrt(area / ratio)
        if across <= width and down <= height:
            left, top = random.uniform(0, width - across), random.uniform(0, height - down)
            image = image.resize(image.size, Image.Resampling.BILINEAR, box=(left, top, left + across, top + down))
            break
    if kind == "none" or not may_mirror:
        return image
    if random.random() < 0.5:
        image = ImageOps.mirror(image)
    return ImageOps.flip(image) if recipe["upsideDown"] == "yes" and random.random() < 0.5 else image


def turned(image, degrees):
    """Rotated about its middle by an angle of torchvision's RandomRotation(degrees), bilinearly; unlike there, the border is
    repeated in the corners, which are black there."""
    if degrees == 0:
        return image
    width, height = image.size
    edge = max(width, height) // 2
    image = Image.fromarray(np.pad(np.asarray(image), ((edge, edge), (edge, edge), (0, 0)), mode="edge"))
    image = image.rotate(random.uniform(-degrees, degrees), Image.Resampling.BILINEAR)
    return image.crop((edge, edge, edge + width, edge + height))


def jittered(pixels, whole, strength, channels):
    """Brightness, contrast and saturation changed, [height, width, 3] of 0 to 255. Factors are torchvision's ColorJitter's;
    unlike there, values are clamped once, after all three, and contrast is about the mean grey of the whole picture."""
    if strength == 0:
        return pixels
    b, c, s = (random.uniform(1 - strength, 1 + strength) for _ in range(3))
    weights = np.float32([0.299, 0.587, 0.114][:: -1 if channels == "bgr" else 1])
    grey, mean = pixels @ weights, (whole @ weights).mean()
    return np.clip(b * c * (s * pixels + (1 - s) * grey[..., None]) + b * (1 - c) * mean, 0, 255).astype(np.float32)


def erased(pixels, share):
    """A rectangle set to 0, of so many of the pictures: torchvision's RandomErasing(share)."""
    height, width = pixels.shape[-2:]
    for _ in range(10 if random.random() < share else 0):
        area = height * width * random.uniform(0.02, 0.33)
        ratio = math.exp(random.uniform(math.log(0.3), math.log(3.3)))
        high, wide = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if high < height and wide < width:
            top, left = random.randint(0, height - high), random.randint(0, width - wide)
            pixels[:, top : top + high, left : left + wide] = 0
            break
    return pixels


def mixed(pixels, recipe):
    """The pictures of a step mixed in pairs, the partner of each, and the share that each keeps: blended as by torchvision's
    MixUp, or with a rectangle of the partner as by its CutMix; where the recipe has both, one of the two by chance. Unlike
    there, partners are a random permutation."""
    partners = torch.randperm(len(pixels))
    cuts = recipe["cutmix"] > 0 and (recipe["mixup"] == 0 or random.random() < 0.5)
    alpha = recipe["cutmix" if cuts else "mixup"]
    share = np.random.beta(alpha, alpha)
    if not cuts:
        return share * pixels + (1 - share) * pixels[partners], partners, share
    height, width = pixels.shape[-2:]
    y, x, half = random.randrange(height), random.randrange(width), 0.5 * math.sqrt(1 - share)
    top, bottom = max(0, y - int(half * height)), min(height, y + int(half * height))
    left, right = max(0, x - int(half * width)), min(width, x + int(half * width))
    cut = pixels.clone()
    cut[..., top:bottom, left:right] = pixels[partners][..., top:bottom, left:right]
    return cut, partners, 1 - (bottom - top) * (right - left) / (height * width)


def load_base(run, source):
    """The original model with a head for the run's classes, and the names of its linears by Graft's words."""
    classes = run["data"]["classes"]
    if run["model"]["library"] == "timm":
        import timm

        name = f"local-dir:{source}" if Path(source).is_dir() else f"hf-hub:{source}"
        model = timm.create_model(name, pretrained=True, num_classes=len(classes))
        names = {"q": "attn.qkv", "k": "attn.qkv", "v": "attn.qkv", "proj": "attn.proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}
        return model, names, ["head"]
    from transformers import AutoModelForImageClassification

    model = AutoModelForImageClassification.from_pretrained(
        source,
        num_labels=len(classes),
        id2label=dict(enumerate(classes)),
        label2id={name: index for index, name in enumerate(classes)},
        ignore_mismatched_sizes=True,
        dtype=torch.float32,
    )
    # The names of the modules differ between transformers 4 and 5, and between families.
    modules = {name.split(".")[-1] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    pick = lambda *names: next(name for name in names if name.split(".")[-1] in modules)
    names = {
        "q": pick("q_proj", "query"),
        "k": pick("k_proj", "key"),
        "v": pick("v_proj", "value"),
        "proj": pick("o_proj", "out_proj", "attention.output.dense"),
        "fc1": pick("fc1", "intermediate.dense"),
        "fc2": pick("fc2", "output.dense"),
    }
    heads = [name for name, _ in model.named_children() if name.endswith("classifier")]
    return model, names, heads


def adapted(run, recipe, model, names, heads, args):
    """The model with a LoRA beside the recipe's linears, and its head trained along."""
    if args.adapter is not None:
        config = PeftConfig.from_pretrained(args.adapter)
        config.lora_dropout = recipe["dmlora.inputDropout"]
        return PeftModel.from_pretrained(model, args.adapter, is_trainable=True, config=config)
    left = recipe["dmlora.branchesEnd" if recipe["dmlora.dropMode"] == "permanent" else "dmlora.branches"]
    # Crossed branches are one LoRA of the rank of one branch.
    branches = 1 if recipe["dmlora.pairing"] == "crossed" else left
    rank = args.rank or branches * recipe["dmlora.rank"]
    sets = {"qv": "qv", "qkv": "qkv", "qkv+proj": ["q", "k", "v", "proj"]}
    targets = sets.get(recipe["dmlora.targets"], list(names))
    blocks = "|".join(str(block) for block in range(recipe["dmlora.firstBlock"], run["model"]["config"]["depth"]))
    linears = sorted({names[target] for target in targets})
    # A regular expression for the whole name: "output.dense" alone would also match "attention.output.dense".
    ends = "|".join(linear.replace(".", "[.]") for linear in linears)
    pattern = rf".*\.(layers?|blocks)\.({blocks})\.(.*\.)?({ends})"
    # Graft scales by the rank of one branch, PEFT by that of all of them together: the same factor.
    scaling, share = recipe["dmlora.scaling"], rank / recipe["dmlora.rank"]
    alpha = {
        "none": rank,
        "lora": recipe["dmlora.alpha"] * share,
        "rslora": recipe["dmlora.alpha"] * math.sqrt(share),
    }[scaling]
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        use_rslora=scaling == "rslora",
        target_modules=pattern,
        modules_to_save=heads,
        lora_dropout=recipe["dmlora.inputDropout"],  # unlike in Graft, q, k and v each have a mask of their own
    )
    if run["model"]["library"] == "timm":
        config.target_modules = pattern.replace(r".*\.(layers?|blocks)", r"(.*\.)?blocks", 1)
    return get_peft_model(model, config)


def rate(step, steps, recipe):
    """Learning rate of the 0-based step: linear warm-up to the peak, then a cosine to the floor."""
    peak, warmup = recipe["learningRate"], max(1, round(recipe["warmup"] * steps))
    floor = min(peak, recipe["learningRateFloor"])
    if step + 1 <= warmup:
        return peak * (step + 1) / warmup
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * (step + 1 - warmup) / (steps - warmup)))


def logits_of(model, pixels):
    out = model(pixels)
    return out if torch.is_tensor(out) else out.logits


def class_weights(files, classes, recipe):
    """images / (classes * images of the class) where the recipe weighs classes, as scikit-learn's "balanced"; else None."""
    if recipe["classBalance"] != "weights":
        return None
    counts = np.bincount([label for _, label in files], minlength=len(classes))
    return torch.tensor(np.where(counts > 0, len(files) / (len(classes) * np.maximum(counts, 1)), 0), dtype=torch.float32)


def score(recipe, accuracy, recall):
    """What says which state is better: all pictures alike, or all classes alike where the recipe has it so."""
    return accuracy if recipe["classBalance"] == "none" else recall


def evaluate(accelerator, model, loader):
    """Loss, accuracy, and the mean of the accuracies of the classes; plain, whatever the steps descend to."""
    model.eval()
    losses, right, count, hits = [], 0, 0, {}
    with torch.no_grad():
        for pixels, labels in loader:
            logits, labels = accelerator.gather_for_metrics((logits_of(model, pixels).float(), labels))
            losses.append(torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item())
            answers = logits.argmax(-1) == labels
            right += answers.sum().item()
            count += len(labels)
            for label, answer in zip(labels.tolist(), answers.tolist()):
                hits.setdefault(label, []).append(answer)
    model.train()
    recall = sum(sum(each) / len(each) for each in hits.values()) / len(hits)
    return sum(losses) / count, right / count, recall


def validation_steps(steps, steps_per_epoch, most=20):
    """The ends of epochs, thinned evenly to `most`, and the last step: where Graft validates."""
    every = math.ceil(max(1, steps // steps_per_epoch) / most)
    return {steps, *range(every * steps_per_epoch, steps, every * steps_per_epoch)}


def main():
    args = arguments()
    run = json.loads(args.run.read_text(encoding="utf-8"))
    recipe, classes = recipe_of(run, args.set), run["data"]["classes"]
    seed = recipe["seed"] if args.seed is None else args.seed
    set_seed(seed)
    source = args.model or run["model"]["origin"]["hubId"]
    if source is None:
        raise SystemExit("run.json knows no id of the original model: give its folder with --model.")
    accelerator = Accelerator()
    train, validation = split_files(labelled_files(args.data, classes), run, recipe, seed)
    p = run["model"]["preprocessing"]
    check_sizes(train + validation, p)
    batch = min(args.batch or recipe["batch"], len(train))
    steps = args.steps or (None if args.epochs else recipe["steps"])
    if steps is None:
        plan = run["plan"]
        epochs = args.epochs or recipe["epochs"] or plan["steps"] / plan["stepsPerEpoch"]
        steps = max(1, round(epochs * len(train) / (batch * accelerator.num_processes)))

    base, names, heads = load_base(run, source)
    model = adapted(run, recipe, base, names, heads, args)
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    # A head that has learned already moves more slowly than the branches; one of random numbers does not.
    head_share = 1.0 if args.adapter is None else recipe["headRate"]
    groups = {}
    for name, parameter in trained:
        share = head_share if any(head in name.split(".") for head in heads) else 1.0
        decay = 0.0 if name.endswith("bias") else recipe["weightDecay"]
        groups.setdefault((share, decay), []).append(parameter)
    optimiser = torch.optim.AdamW(
        [{"params": group, "share": share, "weight_decay": decay} for (share, decay), group in groups.items()],
        lr=recipe["learningRate"],
    )
    not_mirrored = {classes.index(name) for name in names_in(recipe["notMirrored"]) if name in classes}
    load = lambda files, learn: torch.utils.data.DataLoader(
        Pictures(files, p, recipe if learn else None, not_mirrored), batch, shuffle=learn, drop_last=learn, num_workers=args.workers
    )
    model, optimiser, loader, held = accelerator.prepare(model, optimiser, load(train, True), load(validation, False))
    for line in not_followed():
        accelerator.print(line)
    accelerator.print(f"{len(train)} pictures to train, {len(validation)} to validate, {steps} steps of {batch}")
    loss, accuracy, recall = evaluate(accelerator, model, held)
    accelerator.print(f"before: loss {loss:.4f}, accuracy {accuracy:.4f}")
    # Early stopping: the best validated state, and the validations that found nothing better since.
    best, missed, patience = None, 0, recipe["patience"]
    due = validation_steps(steps, len(loader)) if patience else set()

    def copied():
        return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}

    if patience:
        best = (score(recipe, accuracy, recall), -loss, copied())
    weights = class_weights(train, classes, recipe)
    weights = None if weights is None else weights.to(accelerator.device)
    descended = torch.nn.CrossEntropyLoss(weight=weights, label_smoothing=recipe["labelSmoothing"])
    step = 0
    while step < steps and (not patience or missed < patience):
        for pixels, labels in loader:
            for group in optimiser.param_groups:
                group["lr"] = rate(step, steps, recipe) * group["share"]
            if recipe["mixup"] > 0 or recipe["cutmix"] > 0:
                images, partners, share = mixed(pixels, recipe)
                logits = logits_of(model, images).float()
                loss = share * descended(logits, labels) + (1 - share) * descended(logits, labels[partners])
            else:
                loss = descended(logits_of(model, pixels).float(), labels)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), recipe["clipNorm"])
            optimiser.step()
            optimiser.zero_grad()
            step += 1
            if step % max(1, steps // 20) == 0:
                accelerator.print(f"step {step}/{steps}: loss {loss.item():.4f}")
            if step in due:
                loss, accuracy, recall = evaluate(accelerator, model, held)
                accelerator.print(f"step {step}/{steps}: validation loss {loss:.4f}, accuracy {accuracy:.4f}")
                now = (score(recipe, accuracy, recall), -loss)
                best, missed = ((*now, copied()), 0) if now > best[:2] else (best, missed + 1)
            if step == steps or (patience and missed == patience):
                break
    if patience:
        accelerator.print(f"ended after step {step}: the best validated state is kept")
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.requires_grad:
                    parameter.copy_(best[2][name])
    loss, accuracy, _ = evaluate(accelerator, model, held)
    accelerator.print(f"after: loss {loss:.4f}, accuracy {accuracy:.4f}")

    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        model = accelerator.unwrap_model(model)
        model.save_pretrained(args.out / "adapter")
        merged = model.merge_and_unload()
        if run["model"]["library"] == "timm":
            torch.save(merged.state_dict(), args.out / "merged.pt")
        else:
            merged.save_pretrained(args.out / "merged")
        print(f"adapter and merged model in {args.out}")


if __name__ == "__main__":
    main()
