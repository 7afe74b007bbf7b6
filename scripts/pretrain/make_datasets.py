"""Makes the two data sets that ship with Graft: fashion-1k.zip and emoji-8.zip, with licence, README and index.
Owns which image goes into train, test or neither; collect.py imports fashion_shipped_rows() so that no shipped image
is used in pretraining. Deterministic: the same inputs give the same bytes.

    python make_datasets.py --fashion /usr/share/datasets/fashion-mnist --noto WORK/npm/emoji-datasource-google
"""
import argparse
import gzip
import io
import json
import random
import re
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

SEED = 20261
FASHION_CLASSES = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
PER_CLASS = 100  # Fashion-1k: of each class, for train and again for test
EMOJI_CLASSES = {  # folder -> category in emoji.json
    "activities": "Activities", "animals": "Animals & Nature", "food": "Food & Drink", "objects": "Objects",
    "people": "People & Body", "smileys": "Smileys & Emotion", "symbols": "Symbols", "travel": "Travel & Places"}
EMOJI_TRAIN, EMOJI_MOST_TEST = 50, 85  # the smallest category has 83 distinct drawings
EPOCH = (2020, 1, 1, 0, 0, 0)  # one fixed date in the zip: the bytes depend on the content alone


def read_idx(path):
    raw = gzip.open(path, "rb").read()
    dims = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(dims)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(shape)


def choose_rows(labels, seed):
    """PER_CLASS row numbers of each class, in the order class, row."""
    rng = random.Random(seed)
    return [sorted(rng.sample(np.flatnonzero(labels == c).tolist(), PER_CLASS)) for c in range(len(FASHION_CLASSES))]


def fashion_shipped_rows(folder):
    """Row numbers of Fashion-MNIST's training part that ship in fashion-1k.zip."""
    return choose_rows(read_idx(Path(folder) / "train-labels-idx1-ubyte.gz"), SEED)


