# continue.py: the recipe of this folder's run.json with transformers (or timm), peft and accelerate, for more images or
# a larger machine than a browser has. Written by Graft; public domain (CC0-1.0).
#
#   pip install torch transformers peft accelerate pillow numpy  (and timm for a timm model)
#   python continue.py --data IMAGES --out OUT                   the whole recipe, from new branches
#   python continue.py --data IMAGES --out OUT --checkpoint RUN  goes on where a run stands that Graft saved
#   python continue.py --data IMAGES --out OUT --adapter DIR     goes on from an exported PEFT adapter, as a LoRA
#   accelerate launch --multi_gpu continue.py ...                on several GPUs: each takes its part of every batch. Without
#                                                                GPUs the same with --num_processes; --cpu starts one process.
#
# IMAGES holds a folder of pictures for each class, or such folders inside train/ and val/. Pictures that run.json (or RUN)
# knows by their digest stay on their side of the split and come in Graft's order, so that without augmentation the losses
# are Graft's but for rounding. The branches of a layer are one LoRA that stacks them; gates and scalars weigh what it adds.
# The result is the best validated state, a saved run's own among them; with keep: last or --keep-last it is the last one.
# What cannot be done is said, with exit code 2. out/merged is the whole model (of timm its weights, out/merged.pt), and
# out/adapter a PEFT adapter, where branches were trained and an adapter can hold all that learned.
import argparse
import contextlib
import functools
import hashlib
import itertools
import json
import math
import random
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, broadcast_object_list, set_seed
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from PIL import Image, ImageFilter, ImageOps

HERE = Path(__file__).resolve().parent
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".avif"}
# Graft's options, from their table: path, default, why this script does not follow it, the values it follows still, and
# what a value may be: a list of choices, the most characters of a text, or the limits of a number.
OPTIONS = {
    "steps": (None, None, [], {"least": 1, "most": 1000000, "whole": True, "empty": True}),
    "epochs": (None, None, [], {"above": 0, "most": 10000, "empty": True}),
    "patience": (None, None, [], {"least": 1, "most": 1000, "whole": True, "empty": True}),
    "keep": ("best", None, [], ["best", "last"]),
    "batch": (32, None, [], {"least": 1, "most": 1024, "whole": True}),
    "learningRate": (0.003, None, [], {"above": 0, "most": 10}),
    "seed": (1, None, [], {"least": 0, "most": 4294967295, "whole": True}),
    "dmlora.branches": (4, None, [], [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    "dmlora.branchesEnd": (2, None, [], [1, 2, 3, 4, 5, 6, 7, 8]),
    "dmlora.rank": (4, None, [], [1, 2, 4, 8, 16]),
    "dmlora.targets": ("all", None, [], ["qv", "qkv", "qkv+proj", "all"]),
    "dmlora.firstBlock": (0, None, [], {"least": 0, "most": 999, "whole": True}),
    "dmlora.dropMode": ("permanent", None, [], ["permanent", "stochastic", "constant", "annealed", "none"]),
    "dmlora.pairing": ("paired", None, [], ["paired", "crossed"]),
    "dmlora.dropWindow.0": (0.1, None, [], {"least": 0, "most": 1}),
    "dmlora.dropWindow.1": (0.4, None, [], {"least": 0, "most": 1}),
    "dmlora.dropRate": (0.5, None, [], {"above": 0, "most": 0.95}),
    "dmlora.dropSpacing": ("even", None, [], ["even", "cosine", "steps"]),
    "dmlora.dropSteps": ("", None, [], 200),
    "dmlora.dropPick": ("random", None, [], ["random", "smallest", "alike", "oldest", "cheapest"]),
    "dmlora.dropEffect": ("zero", None, [], ["zero", "fade", "absorb", "svd-fold"]),
    "dmlora.fadeSteps": (20, None, [], {"least": 1, "most": 1000000, "whole": True}),
    "dmlora.inputDropout": (0, None, [], {"least": 0, "most": 0.9}),
    "dmlora.scalars": ("train-then-scale", None, [], ["train-then-scale", "joint", "scale-then-retrain", "off"]),
    "dmlora.scalarShare": ("linear", None, [], ["linear", "block", "all"]),
    "dmlora.stage2": (0.8, None, [], {"least": 0, "most": 1}),
    "dmlora.stage2Rate": ("run", None, [], ["run", "own"]),
    "dmlora.scalarStart": (1, None, [], {"above": 0, "most": 100}),
    "dmlora.scaling": ("none", None, [], ["none", "lora", "rslora"]),
    "dmlora.alpha": (8, None, [], {"above": 0, "most": 1000}),
    "backbone.tune": ("none", None, [], ["none", "norms", "biases", "all"]),
    "headStart": ("probe", None, [], ["probe", "random"]),
    "headRate": (0.1, None, [], {"above": 0, "most": 10}),
    "warmup": (0.1, None, [], {"least": 0, "most": 1}),
    "learningRateFloor": (0.00001, None, [], {"least": 0, "most": 10}),
    "weightDecay": (0.0001, None, [], {"least": 0, "most": 1}),
    "clipNorm": (1, None, [], {"above": 0, "most": 1000000}),
    "scalarRate": (0.01, None, [], {"above": 0, "most": 10}),
    "augment": ("crop+flip", None, [], ["none", "flip", "crop+flip"]),
    "smallestCrop": (0.5, None, [], {"least": 0.01, "most": 1}),
    "upsideDown": ("no", None, [], ["no", "yes"]),
    "notMirrored": ("", None, [], 4000),
    "rotation": (0, None, [], {"least": 0, "most": 180}),
    "colourJitter": (0, None, [], {"least": 0, "most": 1}),
    "blur": (0, None, [], {"least": 0, "most": 1}),
    "randomErasing": (0, None, [], {"least": 0, "most": 1}),
    "randAugment": (0, None, [], [0, 1, 2, 3, 4]),
    "randAugmentStrength": (0.3, None, [], {"least": 0.01, "most": 1}),
    "mixup": (0, None, [], {"least": 0, "most": 10}),
    "cutmix": (0, None, [], {"least": 0, "most": 10}),
    "labelSmoothing": (0, None, [], {"least": 0, "most": 0.9}),
    "classBalance": ("none", None, [], ["none", "weights"]),
    "stochasticDepth": (0, None, [], {"least": 0, "most": 0.9}),
    "memory.budgetMB": (None, "PyTorch takes what it needs: with --at-once a step takes its batch in parts.", [None], {"least": 1, "most": 1000000, "whole": True, "empty": True}),
    "memory.float16": ("if-needed", "Use accelerate’s own --mixed_precision.", ["never", "if-needed"], ["never", "if-needed", "always"]),
    "memory.arithmetic": ("float32", "Use accelerate’s own --mixed_precision.", ["float32"], ["float32", "float16"]),
    "split.validationFraction": (0.2, None, [], {"above": 0, "below": 1}),
    "split.learnFrom": ("train", None, [], ["train", "all"]),
    "split.together": ("none", "Pictures that run.json does not know are drawn one by one.", ["none"], ["none", "name", "folder"]),
    "split.folds": (0, "Pictures that run.json does not know are drawn one by one.", [0], [0, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    "split.fold": (1, "Pictures that run.json does not know are drawn one by one.", [1], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    "split.trainPerClass": (None, "All pictures that are given are used.", [None], {"least": 1, "most": 1000000, "whole": True, "empty": True}),
    "split.validationPerClass": (None, "All pictures that are given are used.", [None], {"least": 1, "most": 1000000, "whole": True, "empty": True}),
}
# End of options.

# What a recipe without branches says of them.
WITHOUT_BRANCHES = {"dmlora.dropMode": "none", "dmlora.pairing": "paired", "dmlora.inputDropout": 0, "dmlora.scalars": "off", "dmlora.scaling": "none"}
SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation"}


class Refused(SystemExit):
    """What cannot be done, and what to do instead."""

    def __init__(self, sentence):
        print(sentence, file=sys.stderr)
        super().__init__(2)


def at_least_1(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number of at least 1 is needed, not {text!r}")
    return int(text)


def arguments():
    parser = argparse.ArgumentParser(description="Fine-tunes with the recipe of run.json.")
    parser.add_argument("--data", type=Path, required=True, help="folder of class folders, or of train/ and val/")
    parser.add_argument("--out", type=Path, required=True, help="where adapter/, merged/ and log.json go")
    parser.add_argument("--model", help="the original model: a folder or an id on the Hub (default: that of run.json)")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--adapter", type=Path, help="PEFT adapter to go on from, as a LoRA")
    start.add_argument("--checkpoint", type=Path, help="run that Graft saved (.safetensors), to go on where it stands")
    parser.add_argument("--run", type=Path, default=HERE / "run.json")
    parser.add_argument("--steps", type=at_least_1, help="optimiser steps (default: the recipe's)")
    parser.add_argument("--epochs", help="passes over the training images instead")
    parser.add_argument("--batch", type=at_least_1, help="images of a step, on all devices together (default: the recipe's)")
    parser.add_argument("--at-once", type=at_least_1, help="images at once on a device: more parts of a step, less memory")
    parser.add_argument("--rank", type=at_least_1, help="a plain LoRA of this rank instead of the recipe's branches and scalars")
    parser.add_argument("--seed")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="another option of the recipe")
    parser.add_argument("--keep-last", action="store_true", help="the last state is the result, not the best validated one")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    for name in ("epochs", "seed"):
        if getattr(args, name) is not None:
            setattr(args, name, value_of(name, getattr(args, name), f"--{name}"))
    adapter = None if args.adapter is None else args.adapter / "adapter_config.json"
    for name, path in (("data", args.data), ("run", args.run), ("checkpoint", args.checkpoint), ("adapter", adapter)):
        if path is not None and not path.exists():
            raise Refused(f"--{name}: there is no {path}. Give the path of one that exists.")
    # What a saved run or an adapter is made of stays as it is.
    start = "--checkpoint" if args.checkpoint else "--adapter" if args.adapter else None
    fixed = [path for path in (one.partition("=")[0] for one in args.set) if path.startswith("dmlora.") and path != "dmlora.inputDropout"]
    fixed = [f"--set {path}" for path in fixed] + (["--rank"] if args.rank else [])
    if args.checkpoint:
        fixed += ["--seed"] * (args.seed is not None) + ["--set seed"] * any(one.startswith("seed=") for one in args.set)
    if start and fixed:
        raise Refused(f"{', '.join(fixed)} cannot be given beside {start}, whose own branches go on: leave the one or the other out.")
    return args


def value_of(path, text, flag):
    """The value of an option as people write it."""
    kind, text = OPTIONS[path][3], text.strip()
    if isinstance(kind, list):
        found = [value for value in kind if str(value) == text]
        needed = f"one of {', '.join(map(str, kind))}"
    elif isinstance(kind, int):
        found = [text] if len(text) <= kind else []
        needed = f"a text of at most {kind} characters"
    else:
        whole, least, above, most, below, empty = (kind.get(name) for name in ("whole", "least", "above", "most", "below", "empty"))
        try:
            number = float(text.replace(",", "."))
        except ValueError:
            number = math.nan
        within = [least is None or number >= least, above is None or number > above, most is None or number <= most]
        if empty and text in ("", "null"):
            found = [None]
        elif math.isfinite(number) and all(within) and (below is None or number < below) and not (whole and number % 1):
            found = [int(number) if number % 1 == 0 else number]
        else:
            found = []
        limits = {"of at least": least, "above": above, "of at most": most, "below": below}
        needed = f"a {'whole ' if whole else ''}number {' and '.join(f'{word} {limit}' for word, limit in limits.items() if limit is not None)}"
    if not found:
        raise Refused(f"{flag}: {needed} is needed, not {text!r}.")
    return found[0]


def recipe_of(run, settings):
    """The value of every option by its path: that of --set, else of run.json, else its default."""
    recipe = {}
    for path, (value, *_) in OPTIONS.items():
        found = run["recipe"]
        for name in path.split("."):
            if isinstance(found, list):
                found = found[int(name)]
            else:
                found = found.get(name, value) if isinstance(found, dict) else value
        recipe[path] = found
    for setting in settings:
        path, given, text = setting.partition("=")
        if path not in OPTIONS:
            raise Refused(f"--set: there is no option {path!r}. There are: {', '.join(OPTIONS)}.")
        if not given:
            raise Refused(f"--set: write {path}=VALUE.")
        recipe[path] = value_of(path, text, f"--set {path}")
        why = not_followed(path, recipe[path])
        if why is not None:
            raise Refused(f"--set: {path} is not followed here. {why}")
    return recipe | (WITHOUT_BRANCHES if recipe["dmlora.branches"] == 0 else {})


def check_rules(recipe, run):
    """Graft's rules between options."""
    d = lambda name: recipe[f"dmlora.{name}"]
    mode, scalars, begin, end = d("dropMode"), d("scalars"), d("dropWindow.0"), d("dropWindow.1")
    staged, leave = scalars in ("train-then-scale", "scale-then-retrain"), d("branches") - d("branchesEnd")
    at_steps = mode == "permanent" and d("dropSpacing") == "steps"
    problem = None
    if mode == "permanent" and leave < 0:
        problem = f"{d('branchesEnd')} branches cannot be left of {d('branches')}: set dmlora.branchesEnd."
    elif at_steps and not all(re.fullmatch(r"\s*([1-9]\d*|\d+([.]\d+)?\s*%)\s*", one) for one in d("dropSteps").split(",") if leave):
        problem = "dmlora.dropSteps needs whole steps with commas between them, as 20, 60, or shares of all steps, as 10 %, 40 %."
    elif at_steps and leave != len([one for one in d("dropSteps").split(",") if one.strip()]):
        problem = f"dmlora.dropSteps needs a place for each of the {leave} branches that leave."
    elif mode in ("permanent", "stochastic", "annealed") and not at_steps:
        apart = scalars == "scale-then-retrain" and mode == "permanent" and begin >= d("stage2")
        if end < begin:
            problem = "The drops end before they begin: set dmlora.dropWindow.0 and .1."
        elif staged and end > d("stage2") and not apart:
            problem = "All drops must be done before stage 2 begins: set dmlora.dropWindow.1 or dmlora.stage2."
    if problem is None and d("pairing") == "crossed":
        trained = d("stage2") if scalars == "train-then-scale" else 1
        if mode in ("permanent", "none"):
            problem = "choose a branch dropout by steps, with --set dmlora.dropMode=constant"
        elif scalars == "scale-then-retrain":
            problem = "nothing is left out in stage 2, where they begin afresh: choose other dmlora.scalars"
        elif (mode == "stochastic" and begin >= trained) or (mode == "annealed" and end == 0):
            problem = "set a dmlora.dropWindow in which some are left out"
        if problem is not None:
            problem = f"Crossed branches would all learn the same unless chance leaves some out of each step: {problem}."
    if learns_from_all(recipe) and (recipe["keep"], recipe["patience"]) != ("last", None):
        problem = "Images that are learned can choose no state and end no run: set keep=last and patience to nothing."
    if mode == "permanent" and d("dropEffect") == "absorb" and recipe["backbone.tune"] == "all":
        problem = "Where all of the backbone learns, no weight is frozen that could keep what a dropped branch learned: set dmlora.dropEffect or backbone.tune."
    depth = run["model"]["config"]["depth"]
    if d("branches") > 0 and d("firstBlock") >= depth:
        problem = f"This model has blocks 0 to {depth - 1}: no branch would grow from block {d('firstBlock')} on. Set dmlora.firstBlock."
    unknown = [name for name in names_in(recipe["notMirrored"]) if name not in run["data"]["classes"]]
    if recipe["augment"] != "none" and unknown:
        problem = f"notMirrored: no class is called {unknown[0]!r}."
    if problem is not None:
        raise Refused(problem)


def learns_from_all(recipe):
    """Whether validation pictures are trained on as well."""
    return recipe["split.learnFrom"] == "all" and recipe["split.folds"] == 0


def not_followed(path, value):
    """Why this script does not follow an option's value; None where it does."""
    _, why, followed, _ = OPTIONS[path]
    return None if value in followed else why


def refusals(recipe):
    """Why options of a recipe are not followed, each reason with its options."""
    reasons = {}
    for path, value in recipe.items():
        why = not_followed(path, value)
        if why is not None:
            reasons.setdefault(why, []).append(f"{path} = {value}")
    return [f"Not followed: {', '.join(values)}. {why}" for why, values in reasons.items()]


# Graft's random numbers: each is a hash of seed, purpose and two counters, so that the same ones are drawn here.
PURPOSES = {"order": 2, "branchInit": 3, "headInit": 4, "drop": 5, "gates": 10, "dropPath": 11, "upGates": 12}


def words(seed, purpose, index, i, j=0):
    """pcg4d (Jarzynski and Olano, "Hash Functions for GPU Rendering", 2020): two of its four uint32 words, as float64."""
    key = (PURPOSES[purpose] * 0x9E3779B1 + index) % 2**32
    a, b, c, d = (
        np.atleast_1d(np.asarray(x, np.int64).astype(np.uint32)) * np.uint32(1664525) + np.uint32(1013904223)
        for x in np.broadcast_arrays(seed, key, i, j)
    )

    def mix(a, b, c, d):
        a = a + b * d
        b = b + c * a
        c = c + a * b
        return a, b, c, d + b * c

    a, b, c, d = mix(*(x ^ (x >> np.uint32(16)) for x in mix(a, b, c, d)))
    return a.astype(np.float64), b.astype(np.float64)


def uniform(seed, purpose, index, i, j=0):
    return words(seed, purpose, index, i, j)[0] / 2**32


def truncated_normal(seed, count):
    """Standard normal draws within two deviations, by Box and Muller and rejection."""
    values, left, attempt = np.zeros(count), np.arange(count), 0
    while len(left) > 0:
        a, b = words(seed, "headInit", 0, left, attempt)
        drawn = np.sqrt(-2 * np.log((a + 1) / (2**32 + 1))) * np.cos(2 * np.pi * b / 2**32)
        values[left] = drawn
        left, attempt = left[np.abs(drawn) > 2], attempt + 1
    return values


@functools.lru_cache(maxsize=4)
def epoch_order(count, epoch, seed):
    """The permutation in which an epoch visits the training pictures, by Fisher and Yates."""
    order = list(range(count))
    places = np.arange(count)
    picks = np.floor(uniform(seed, "order", 0, epoch, places) * (places + 1)).astype(int)
    for i in range(count - 1, 0, -1):
        order[i], order[picks[i]] = order[picks[i]], order[i]
    return order


def batch_of(count, batch, step, seed):
    """The pictures of the 0-based step: one that reaches the end of an epoch goes on in the next."""
    return [epoch_order(count, at // count, seed)[at % count] for at in range(step * batch, (step + 1) * batch)]


def read_checkpoint(path):
    """(facts, state, tensors by name) of a run that Graft saved: one safetensors file, its JSON in the metadata."""
    data = bytearray(path.read_bytes())
    begin = b'{"__metadata__":{"format":"pt","sha256":"'
    at = 8 + len(begin)
    if data[8:at] != begin:
        raise Refused(f"{path} is no run that Graft saved: save one in the app, under Runs.")
    told = data[at : at + 64].decode("latin-1")
    data[at : at + 64] = b"0" * 64
    if hashlib.sha256(data).hexdigest() != told:
        raise Refused(f"{path} is damaged: its bytes are not those that were written. Take another copy of it.")
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    facts = header.pop("__metadata__")
    if facts["graft_checkpoint"] not in ("1", "2"):
        raise Refused(f"{path} is of a later Graft: take the continue.py that this one exports.")
    numbers = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf, "-0": -0.0}
    run = json.loads(facts["run"], object_hook=lambda o: numbers[o["$"]] if set(o) == {"$"} else o)
    types = {"F32": np.float32, "I32": np.int32, "U8": np.uint8}
    tensors = {}
    for name, entry in header.items():
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[first:last], types[entry["dtype"]]).reshape(entry["shape"])
    return run["facts"], run["state"], tensors


def saved_adapter(state, role):
    """The modules of a saved run as it stands ("adapter") or at its best ("best"), and the role that their tensors have."""
    now = state["adapter"]
    own = now if role == "adapter" or state["best"] is None or state["verdict"] is not None else state["best"]["adapter"]
    return (now["modules"], "adapter") if own is now or isinstance(own, str) else (own["modules"], role)


def with_checkpoint(run, facts, tensors):
    """run.json's model beside recipe, plan and pictures of a saved run."""
    if facts["model"]["sha256"] != run["model"]["sha256"]:
        raise Refused("The saved run trained another model than that of run.json: give --run of an export of its own model.")
    seen, images, at = run["model"]["preprocessing"], facts["images"], 0
    pairs = {
        "image size": (facts["model"]["imageSize"], run["model"]["config"]["imageSize"]),
        "window of 16-bit grey": (images["pixels"].get("grey16"), seen.get("grey16")),
    }
    pairs |= {name: (facts["model"]["normalisation"][name], seen[name]) for name in ("rescale", "mean", "std")}
    for name, (own, other) in pairs.items():
        if own != other:
            raise Refused(f"The saved run saw other pixels than run.json says, by {name}: {own} and {other}. Give --run of an export of its own.")
    data = {"classes": images["classes"]}
    for split in ("train", "validation", "test"):
        rows = range(at, at + images["counts"][split])
        data[split] = [{"class": int(tensors["images/label"][i]), "sha256": tensors["images/sha256"][i].tobytes().hex()} for i in rows]
        at = rows.stop
    return {**run, "recipe": facts["recipe"], "plan": facts["plan"], "data": data}


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
        raise Refused(f"There is no folder of {', '.join(classes[:5])} with pictures in {root}.")
    return found


def split_files(files, run, recipe, seed):
    """Training and validation pictures: by folder, else by the digests of run.json, else a seeded draw. Pictures that
    run.json knows come first, in its order."""
    recorded = {
        image["sha256"]: (at, name)
        for name in ("train", "validation", "test")
        for at, image in enumerate(run["data"][name])
    }
    train, validation, unknown = [], [], []
    for path, label, split in files:
        at, known = recorded.get(hashlib.sha256(path.read_bytes()).hexdigest(), (math.inf, None))
        split = split or known
        if split != "test":
            {"train": train, "validation": validation}.get(split, unknown).append((at, path, label))
    if not validation:
        share = recipe["split.validationFraction"]
        random.Random(seed).shuffle(unknown)
        held = max(1, round(share * len(unknown)))
        validation, unknown = unknown[:held], unknown[held:]
    train += unknown
    if not train or not validation:
        raise Refused("Training and validation need one picture at least each.")
    in_turn = lambda listed: [(path, label) for _, path, label in sorted(listed, key=lambda one: one[0])]
    return in_turn(train), in_turn(validation)


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
        raise Refused(f"{path}: Pillow reads 16-bit grey with an alpha channel by its high byte, and this model saw it through a window. Save it without alpha.")
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
        raise Refused(
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
        if self.recipe is not None:
            image = blurred(image, self.recipe["blur"])
            drawn = operations(self.recipe["randAugment"], self.recipe["randAugmentStrength"])
        whole = image
        if self.recipe is not None:
            image = moved(image, random.uniform(-1, 1) * self.recipe["rotation"] + drawn["rotation"], drawn["across"], drawn["down"])
            image = augmented(image, self.recipe, label not in self.not_mirrored)
        pixels = np.asarray(image, np.float32)
        if self.recipe is not None:
            strength = self.recipe["colourJitter"]
            factors = [random.uniform(1 - strength, 1 + strength) * (1 + drawn[kind]) for kind in ("brightness", "contrast", "saturation")]
            pixels = jittered(pixels, np.asarray(whole), factors, self.p.get("channels"))
        pixels = torch.from_numpy(pixels.transpose(2, 0, 1).copy()) * self.p["rescale"]
        mean, std = (torch.tensor(self.p[key]).reshape(3, 1, 1) for key in ("mean", "std"))
        pixels = (pixels - mean) / std
        if self.recipe is not None:
            pixels = squared(erased(pixels, self.recipe["randomErasing"]), drawn["square"])
        return pixels, label


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


def blurred(image, share):
    """A Gaussian blur of so many of the pictures, by a deviation of 0.1 to 2 pixels of 224; Pillow's, which is of boxes."""
    deviation = random.uniform(0.1, 2) * image.width / 224
    return image.filter(ImageFilter.GaussianBlur(deviation)) if random.random() < share else image


def operations(count, strength):
    """By how much each of Graft's seven operations of a RandAugment changes a picture, so many of them drawn; the others by 0."""
    most = {"brightness": 0.9, "contrast": 0.9, "saturation": 0.9, "rotation": 30, "across": 0.45, "down": 0.45, "square": 0.5}
    drawn = random.sample(list(most), count)
    return {kind: strength * most[kind] * random.choice([-1, 1]) * (kind in drawn) for kind in most}


def moved(image, degrees, across, down):
    """Shifted by shares of its sides and rotated about its middle, bilinearly; its border is repeated beyond it, which
    torchvision makes black."""
    if (degrees, across, down) == (0, 0, 0):
        return image
    width, height = image.size
    edge = max(width, height)
    image = Image.fromarray(np.pad(np.asarray(image), ((edge, edge), (edge, edge), (0, 0)), mode="edge"))
    left, top = edge - round(across * width), edge - round(down * height)
    image = image.rotate(degrees, Image.Resampling.BILINEAR, center=(edge + width / 2, edge + height / 2))
    return image.crop((left, top, left + width, top + height))


def jittered(pixels, whole, factors, channels):
    """Brightness, contrast and saturation changed, [height, width, 3] of 0 to 255. Factors are torchvision's ColorJitter's;
    unlike there, values are clamped once, after all three, and contrast is about the mean grey of the whole picture."""
    if factors == [1, 1, 1]:
        return pixels
    b, c, s = factors
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


def squared(pixels, share):
    """A square of that share of the side set to 0."""
    side = pixels.shape[-1]
    edge = round(abs(share) * side)
    top, left = (random.randint(0, side - edge) for _ in range(2))
    pixels[:, top : top + edge, left : left + edge] = 0
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
    """The original model with a head for the run's classes, the names of its linears by Graft's words, those of its heads,
    and whether it brought the head along."""
    classes = run["data"]["classes"]
    if run["model"]["library"] == "timm":
        import timm

        name = f"local-dir:{source}" if Path(source).is_dir() else f"hf-hub:{source}"
        model = timm.create_model(name, pretrained=True, num_classes=len(classes))
        names = {"q": "attn.qkv", "k": "attn.qkv", "v": "attn.qkv", "proj": "attn.proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}
        return model, names, [name for name in ("head", "head_dist") if hasattr(model, name)], False
    import transformers

    labels = list(transformers.AutoConfig.from_pretrained(source).id2label.values())
    # A distilled DeiT has two heads in a class of its own.
    model = getattr(transformers, run["model"]["baseClass"]["name"]).from_pretrained(
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
    return model, names, heads, labels == classes


TARGETS = {"qv": ["q", "v"], "qkv": ["q", "k", "v"], "qkv+proj": ["q", "k", "v", "proj"], "all": ["q", "k", "v", "proj", "fc1", "fc2"]}


def lora_layers(model):
    return [(name, layer) for name, layer in model.named_modules() if isinstance(layer, LoraLayer)]


def pattern_of(recipe, run, names):
    """The names of the linears that get branches. As a regular expression for the whole name: "output.dense" alone would
    also match "attention.output.dense"."""
    blocks = "|".join(str(block) for block in range(recipe["dmlora.firstBlock"], run["model"]["config"]["depth"]))
    ends = "|".join(sorted({names[target].replace(".", "[.]") for target in TARGETS[recipe["dmlora.targets"]]}))
    inner = r"(.*\.)?blocks" if run["model"]["library"] == "timm" else r".*\.(layers?|blocks)"
    return rf"{inner}\.({blocks})\.(.*\.)?({ends})"


# How the libraries call what Graft calls so, without .weight and .bias: outside of blocks, and with a dot before it in one.
NAMES = {
    "prefix_tokens": ["cls_token", "class_embedding", "distillation_token", "dist_token", "register_tokens", "reg_token"],
    "pos_embed": ["position_embeddings", "position_embedding", "pos_embed"],
    "patch_embed": ["patch_embeddings.projection", "patch_embedding", "patch_embed.proj"],
    "pre_norm": ["pre_layernorm", "pre_layrnorm", "norm_pre"],
    "norm": ["layernorm", "post_layernorm", "norm", "fc_norm"],
    ".norm1": ["norm1", "layernorm_before", "layer_norm1"],
    ".norm2": ["norm2", "layernorm_after", "layer_norm2"],
    ".ls1": ["layer_scale1.lambda1", "ls1.gamma"],
    ".ls2": ["layer_scale2.lambda1", "ls2.gamma"],
}
WHOLE = ("prefix_tokens", "pos_embed", ".ls1", ".ls2")


def graft_names(name, names, config):
    """Graft's names of a parameter of the backbone by its library's name: three of a fused one, none where Graft has none."""
    name = re.sub(r"^base_model\.model\.|\.base_layer|\.modules_to_save\.default", "", name)
    stem, leaf = re.fullmatch(r"(.*?)(\.weight|\.bias)?", name).groups()
    block = re.search(r"(?:^|\.)(?:layers?|blocks)\.(\d+)\.(.+)$", stem)
    if block:
        here = [t for t in names if f".{block[2]}".endswith(f".{names[t]}")]
        if here:
            longest = max(len(names[t]) for t in here)
            return [f"blocks.{block[1]}.{t}{leaf}" for t in here if len(names[t]) == longest]
    # A head that pools by attention has a LayerNorm of its own.
    rest, before = (block[2], "") if block else (stem, r"(?:(?!(?:head|attn_pool)\b)\w+\.){0,3}")
    for ours, theirs in NAMES.items():
        is_here = ours.startswith(".") == bool(block) and (ours != "norm" or config["finalNorm"] != "none")
        if is_here and re.fullmatch(f"{before}({'|'.join(theirs)})", rest):
            return [(f"blocks.{block[1]}" if block else "") + ours + ("" if ours in WHOLE else leaf)]
    return []


class Tuned:
    """A parameter of the backbone that learns: Graft's names of its values, and where they stand in it."""

    def __init__(self, name, parameter, names, rows, twice):
        self.name, self.parameter, self.names = name, parameter, names
        self.rows = rows  # of tokens or positions: which of Graft's
        # Tokens without a position: in Graft one of theirs learns beside them, so that their sum moves twice as far.
        self.twice = twice
        self.decays = re.fullmatch(r"(.*\.)?(q|k|v|proj|fc1|fc2|patch_embed)\.weight", names[0]) is not None

    def put(self, whole, name, values):
        """Writes Graft's values of a name where they belong in something of the parameter's shape."""
        if self.rows is not None:
            values = values.reshape(-1, self.parameter.shape[-1])[self.rows]
        part = whole.unflatten(0, (len(self.names), -1))[self.names.index(name)] if len(self.names) > 1 else whole
        part.copy_(values.reshape(part.shape))


def tuned_of(model, run, recipe, names):
    """What the recipe tunes of a backbone, in the order of the model's parameters."""
    config, timm, tokens = run["model"]["config"], run["model"]["library"] == "timm", {}
    kinds = {"none": "(?!)", "norms": r"(.*\.)?(pre_norm|norm[12]?)\.(weight|bias)", "biases": r".*\.bias", "all": ".*"}
    chosen, found = re.compile(kinds[recipe["backbone.tune"]]), []
    for name, parameter in model.named_parameters():
        ours = [] if "original_module" in name else graft_names(name, names, config)
        if ours and chosen.fullmatch(ours[0]):
            if ours[0] == "prefix_tokens":
                tokens[name] = parameter.numel() // config["dim"]
            found.append((name, parameter, ours))
    order = sorted(tokens, key=lambda name: next(i for i, word in enumerate(NAMES["prefix_tokens"]) if name.endswith(word)))
    apart = {name: getattr(model, "no_embed_class", False) if timm else name.endswith("register_tokens") for name in tokens}
    placed, tuned = sum(rows for name, rows in tokens.items() if not apart[name]), []
    for name, parameter, ours in found:
        rows = None
        if name in tokens:
            begin = sum(tokens[other] for other in order[: order.index(name)])
            rows = list(range(begin, begin + tokens[name]))
        elif ours[0] == "pos_embed":
            patches = parameter.numel() // config["dim"] - placed
            begin = sum(tokens.values())
            rows = [*range(placed), *range(begin, begin + patches)]
        tuned.append(Tuned(name, parameter, ours, rows, apart.get(name, False)))
    return tuned


class Stack:
    """The branches of one LoRA layer, stacked: column by column, which scalar and gate weigh it, and whether it learns."""

    def __init__(self, branches, layer, parts):
        columns = len(parts) * branches.width
        self.branches, self.layer, self.parts = branches, layer, parts
        self.open, self.fixed = torch.zeros(columns), torch.zeros(columns)
        self.drawn = None  # the gates of one training step, where they are drawn anew for each; of crossed branches the ups'
        self.downs = None  # and the downs'
        self.learns = torch.zeros(columns, dtype=torch.bool)
        self.scalar = torch.tensor([parts[i // branches.width].scalar for i in range(columns)])
        self.absorbed = None  # what does not learn any more, as it has to stay: A and B
        self.A, self.B = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        layer.lora_A["default"].register_forward_hook(lambda module, _, out: self.gated(out, module.training))

    def gated(self, out, in_step):
        """What the down matrices give, weighed; where branches are crossed their gated sum, for each up matrix."""
        if self.branches.crossed:
            out = out if self.downs is None or not in_step else out * self.downs.to(out)
            apart = out.unflatten(-1, (len(self.parts), -1, self.branches.rank))
            out = apart.sum(-2, keepdim=True).expand_as(apart).flatten(-3)
        return out * self.weights(in_step).to(out)

    def weights(self, in_step=False):
        """s g of each column; of what the frozen weight absorbed, what they were then."""
        open = self.open if self.drawn is None or not in_step else self.drawn
        s = self.branches.model.scalars
        return s[self.scalar.to(s.device)] * open.to(s.device) + self.fixed.to(s.device)

    def mask(self):
        """Takes from the gradients what does not learn: columns that left, and in a fused linear the rows of others."""
        for grad, dim in ((self.A.grad, 0), (self.B.grad, 1)):
            if grad is not None and not bool(self.learns.all()):
                grad.index_fill_(dim, (~self.learns).nonzero().flatten().to(grad.device), 0)
        if self.B.grad is not None and self.parts[0].rows is not None:
            kept = torch.zeros_like(self.B.grad)
            for part in self.parts:
                kept[part.rows, part.columns] = 1
            self.B.grad *= kept

    def hold(self):
        """Puts back what weight decay took from what has been absorbed."""
        if self.absorbed is not None:
            held = self.fixed.ne(0).to(self.A.device)
            A, B = (each.to(self.A.device) for each in self.absorbed)
            self.A.data[held], self.B.data[:, held] = A[held], B[:, held]


class Module:
    """One adapted linear in Graft's sense: its branches are columns of a stack."""

    def __init__(self, name, at, position, part, scalar, rows, width):
        self.name, self.at, self.position, self.scalar, self.rows = name, at, position, scalar, rows
        self.columns = slice(part * width, (part + 1) * width)
        self.live, self.fading, self.stack = [], {}, None

    def place(self, branch, rank):
        """Columns of a branch."""
        begin = self.columns.start + self.slots.index(branch) * rank
        return slice(begin, begin + rank)

    def pair(self, branch, rank):
        """A [rank, in] and B [out, rank] of a branch, as views of the stack."""
        at = self.place(branch, rank)
        B = self.stack.B.data if self.rows is None else self.stack.B.data[self.rows]
        return self.stack.A.data[at], B[:, at]


def features_of(branches, loader, device):
    """What the head reads of pictures [n, width] as float64, of two heads side by side; and their classes."""
    seen, rows, labels = [], [], []
    hooks = [part.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].cpu().double())) for part in branches.head()]
    branches.model.eval()
    with torch.no_grad():
        for pixels, answers in loader:
            seen.clear()
            logits_of(branches.model, pixels.to(device))
            rows.append(torch.cat(seen, 1))
            labels.append(answers)
    branches.model.train()
    for hook in hooks:
        hook.remove()
    return torch.cat(rows), torch.cat(labels)


def linear_probe(train, held, classes):
    """(weight, bias, strength) of Graft's linear probe: the smallest mean cross entropy + strength / (2 classes) |W|^2 on
    standardised features, of several strengths the one with the smallest loss on validation pictures. L-BFGS in
    coordinates in which the features' products are about one."""
    (x, labels), width = train, train[0].shape[1]
    mean, deviation = x.mean(0), x.std(0, correction=0).clamp(min=1e-6)
    z = (x - mean) / deviation
    products = z.T @ z / len(z)

    def fit(strength, weight, bias):
        factor = torch.linalg.cholesky((products + (strength + 1e-9) * torch.eye(width, dtype=z.dtype)) / classes)
        moved, free = (weight @ factor).requires_grad_(), (bias / classes**0.5).requires_grad_()
        optimiser = torch.optim.LBFGS([moved, free], 1, 400, 1200, 1e-10, 1e-14, 20, "strong_wolfe")
        own = lambda: (torch.linalg.solve_triangular(factor, moved, upper=False, left=False), free * classes**0.5)

        def loss():
            optimiser.zero_grad()
            W, b = own()
            total = torch.nn.functional.cross_entropy(z @ W.T + b, labels) + strength / (2 * classes) * W.square().sum()
            total.backward()
            return total

        optimiser.step(loss)
        return tuple(each.detach() for each in own())

    best, fitted = None, (torch.zeros(classes, width, dtype=z.dtype), torch.zeros(classes, dtype=z.dtype))
    for strength in (10**exponent for exponent in (0.5, 0, -0.5, -1, -1.5, -2, -3)):
        fitted = fit(strength, *fitted)
        weight = fitted[0] / deviation
        bias = fitted[1] - weight @ mean
        loss = torch.nn.functional.cross_entropy(held[0] @ weight.T + bias, held[1]).item()
        if best is None or loss < best[0]:
            best = (loss, weight, bias, strength)
        elif loss > 1.05 * best[0]:
            break
    return best[1:]


def probe_rows(labels, width, classes):
    """The pictures that a probe is fitted to: all, or the first of each class where their product with a head is large."""
    most = max(2 * classes, 100_000_000 // (width * classes))
    if len(labels) <= most:
        return list(range(len(labels)))
    taken, kept = [0] * classes, []
    for row, label in enumerate(labels):
        taken[label] += 1
        if taken[label] <= math.ceil(most / classes):
            kept.append(row)
    return kept


def sample_rows(labels, most=64):
    """Rows of a sample that stands for all: as many of each class as of any other, spread evenly over its pictures."""
    rows = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    rows = [rows[label] for label in sorted(rows)]
    taken, left = [0] * len(rows), min(most, len(labels))
    spread = lambda items, count: [items[i] for i in sorted({i * len(items) // count for i in range(count)})]
    while left > 0:
        open = [i for i, own in enumerate(rows) if taken[i] < len(own)]
        given = min(left, len(open))
        for i in spread(open, given):
            taken[i] += 1
        left -= given
    return sorted(row for own, count in zip(rows, taken) for row in spread(own, count))


class Adapted:
    """A model with a LoRA beside its linears and its head trained along: what Graft's branches and a foreign adapter share."""

    def __init__(self, model, heads, tuned=()):
        self.model, self.heads, self.stacks, self.tuned = model, heads, [], list(tuned)
        for one in self.tuned:
            one.parameter.requires_grad_(True)

    def head(self):
        """The head's linears that train: one, or the two of a distilled model, whose logits are averaged."""
        if not isinstance(self.model, PeftModel):
            return [self.model.get_submodule(head) for head in self.heads]
        names = [f".{head}.modules_to_save.default" for head in self.heads]
        return [module for end in names for name, module in self.model.named_modules() if name.endswith(end)]

    def clip(self, trained, most):
        """Clips the gradient to a length, where two averaged heads count as the one that Graft has: half of each."""
        first, *others = self.head()
        for part in (first, *others):
            for parameter in part.parameters():
                parameter.grad *= len(others) + 1
        again = {id(part.bias) for part in others}
        learning = {id(p) for p in trained}
        twice = [one.parameter for one in self.tuned if one.twice and id(one.parameter) in learning]
        norms = [p.grad.norm() for p in [*trained, *twice] if p.grad is not None and id(p) not in again]
        factor = torch.clamp(most / (torch.stack(norms).norm() + 1e-6), max=1)
        for parameter in trained:
            if parameter.grad is not None:
                parameter.grad *= factor

    def holds_all(self):
        """Whether an adapter that peft saves has all that learned."""
        config = self.model.peft_config["default"]
        biases, whole = config.bias == "all", config.modules_to_save or []
        return all(
            (biases and one.names[0].endswith(".bias")) or any(f".{name}.modules_to_save.default." in one.name for name in whole)
            for one in self.tuned
        )

    def lora(self):
        """A and B of every layer."""
        return [half["default"].weight for _, layer in lora_layers(self.model) for half in (layer.lora_A, layer.lora_B)]

    def copied(self):
        """All that a result is made of."""
        values = [p.detach().clone() for p in self.model.parameters() if p.requires_grad]
        return values, [(stack.open.clone(), stack.fixed.clone()) for stack in self.stacks]

    def restore(self, copied):
        with torch.no_grad():
            for parameter, value in zip((p for p in self.model.parameters() if p.requires_grad), copied[0]):
                parameter.copy_(value)
        for stack, (open, fixed) in zip(self.stacks, copied[1]):
            stack.open, stack.fixed = open, fixed

    def due(self, step, steps, done, optimiser):
        return done

    def gates(self, step, steps, stage):
        pass

    def leave_out(self, names, config, seed):
        """Stochastic depth: leaves the attention and the MLP of a block out of single pictures of a step, with the probability
        and the random numbers of Graft. A residual branch ends in a linear, so that is what is multiplied."""
        self.rows = None  # of the pictures of a step that come next: the 0-based step, their places in it, the share
        for name, module in self.model.named_modules():
            ours = [] if ".base_layer" in name or ".lora_" in name else graft_names(f"{name}.weight", names, config)
            found = re.fullmatch(r"blocks\.(\d+)\.(proj|fc2)\.weight", ours[0]) if len(ours) == 1 else None
            if found is None:
                continue
            block, part = int(found[1]), int(found[2] == "fc2")

            def left_out(module, _, out, block=block, part=part):
                if self.rows is None or not module.training:
                    return out
                step, rows, share = self.rows
                p = share * block / max(1, config["depth"] - 1)
                drawn = uniform(seed, "dropPath", 2 * block + part, step, np.asarray(rows))
                factors = torch.from_numpy(np.where(drawn >= p, 1 / (1 - p), 0)).to(out)
                return out * factors.reshape(-1, *[1] * (out.ndim - 1))

            module.register_forward_hook(left_out)

    def scalars(self):
        return {}

    def mask(self):
        pass

    def hold(self, trained):
        pass

    def as_lora(self):
        return self.model


def without_biases(model):
    """Where peft lets all biases learn, some have no say in the logits: those that have are switched on as what is tuned."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and (".lora_" in name or ".modules_to_save." in name))


def from_peft(run, recipe, model, names, heads, folder):
    """An exported PEFT adapter that learns on."""
    config = PeftConfig.from_pretrained(folder)
    config.lora_dropout = recipe["dmlora.inputDropout"]
    model = PeftModel.from_pretrained(model, folder, is_trainable=True, config=config)
    without_biases(model)
    return Adapted(model, heads, tuned_of(model, run, recipe, names))


class Branches(Adapted):
    """The branches of all layers beside their model, and what happens to them: gates, drops, stages."""

    def __init__(self, run, recipe, model, names, heads, own_head, saved):
        self.recipe, self.saved, self.seed = recipe, saved, recipe["seed"]
        self.rank, self.crossed = recipe["dmlora.rank"], recipe["dmlora.pairing"] == "crossed"
        count, beside, self.slots = recipe["dmlora.branches"], 0, {}
        if saved is not None:
            # The best state may have branches that have left since, and less that is absorbed.
            both = [saved_adapter(saved[0], role) for role in ("adapter", "best")]
            for modules, role in both:
                for one in modules:
                    self.slots.setdefault(one["name"], set()).update(one["branches"])
                    beside = max(beside, len(saved[1].get(f"{role}/{one['name']}.absorbed.A", ())))
            count = max(map(len, self.slots.values()), default=0)
        self.width = count * self.rank + beside
        divisor = {"lora": self.rank, "rslora": math.sqrt(self.rank)}.get(recipe["dmlora.scaling"])
        self.factor = 1 if divisor is None else recipe["dmlora.alpha"] / divisor
        targets = TARGETS[recipe["dmlora.targets"]]
        self.fused = run["model"]["library"] == "timm" and [t for t in "qkv" if t in targets]
        if count == 0:
            # The head alone, and what of the backbone is tuned: nothing for peft.
            for name, parameter in model.requires_grad_(False).named_parameters():
                parameter.requires_grad_(name.rpartition(".")[0] in heads)
        else:
            tuned = tuned_of(model, run, recipe, names)
            norms = {one.name.rpartition(".")[0] for one in tuned} if recipe["backbone.tune"] == "norms" else set()
            config = LoraConfig(
                r=self.width,
                lora_alpha=self.factor * self.width,
                target_modules=pattern_of(recipe, run, names),
                modules_to_save=[*heads, *sorted(norms)],
                bias="all" if recipe["backbone.tune"] == "biases" else "none",
                lora_dropout=recipe["dmlora.inputDropout"],  # unlike in Graft, q, k and v each have a mask of their own
            )
            self.patterns(config, self.width)
            model = get_peft_model(model, config)
            without_biases(model)
        super().__init__(model, heads, tuned_of(model, run, recipe, names))
        self.modules = self.found(names, targets, run["model"]["config"]["dim"])
        count_of = {"linear": len(self.modules), "block": run["model"]["config"]["depth"], "all": 1}
        s = torch.full((count_of[recipe["dmlora.scalarShare"]],), float(recipe["dmlora.scalarStart"]))
        self.model.register_parameter("scalars", torch.nn.Parameter(s, requires_grad=recipe["dmlora.scalars"] != "off"))
        for layer, parts in self.layers:
            stack = Stack(self, layer, parts)
            self.stacks.append(stack)
            for part in parts:
                part.stack = stack
        self.begin(list(range(count)))
        if saved is not None and saved[0]["probe"] is not None:
            self.begin_head(saved[1]["probe/head.weight"], saved[1]["probe/head.bias"])
        elif not own_head:
            self.begin_head()
        self.remember()
        if saved is not None:
            self.load("adapter")

    def patterns(self, config, width):
        """A fused linear has the columns of all its parts."""
        if self.fused and len(self.fused) > 1:
            config.rank_pattern = {"qkv": len(self.fused) * width}
            config.alpha_pattern = {"qkv": self.factor * len(self.fused) * width}

    def found(self, names, targets, dim):
        """The modules in Graft's order, and the layers with those in them."""
        by_name, self.layers = {}, []
        for name, layer in lora_layers(self.model):
            block, rest = re.search(r"\.(?:layers?|blocks)\.(\d+)\.(.*)$", f".{name}").groups()
            here = [t for t in targets if f".{rest}".endswith(f".{names[t]}")]
            longest = max(len(names[t]) for t in here)
            parts = []
            for part, target in enumerate(t for t in here if len(names[t]) == longest):
                rows = slice("qkv".index(target) * dim, ("qkv".index(target) + 1) * dim) if self.fused and target in "qkv" else None
                position = int(block) * len(targets) + targets.index(target)
                parts.append(Module(f"blocks.{block}.{target}", 0, position, part, 0, rows, self.width))
                by_name[position] = parts[-1]
            self.layers.append((layer, parts))
        modules = [by_name[position] for position in sorted(by_name)]
        share = self.recipe["dmlora.scalarShare"]
        for at, module in enumerate(modules):
            module.at = at
            module.scalar = {"linear": at, "block": module.position // len(targets), "all": 0}[share]
        return modules

    def clear(self):
        for stack in self.stacks:
            for tensor in (stack.A.data, stack.B.data, stack.open, stack.fixed):
                tensor.zero_()
            stack.learns[:], stack.absorbed = False, None

    def begin(self, live):
        """The branches `live` as Graft draws them, and B zero."""
        self.clear()
        for module in self.modules:
            if not module.live:
                module.slots = module.live = list(live)
            for branch in module.live:
                A, _ = module.pair(branch, self.rank)
                drawn = uniform(self.seed, "branchInit", module.position * 16 + branch, np.arange(A.numel()))
                A.copy_(torch.from_numpy(((2 * drawn - 1) / math.sqrt(A.shape[1])).astype(np.float32).reshape(A.shape)))
                at = module.place(branch, self.rank)
                module.stack.open[at], module.stack.learns[at] = 1, True

    def remember(self):
        """What backbone and head began with, where a second stage begins with it again."""
        again = [one.parameter for one in self.tuned] + [p for part in self.head() for p in part.parameters()]
        afresh = self.recipe["dmlora.scalars"] == "scale-then-retrain"
        self.first = [(p, p.detach().clone()) for p in again if afresh]

    def begin_again(self):
        """Stage 2 of scale-then-retrain: branches that live, backbone and head as they began, beside the scalars of now."""
        self.begin(None)
        with torch.no_grad():
            for p, value in self.first:
                p.copy_(value)

    def begin_head(self, weight=None, bias=None):
        """The head: [classes, inputs] and [classes], or Graft's random numbers. Two heads are averaged: each has its half, doubled."""
        parts = self.head()
        rows, columns = parts[0].weight.shape
        if weight is None:
            drawn = 0.02 * truncated_normal(self.seed, rows * columns * len(parts))
            weight, bias = drawn.reshape(rows, -1).astype(np.float32), np.zeros(rows, np.float32)
        for i, part in enumerate(parts):
            half = weight[:, i * columns : (i + 1) * columns] * len(parts)
            part.weight.data.copy_(torch.from_numpy(half))
            part.bias.data.copy_(torch.from_numpy(bias.copy()))

    def load(self, role):
        """The values of a saved run as it stands ("adapter"), or at its best ("best")."""
        state, tensors = self.saved
        modules, role = saved_adapter(state, role)
        kept = {module["name"]: module for module in modules}
        self.clear()
        for module in self.modules:
            told = kept[module.name]
            module.slots, module.live = sorted(self.slots[module.name]), list(told["branches"])
            module.fading = {one["index"]: (one["from"], one["until"]) for one in told.get("fading", [])}
            gates = {one["index"]: one["gate"] for one in told.get("fading", [])}
            self.model.scalars.data[module.scalar] = told["scalar"]
            for branch in module.live:
                for own, word in zip(module.pair(branch, self.rank), "AB"):
                    own.copy_(torch.from_numpy(tensors[f"{role}/{module.name}.{word}.{branch}"].copy()))
                at = module.place(branch, self.rank)
                module.stack.open[at], module.stack.learns[at] = gates.get(branch, 1), True
            if told.get("absorbed"):
                A, B = (torch.from_numpy(tensors[f"{role}/{module.name}.absorbed.{word}"].copy()) for word in "AB")
                begin = module.columns.start + len(module.slots) * self.rank
                at = slice(begin, begin + len(A))
                module.stack.A.data[at] = A
                (module.stack.B.data if module.rows is None else module.stack.B.data[module.rows])[:, at] = B
                self.absorb(module.stack, at, 1 / self.factor)
        values_of = lambda name: torch.from_numpy(tensors[f"{role}/backbone.{name}"].copy())
        with torch.no_grad():
            for one in self.tuned:
                for name in one.names:
                    one.put(one.parameter, name, values_of(name))
                if one.twice:
                    positions = torch.zeros_like(one.parameter)
                    one.put(positions, one.names[0], values_of("pos_embed"))
                    one.parameter += positions
        self.begin_head(tensors[f"{role}/head.weight"], tensors[f"{role}/head.bias"])

    def absorb(self, stack, at, weight):
        stack.open[at], stack.fixed[at], stack.learns[at] = 0, weight, False
        stack.absorbed = (stack.A.data.clone(), stack.B.data.clone())

    def moments(self, optimiser):
        """Adam's moments of a saved run, those of the branches stacked as these are."""
        state, tensors = self.saved
        steps = dict(state["adapter"]["moments"])

        def give(parameter, told, put):
            """`told`: names of the parts of a parameter; `put` writes the values of one."""
            counts = {steps[name] for name in told if name in steps}
            if not counts:
                return
            both = {kind: torch.zeros_like(parameter) for kind in "mv"}
            for name in told:
                for kind in "mv":
                    put(both[kind], name, torch.from_numpy(tensors[f"adapter/{kind}/{name}"].copy()))
            optimiser.state[parameter] = {"step": torch.tensor(float(max(counts))), "exp_avg": both["m"], "exp_avg_sq": both["v"]}

        for stack in self.stacks:
            for word, parameter in (("A", stack.A), ("B", stack.B)):
                where = {f"{m.name}.{word}.{k}": (m, m.place(k, self.rank)) for m in stack.parts for k in m.live}

                def put(whole, name, values, where=where, word=word):
                    module, at = where[name]
                    rows = whole if module.rows is None else whole[module.rows]
                    part = whole[at] if word == "A" else rows[:, at]
                    part.copy_(values.reshape(part.shape))

                give(parameter, list(where), put)
        for one in self.tuned:
            called = {f"backbone.{name}": name for name in one.names}
            give(one.parameter, list(called), lambda whole, name, values, one=one, called=called: one.put(whole, called[name], values))
        parts = self.head()
        for i, part in enumerate(parts):
            columns = part.weight.shape[1]

            def half(whole, _, values, i=i, columns=columns):
                whole.copy_(values.reshape(len(whole), -1)[:, i * columns : (i + 1) * columns])

            give(part.weight, ["head.weight"], half)
            give(part.bias, ["head.bias"], lambda whole, _, values: whole.copy_(values))
        owner = {m.scalar: m for m in self.modules}
        name_of = {"linear": lambda m: f"{m.name}.s", "block": lambda m: f"{m.name.rsplit('.', 1)[0]}.s", "all": lambda m: "all.s"}
        called = {name_of[self.recipe["dmlora.scalarShare"]](m): at for at, m in owner.items()}

        def scalar(whole, name, values):
            whole[called[name]] = values[0]

        give(self.model.scalars, [name for name in called if name in steps], scalar)

    def gates(self, step, steps, stage):
        """Sets the gates of a training step: of what fades, and in stage 1 what chance leaves out of it."""
        for module in self.modules:
            for branch, (begin, until) in module.fading.items():
                module.stack.open[module.place(branch, self.rank)] = min(1, max(0, (until - step) / (until - begin)))
        rate = drop_rate(self.recipe, step, steps) if stage == 1 else 0
        for stack in self.stacks:
            stack.drawn, stack.downs = (None if rate == 0 else torch.zeros_like(stack.open) for _ in range(2))
        for module in self.modules if rate > 0 else []:
            gate = (1 - rate ** len(module.live)) / (1 - rate)
            sides = {"gates": module.stack.downs, "upGates": module.stack.drawn} if self.crossed else {"gates": module.stack.drawn}
            for purpose, drawn in sides.items():
                for attempt in itertools.count():
                    draws = [uniform(self.seed, purpose, module.at * 16 + branch, step, attempt)[0] for branch in module.live]
                    if max(draws) >= rate:
                        break
                for branch, draw in zip(module.live, draws):
                    drawn[module.place(branch, self.rank)] = gate if draw >= rate else 0

    def leavers(self, event):
        """The branch that leaves each module, in their order."""
        if self.recipe["dmlora.dropPick"] != "cheapest":
            return [self.leaver(module, event) for module in self.modules]
        cheapest = []
        for module in self.modules:
            losses = {}
            for branch in (one for one in module.live if one not in module.fading):
                at, stack = module.place(branch, self.rank), module.stack
                gate = stack.open[at].clone()
                stack.open[at] = 0
                losses[branch] = self.sample_loss()
                stack.open[at] = gate
            cheapest.append(min(losses, key=losses.get))
        # Two devices may answer differently in the last bits, and have to agree.
        return broadcast_object_list(cheapest)

    def leaver(self, module, event):
        """The branch that leaves a module: of those that do not fade yet, or the one that chance drew."""
        pick = self.recipe["dmlora.dropPick"]
        free = [branch for branch in module.live if branch not in module.fading]
        if pick == "oldest":
            return free[0]
        if pick in ("smallest", "alike"):
            updates = [(B @ A).cpu().double().flatten() for A, B in (module.pair(branch, self.rank) for branch in free)]
            sizes = [update.norm().item() for update in updates]
            pairs = [(a, b) for b in range(len(free)) for a in range(b)]
            if pick == "alike" and pairs and min(sizes) > 0:
                alike = lambda pair: abs((updates[pair[0]] @ updates[pair[1]]).item()) / (sizes[pair[0]] * sizes[pair[1]])
                return free[min(max(pairs, key=alike), key=lambda i: sizes[i])]
            return free[sizes.index(min(sizes))]
        left = list(range(self.recipe["dmlora.branches"]))
        for earlier in range(event + 1):
            drawn = uniform(self.seed, "drop", module.at, earlier)[0]
            gone = left.pop(int(drawn * len(left)))
        return gone

    def drop(self, event, optimiser):
        """One branch of every module leaves."""
        effect = self.recipe["dmlora.dropEffect"]
        faded = [sorted(module.fading, key=lambda branch: module.fading[branch][1]) for module in self.modules]
        leaving = [branches[0] for branches in faded] if all(faded) else self.leavers(event)
        for module, gone in zip(self.modules, leaving):
            stack, at = module.stack, module.place(gone, self.rank)
            module.fading.pop(gone, None)
            survivors = [branch for branch in module.live if branch != gone]
            if effect == "svd-fold":
                self.fold(module, survivors)
            if effect == "absorb":
                self.absorb(stack, at, self.model.scalars[module.scalar].item())
            else:
                for tensor in module.pair(gone, self.rank):
                    tensor.zero_()
                stack.open[at], stack.learns[at] = 0, False
            for parameter, dim in ((stack.A, 0), (stack.B, 1)):
                if effect == "svd-fold":
                    optimiser.state.pop(parameter, None)
                elif parameter in optimiser.state:
                    for kind in ("exp_avg", "exp_avg_sq"):
                        optimiser.state[parameter][kind].narrow(dim, at.start, self.rank).zero_()
            module.live = survivors

    def fold(self, module, survivors):
        """The survivors take over what all branches add, as well as their ranks allow (Eckart and Young, 1936)."""
        pairs = [module.pair(branch, self.rank) for branch in module.live]
        update = sum(B.cpu().double() @ A.cpu().double() for A, B in pairs)
        U, S, V = torch.linalg.svd(update, full_matrices=False)
        for i, branch in enumerate(survivors):
            take = slice(i * self.rank, (i + 1) * self.rank)
            down, up = S[take].sqrt()[:, None] * V[take], U[:, take] * S[take].sqrt()
            sign = torch.gather(down, 1, down.abs().argmax(1, keepdim=True)).sign()
            A, B = module.pair(branch, self.rank)
            A.copy_((down * sign).to(A.dtype))
            B.copy_((up * sign.T).to(B.dtype))

    def due(self, step, steps, done, optimiser):
        """Everything of the plan that is due before a 0-based step; the number of events that are done then."""
        events = drop_times(self.recipe, steps)
        while True:
            fading = max((len(module.fading) for module in self.modules), default=0)
            if done + fading < len(events):
                begin, end = events[done + fading]
                if begin < end and begin <= step:
                    for module, branch in zip(self.modules, self.leavers(done + fading)):
                        module.fading[branch] = (begin, end)
                    continue
            if done == len(events) or events[done][1] > step:
                return done
            self.drop(done, optimiser)
            done += 1

    def mask(self):
        for stack in self.stacks:
            stack.mask()

    def hold(self, trained):
        """After a step: what has been absorbed stays, and scalars that train stay between 0 and ten times their start."""
        for stack in self.stacks:
            stack.hold()
        scalars = self.model.scalars
        if any(parameter is scalars for parameter in trained):
            scalars.data.clamp_(0, 10 * self.recipe["dmlora.scalarStart"])

    def scalars(self):
        return {module.name: self.model.scalars[module.scalar].item() for module in self.modules}

    def as_lora(self):
        """Folds gates and scalars into B and takes out what left: a stock LoRA, for peft to save and to merge; without branches
        the model."""
        weights = [stack.weights().detach() for stack in self.stacks]
        del self.model._parameters["scalars"]
        if not self.stacks:
            return self.model
        config = self.model.peft_config["default"]
        counts = {int(weight.ne(0).sum()) // len(stack.parts) for weight, stack in zip(weights, self.stacks)}
        for weight, stack in zip(weights, self.stacks):
            A, B = stack.layer.lora_A["default"], stack.layer.lora_B["default"]
            A._forward_hooks.clear()
            keep = weight.ne(0) if len(counts) == 1 else torch.ones_like(weight, dtype=torch.bool)
            down, up = stack.A.data[keep].clone(), (stack.B.data * weight)[:, keep].clone()
            if self.crossed:
                apart = (len(stack.parts), -1, self.rank)
                down, up = down.unflatten(0, apart).sum(1).flatten(0, 1), up.unflatten(1, apart).sum(2).flatten(1)
            A.weight, B.weight = torch.nn.Parameter(down), torch.nn.Parameter(up)
            A.out_features = B.in_features = stack.layer.r["default"] = len(down)
        config.r = self.rank if self.crossed else counts.pop() if len(counts) == 1 else self.width
        config.lora_alpha = self.factor * config.r
        self.patterns(config, config.r)
        return self.model


def drop_rate(recipe, step, steps):
    """How likely a branch is left out of a 0-based step of stage 1."""
    rate, begin, end = (recipe[f"dmlora.{name}"] for name in ("dropRate", "dropWindow.0", "dropWindow.1"))
    done = step / steps
    share = min(1, max(0, (done - begin) / (end - begin))) if end > begin else float(done >= begin)
    return {"stochastic": rate * share, "annealed": rate * (1 - share), "constant": rate}.get(recipe["dmlora.dropMode"], 0)


def rounded(value):
    return math.floor(value + 0.5)


def stage2_step(recipe, steps):
    staged = recipe["dmlora.scalars"] in ("train-then-scale", "scale-then-retrain")
    return rounded(recipe["dmlora.stage2"] * steps) if staged else steps


def drop_times(recipe, steps):
    """(begin, step) of every drop: when it begins to fade, and the number of done steps at which it leaves."""
    if recipe["dmlora.dropMode"] != "permanent":
        return []
    count = recipe["dmlora.branches"] - recipe["dmlora.branchesEnd"]
    first, last = recipe["dmlora.dropWindow.0"], recipe["dmlora.dropWindow.1"]
    spacing = recipe["dmlora.dropSpacing"]
    if spacing == "steps":
        texts = [text.strip() for text in recipe["dmlora.dropSteps"].split(",") if text.strip()][:count]
        places = [float(text[:-1]) / 100 * steps if text.endswith("%") else float(text) for text in texts]
    elif count == 1:
        places = [(first + last) / 2 * steps]
    else:
        share = (lambda i: math.acos(1 - 2 * i / (count - 1)) / math.pi) if spacing == "cosine" else (lambda i: i / (count - 1))
        places = [(first + (last - first) * share(i)) * steps for i in range(count)]
    fade = recipe["dmlora.fadeSteps"] if recipe["dmlora.dropEffect"] == "fade" else 0
    stage2, times = stage2_step(recipe, steps), []
    for place in places:
        begin = min(max(1, rounded(place)), max(1, steps - 1))
        latest = min(stage2 if begin < stage2 else steps, steps - 1)
        times.append((begin, max(begin, min(begin + fade, latest))))
    return times


def schedule(recipe, steps, step):
    """Learning rate of the 0-based step: linear warm-up to the peak, then a cosine to the floor."""
    peak, warmup = recipe["learningRate"], max(1, rounded(recipe["warmup"] * steps))
    floor = min(peak, recipe["learningRateFloor"])
    if step + 1 <= warmup:
        return peak * (step + 1) / warmup
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * (step + 1 - warmup) / (steps - warmup)))


def rates(recipe, steps, stage2, step):
    """The rates of branches and scalars: one schedule over the run, or one over each stage."""
    after = recipe["dmlora.scalars"] == "train-then-scale"
    first = recipe["dmlora.scalars"] == "scale-then-retrain"
    second = first or (after and recipe["dmlora.stage2Rate"] == "own")
    begin, end = (0, stage2 if first else steps) if step < stage2 else (stage2 if second else 0, steps)
    rate = schedule(recipe, end - begin, step - begin)
    return rate, recipe["scalarRate"] if after and not second else recipe["scalarRate"] * rate / recipe["learningRate"]


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


def sample_loss(branches, loader, device):
    """Mean loss on a few pictures, all of them in this process."""
    branches.model.eval()
    with torch.no_grad():
        losses = [
            torch.nn.functional.cross_entropy(logits_of(branches.model, pixels.to(device)).float(), labels.to(device), reduction="sum").item()
            for pixels, labels in loader
        ]
    branches.model.train()
    return sum(losses) / len(loader.dataset)


def validation_steps(steps, steps_per_epoch, most=20):
    """The numbers of done steps at which Graft validates: 0, the ends of epochs, thinned evenly to `most`, and the last."""
    every = math.ceil(max(1, math.floor(steps / steps_per_epoch)) / most)
    ends = (epoch * steps_per_epoch for epoch in range(every, math.ceil(steps / steps_per_epoch) + 1, every))
    return {0, steps, *(max(1, rounded(end)) for end in ends if end < steps)}


class Batches:
    """The pictures of this process in each step: its part of a batch that all processes have together."""

    def __init__(self, count, batch, steps, seed, accelerator):
        self.count, self.batch, self.steps, self.seed = count, batch, steps, seed
        self.first, self.apart = accelerator.process_index, accelerator.num_processes

    def __len__(self):
        return len(self.steps)

    def __iter__(self):
        for step in self.steps:
            yield batch_of(self.count, self.batch, step, self.seed)[self.first :: self.apart]


def optimiser_of(branches, recipe, head_share, stage):
    """(AdamW, what it trains): branches, head and scalars as the stage has it. Two heads that are averaged learn twice as
    fast and decay half as fast: what they are the average of moves as one head would."""
    mode, head, decay = recipe["dmlora.scalars"], branches.head(), recipe["weightDecay"]
    alone = mode == "train-then-scale" and stage == 2
    together = mode == "joint" or (mode == "scale-then-retrain" and stage == 1)
    groups = [
        {"params": [part.weight for part in head], "share": head_share * len(head), "weight_decay": decay / len(head)},
        {"params": [part.bias for part in head], "share": head_share, "weight_decay": 0.0},
    ]
    if not alone:
        for decays, share in ((True, 1.0), (False, 1.0), (False, 2.0)):
            params = [one.parameter for one in branches.tuned if one.decays == decays and one.twice == (share > 1)]
            params += branches.lora() if decays else []
            groups.append({"params": params, "share": share, "weight_decay": decay if decays else 0.0})
    if alone or together:
        groups.append({"params": [branches.model.scalars], "share": None, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=recipe["learningRate"]), [p for group in groups for p in group["params"]]


def main():
    args = arguments()
    try:
        run = json.loads(args.run.read_text(encoding="utf-8"))
    except ValueError:
        run = None
    if not isinstance(run, dict) or not {"recipe", "model", "data"} <= set(run):
        raise Refused(f"--run: {args.run} is no run.json of an export. Give one that Graft wrote.")
    saved, stands = None, None
    if args.checkpoint is not None:
        facts, stands, tensors = read_checkpoint(args.checkpoint)
        run, saved = with_checkpoint(run, facts, tensors), (stands, tensors)
    recipe, classes = recipe_of(run, args.set), run["data"]["classes"]
    if args.seed is not None:
        recipe["seed"] = args.seed
    if args.rank is not None:
        recipe |= {"dmlora.branches": 1, "dmlora.rank": args.rank, "dmlora.dropMode": "none", "dmlora.scalars": "off"}
        recipe["dmlora.pairing"] = "paired"
    check_rules(recipe, run)
    ended = stands is not None and stands["verdict"] is not None
    if ended or args.adapter is not None:
        recipe |= {"dmlora.dropMode": "none", "dmlora.scalars": "off"}
    seed = recipe["seed"]
    source = args.model or run["model"]["origin"]["hubId"]
    if source is None:
        raise Refused("run.json knows no id of the original model: give its folder with --model.")
    # Only with cpu=True do the processes of a machine without GPUs know of each other.
    accelerator = Accelerator(cpu=not getattr(torch, "accelerator", torch.cuda).is_available())
    # What Python draws, for augmentation and dropout, differs between the processes; Graft's numbers are hashes.
    set_seed(seed, device_specific=True)
    train, validation = split_files(labelled_files(args.data, classes), run, recipe, seed)
    p = run["model"]["preprocessing"]
    check_sizes(train + validation, p)
    probed = len(train)  # a probe sees no validation pictures
    train = train + validation if learns_from_all(recipe) else train
    batch = min(args.batch or recipe["batch"], len(train))
    if batch < accelerator.num_processes:
        raise Refused(f"A batch of {batch} cannot be shared by {accelerator.num_processes} processes: give a larger --batch.")
    steps = args.steps or (None if args.epochs else recipe["steps"])
    if steps is None:
        plan = run["plan"]
        epochs = args.epochs or recipe["epochs"] or plan["steps"] / plan["stepsPerEpoch"]
        steps = max(1, rounded(epochs * len(train) / batch))
    first = 0 if stands is None or ended else stands["step"]
    if first >= steps:
        raise Refused(f"The saved run has done {first} steps already: give more than that with --steps.")

    base, names, heads, own_head = load_base(run, source)
    if args.adapter is not None:
        branches = from_peft(run, recipe, base, names, heads, args.adapter)
    else:
        branches = Branches(run, recipe, base, names, heads, own_head, saved)
    # A head that has learned already moves more slowly than the branches; one of random numbers does not.
    knows = own_head or args.adapter is not None or recipe["headStart"] == "probe"
    head_share = recipe["headRate"] if knows else 1.0
    stage = 1 if stands is None or ended else stands["stage"]
    stage2 = stage2_step(recipe, steps)
    optimiser, trained = optimiser_of(branches, recipe, head_share, stage)
    if saved is not None and not ended:
        branches.moments(optimiser)
    not_mirrored = {classes.index(name) for name in names_in(recipe["notMirrored"]) if name in classes}
    plain = lambda files: torch.utils.data.DataLoader(Pictures(files, p), batch, num_workers=args.workers)
    mine = Batches(len(train), batch, range(first, steps), seed, accelerator)
    loader = torch.utils.data.DataLoader(Pictures(train, p, recipe, not_mirrored), batch_sampler=mine, num_workers=args.workers)
    if recipe["stochasticDepth"] > 0:
        branches.leave_out(names, run["model"]["config"], seed)
    model, optimiser, held = accelerator.prepare(branches.model, optimiser, plain(validation))
    for line in refusals(recipe):
        accelerator.print(line)
    afresh = recipe["dmlora.scalars"] == "scale-then-retrain" and stage == 1
    if run["model"].get("startAdapter") is not None and args.adapter is None and (saved is None or afresh):
        accelerator.print("Not followed: the branches of this run began from a PEFT adapter, which no export holds; here they begin new. With --adapter a run goes on from one, as a LoRA.")
    where = "" if first == 0 else f", from step {first} of a saved run"
    where += f", in {accelerator.num_processes} processes" if accelerator.num_processes > 1 else ""
    accelerator.print(f"{len(train)} pictures to train, {len(validation)} to validate, {steps} steps of {batch}{where}")
    if recipe["headStart"] == "probe" and saved is None and args.adapter is None and not own_head:
        accelerator.print("A linear probe is fitted to what the model says of all pictures.")
        known = [features_of(branches, plain(files), accelerator.device) for files in (train[:probed], validation)]
        rows = probe_rows(known[0][1].tolist(), known[0][0].shape[1], len(classes))
        weight, bias, _ = linear_probe(tuple(each[rows] for each in known[0]), known[1], len(classes))
        weight, bias = (broadcast(each.float().to(accelerator.device)).cpu().numpy() for each in (weight, bias))
        branches.begin_head(weight, bias)
        branches.remember()
    sample = [validation[row] for row in sample_rows([label for _, label in validation])]
    branches.sample_loss = lambda: sample_loss(branches, plain(sample), accelerator.device)
    weights = class_weights(train, classes, recipe)
    weights = None if weights is None else weights.to(accelerator.device)
    descended = torch.nn.CrossEntropyLoss(weight=weights, label_smoothing=recipe["labelSmoothing"], reduction="sum")

    due, patience = {0, steps} if learns_from_all(recipe) else validation_steps(steps, len(train) / batch), recipe["patience"]
    drops_done = 0 if stands is None or ended else stands["dropEvents"]
    events = drop_times(recipe, steps)
    log = {"first": first, "steps": steps, "processes": accelerator.num_processes, "losses": [], "validations": [], "kept": None}
    best, validated, good, counted, start_loss = None, None, 0, [], None

    def validate(step, whose=""):
        nonlocal best, validated, good, start_loss
        loss, accuracy, recall = evaluate(accelerator, model, held)
        accelerator.print(f"step {step}/{steps}{whose}: validation loss {loss:.4f}, accuracy {accuracy:.4f}")
        log["validations"].append({"step": step, "loss": loss, "accuracy": accuracy, "recall": recall})
        counted.append(step)
        now, validated = (score(recipe, accuracy, recall), -loss), step
        start_loss = loss if start_loss is None else start_loss
        # A network that broke may guess more pictures right than it did at the start.
        if best is None or (loss <= 2 * max(math.log(len(classes)), start_loss) and now > best[0]):
            best, good = (now, step, branches.copied()), step

    if saved is not None and not ended and stands["best"] is not None:
        branches.load("best")
        validate(stands["best"]["step"], ", the saved run’s best")
        branches.load("adapter")
        # Its patience goes on; where it went back from the best state, from there.
        past, was = stands["evaluations"], stands["best"]
        if was["validation"] not in [one["validation"] for one in past if one["step"] == was["step"]]:
            good = stands["rateChanges"][-1]["step"] if stands["rateChanges"] else 0
        counted, start_loss = [one["step"] for one in past], past[0]["validation"]["loss"] if past else start_loss
        validated = None if stands["validation"] is None else first

    def is_over():
        """Whether `patience` validations in a row, after the last drop and in a stage 2 of its own, found nothing better."""
        if not patience or drops_done < len(events):
            return False
        since = max(good, events[-1][1] if events else 0, stage2 if stage == 2 else 0)
        return sum(since < at and at in due for at in counted) >= patience

    step, pictures = first, iter(loader)
    while True:
        if step in due and validated != step or best is None:
            validate(step)
        if step == steps or is_over():
            break
        dropped = drops_done
        drops_done = branches.due(step, steps, drops_done, optimiser)
        validated = validated if drops_done == dropped else None
        if stage == 1 and step >= stage2:
            if validated != step:
                validate(step)
            if recipe["dmlora.scalars"] == "scale-then-retrain":
                branches.begin_again()
            stage = 2
            optimiser, trained = optimiser_of(branches, recipe, head_share, stage)
            optimiser = accelerator.prepare(optimiser)
        rate, scalar_rate = rates(recipe, steps, stage2, step)
        for group in optimiser.param_groups:
            group["lr"] = scalar_rate if group["share"] is None else rate * group["share"]
        branches.gates(step, steps, stage)
        labels_of_all = [train[at][1] for at in batch_of(len(train), batch, step, seed)]
        weight = len(labels_of_all) if weights is None else weights[labels_of_all].sum().item()
        pixels, labels = (each.to(accelerator.device) for each in next(pictures))
        parts = list(zip(pixels.split(args.at_once or batch), labels.split(args.at_once or batch)))
        total = torch.zeros((), device=accelerator.device)
        place = accelerator.process_index
        for part, (images, answers) in enumerate(parts):
            if recipe["stochasticDepth"] > 0:
                branches.rows = (step, [place + i * accelerator.num_processes for i in range(len(images))], recipe["stochasticDepth"])
                place += len(images) * accelerator.num_processes
            # Gradients are exchanged once a step, with the last part.
            with accelerator.no_sync(model) if part + 1 < len(parts) else contextlib.nullcontext():
                if recipe["mixup"] > 0 or recipe["cutmix"] > 0:
                    images, partners, share = mixed(images, recipe)
                    logits = logits_of(model, images).float()
                    loss = share * descended(logits, answers) + (1 - share) * descended(logits, answers[partners])
                else:
                    loss = descended(logits_of(model, images).float(), answers)
                # Gradients are averaged over the processes: times their number they are those of the whole batch.
                accelerator.backward(loss * accelerator.num_processes / weight)
                total += loss.detach()
        accelerator.unscale_gradients(optimiser)
        branches.mask()
        branches.clip(trained, recipe["clipNorm"])
        optimiser.step()
        model.zero_grad()
        branches.hold(trained)
        log["losses"].append(accelerator.reduce(total, "sum").item() / weight)
        step += 1
        if step % max(1, steps // 20) == 0:
            accelerator.print(f"step {step}/{steps}: loss {log['losses'][-1]:.4f}")
    kept = step
    if not (args.keep_last or recipe["keep"] == "last") and best[1] != step:
        kept = best[1]
        branches.restore(best[2])
    loss, accuracy, _ = evaluate(accelerator, model, held)
    accelerator.print(f"kept is the state after step {kept}: validation loss {loss:.4f}, accuracy {accuracy:.4f}")

    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        log |= {"kept": kept, "drops": [end for _, end in events], "scalars": branches.scalars()}
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "log.json").write_text(json.dumps(log), encoding="utf-8")
        accelerator.unwrap_model(model)
        merged, said = branches.as_lora(), "merged model"
        holds = isinstance(merged, PeftModel) and branches.holds_all()
        old = args.out / "adapter"
        # That of an earlier run would pass for this one's; it may be what this one goes on from.
        if not holds and (old / "adapter_config.json").is_file() and not (args.adapter is not None and old.samefile(args.adapter)):
            shutil.rmtree(old)
        if isinstance(merged, PeftModel):
            if holds:
                merged.save_pretrained(args.out / "adapter")
                said = "adapter and merged model"
            merged = merged.merge_and_unload()
        if run["model"]["library"] == "timm":
            torch.save(merged.state_dict(), args.out / "merged.pt")
        else:
            merged.save_pretrained(args.out / "merged")
        print(f"{said} in {args.out}")
    accelerator.end_training()


if __name__ == "__main__":
    main()