def png(image):
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def write_zip(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:  # PNG is compressed already
        for name, data in sorted(entries):
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr = 0o644 << 16
            z.writestr(info, data)


def make_fashion(folder, out):
    entries = []
    for split, part, seed in (("train", "train", SEED), ("test", "t10k", SEED + 1)):
        images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
        for c, rows in enumerate(choose_rows(labels, seed)):
            for row in rows:
                entries.append((f"{split}/{FASHION_CLASSES[c]}/{row:05d}.png", png(Image.fromarray(images[row]))))
    write_zip(out / "fashion-1k.zip", entries)
    return entries


def emoji_group(emoji):
    """Pictures that share this key are variants of one drawing; at most one of them is used."""
    name, sub = emoji["short_name"], emoji["subcategory"]
    if sub in ("family", "time", "keycap") and (sub != "time" or "clock" in name):
        return sub
    if sub == "geometric" or re.search(r"_(square|circle|heart)$", name):
        return re.sub(r"^(large_|small_|black_|white_|medium_|red_|orange_|yellow_|green_|blue_|purple_|brown_|light_|grey_|pink_)+", "", name)
    if "moon" in name and sub.startswith("sky"):
        return "moon"
    if name.endswith("_place_medal"):
        return "place_medal"
    codes = [c for c in emoji["unified"].split("-") if c not in ("FE0F", "200D", "2640", "2642", "27A1")]
    if len(codes) > 1 and codes[0] in ("1F468", "1F469", "1F9D1"):  # man, woman, person + a thing
        return "person+" + "+".join(codes[1:])
    for a, b in (("1F468", "1F9D1"), ("1F469", "1F9D1"), ("1F466", "1F9D2"), ("1F467", "1F9D2"),
                 ("1F474", "1F9D3"), ("1F475", "1F9D3"), ("1F385", "1F936"), ("1F478", "1F934")):
        if codes == [a] or codes == [b]:
            return b
    return "+".join(codes)


def make_emoji(package, out):
    table = json.loads((package / "emoji.json").read_text())
    entries, counts = [], {}
    for folder, category in EMOJI_CLASSES.items():
        groups = {}
        for e in sorted(table, key=lambda e: e["sort_order"]):
            if e["category"] == category and e["has_img_google"]:
                groups.setdefault(emoji_group(e), e)
        chosen = list(groups.values())
        random.Random(f"{SEED} {folder}").shuffle(chosen)
        counts[folder] = len(chosen)
        i, seen = 0, set()
        for e in chosen:
            if i == EMOJI_TRAIN + EMOJI_MOST_TEST:
                break
            picture = Image.open(package / "img/google/64" / e["image"]).convert("RGBA")
            flat = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
            if flat.tobytes() in seen:  # two names, one picture (two of the families)
                continue
            seen.add(flat.tobytes())
            split = "train" if i < EMOJI_TRAIN else "test"
            i += 1
            entries.append((f"{split}/{folder}/{e['short_name'].replace('_', '-')}.png", png(flat)))
    assert len({n.split("/", 1)[1] for n, _ in entries}) == len(entries), "one name twice"
    write_zip(out / "emoji-8.zip", entries)
    print("distinct emoji per class:", counts)
    return entries


def describe(out, id, title, entries, size, licence, origin, description):
    count = lambda split: sum(n.startswith(split + "/") for n, _ in entries)
    return {"id": id, "title": title, "file": f"{id}.zip", "bytes": (out / f"{id}.zip").stat().st_size,
            "classes": sorted({n.split("/")[1] for n, _ in entries}), "trainImages": count("train"),
            "testImages": count("test"), "imageSize": size, "licence": licence, "origin": origin,
            "description": description}


README = """# The data sets that ship with Graft

Each zip holds `train/<class>/*.png` and `test/<class>/*.png` and goes through the ordinary importer. `index.json`
is what the app reads. Made by `scripts/pretrain/make_datasets.py` (seed {seed}); the same inputs give the same bytes.

| File | Images | Classes | Origin | Licence |
|---|---|---|---|---|
{rows}

**fashion-1k.zip.** VTAB style: {per} training images of each class drawn at random from Fashion-MNIST's training part
(60,000) and {per} test images of each class from its test part (10,000). 28 x 28, grey. The file name is the row in
the original file. These images took no part in the pretraining of the model in `../models`.

**emoji-8.zip.** Noto emoji, 64 x 64, laid on white, sorted by Unicode's category (flags and skin-tone components are
left out). Variants of one drawing (skin tones, woman / man / person, colours of one shape, clock faces, phases of the
moon, keycaps, families) count as one and at most one of them is used, so no emoji lies in train and in test in another
colour. {et} images of a class train; up to {et_most} others test ({few}: there are no more).
No Noto picture took part in the pretraining, but the pretraining did see Twemoji and Fluent, other artists' drawings of
many of the same things.
"""


def main():
    here = Path(__file__).resolve().parent
    p = argparse.ArgumentParser()
    p.add_argument("--fashion", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    p.add_argument("--noto", type=Path, required=True, help="the unpacked npm package emoji-datasource-google 16.0.0")
    p.add_argument("--out", type=Path, default=here.parents[1] / "public/datasets")
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    fashion, emoji = make_fashion(a.fashion, a.out), make_emoji(a.noto, a.out)
    index = [
        describe(a.out, "fashion-1k", "Fashion-1k", fashion, 28, "MIT",
                 "Fashion-MNIST (Zalando), Debian package dataset-fashion-mnist 0.0~git20200523.55506a9-1",
                 "Ten kinds of clothing, small grey photographs: of each 100 for learning and validation together, 100 for the test."),
        describe(a.out, "emoji-8", "Emoji-8", emoji, 64, "Apache-2.0",
                 "Noto Emoji (Google), npm package emoji-datasource-google 16.0.0",
                 "Noto emoji sorted into eight categories: drawings, few a class, and the category is about meaning."),
    ]
    (a.out / "index.json").write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n")
    rows = "\n".join(f"| `{d['file']}` ({d['bytes'] / 1e6:.2f} MB) | {d['trainImages']} train, {d['testImages']} test | "
                     f"{len(d['classes'])}: {', '.join(d['classes'])} | {d['origin']} | {d['licence']} "
                     f"(`{d['id']}.LICENSE.txt`) |" for d in index)
    tests = Counter(name.split("/")[1] for name, _ in emoji if name.startswith("test/"))
    few = ", ".join(f"{n} {c}" for n, c in sorted(tests.items()) if c < EMOJI_MOST_TEST)
    (a.out / "README.md").write_text(
        README.format(seed=SEED, rows=rows, per=PER_CLASS, et=EMOJI_TRAIN, et_most=EMOJI_MOST_TEST, few=few))
    for d in index:
        print(d["file"], d["bytes"], d["trainImages"], d["testImages"])


if __name__ == "__main__":
    main()
