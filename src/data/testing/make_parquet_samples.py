"""Writes testdata/parquet: small image data sets in Parquet as the Hub has them, and what `datasets` reads from them.

Six layouts, and tables that are odd; expected.json says for each split, in order, the SHA-256 of every image's bytes, its label's number and its
label's name as `datasets.load_dataset` gives them. Run with datasets 5.0.1, pyarrow 25 and Pillow 12 from the top level:
    python src/data/testing/make_parquet_samples.py
"""
import hashlib
import io
import json
import os
import random
import shutil
import tempfile

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

FOLDER = "testdata/parquet"
datasets.disable_progress_bars()
datasets.disable_caching()


def picture(seed, kind="PNG"):
    rng = random.Random(seed)
    image = Image.new("RGB", (8, 6))
    image.putdata([(rng.randrange(256), x * 20, y * 30) for y in range(6) for x in range(8)])
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue()


def shards(name, parts):
    """As push_to_hub writes: an Image and a ClassLabel whose names are in no alphabetical order, in several shards."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["sparrow", "ant", "Zebra"])})
    for split, count, of in parts:
        rows = [{"image": {"bytes": picture(f"{name} {split} {i}"), "path": f"{i:03}.png"}, "label": i % 3} for i in range(count)]
        whole = datasets.Dataset.from_list(rows, features=features)
        for i in range(of):
            path = f"{FOLDER}/{name}/data/{split}-{i:05}-of-{of:05}.parquet"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            whole.shard(of, i, contiguous=True).to_parquet(path)


def write(path, table, **options):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pq.write_table(table, path, **options)


def plain(name):
    """Plain bytes and names of species, packed by Zstandard in groups of five rows, no metadata."""
    kinds = ["robin", "wren", "tit"]
    table = pa.table({
        "species": [kinds[i % 3] for i in range(18)],
        "photo": pa.array([picture(f"{name} {i}", "JPEG") for i in range(18)], pa.binary()),
        "height": [i / 7 for i in range(18)],
    })
    write(f"{FOLDER}/{name}/birds.parquet", table, compression="zstd", row_group_size=5)


def folders(name):
    """Splits as folders (as in the Hub's branch of converted sets), whole numbers without names, gzip, an image missing."""
    for split, count in (("train", 12), ("test", 6)):
        images = [{"bytes": picture(f"{name} {split} {i}"), "path": None} for i in range(count)]
        if split == "train":
            images[4] = {"bytes": None, "path": "elsewhere/4.png"}
        table = pa.table({"img": images, "fine_label": pa.array([10 - i % 3 for i in range(count)], pa.int64())})
        write(f"{FOLDER}/{name}/default/{split}/0000.parquet", table, compression="gzip", data_page_version="2.0")


def packed(name):
    """Brotli and LZ4, the image repeated by dictionary, pages indexed."""
    for split, codec in (("train", "brotli"), ("validation", "lz4")):
        rows = [picture(f"{name} {split} {i}") for i in range(8)]
        table = pa.table({"image": pa.array(rows, pa.binary()), "label": ["a" if i % 2 else "b" for i in range(8)]})
        write(f"{FOLDER}/{name}/{split}.parquet", table, compression=codec, write_page_index=True, use_dictionary=True)


HOSTILE = [
    "__proto__", "constructor", "hasOwnProperty", "../../outside", "<img src=x onerror=alert(1)>", "=1+1", "a,b", 'say "no"',
    "&amp; &lt;", "left\u202eright", "l" * 300,
]


def numbers(name):
    """Labels that make trouble elsewhere, as names of numbers."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=HOSTILE)})
    rows = [
        {"image": {"bytes": picture(f"{name} {i}"), "path": f"{i}.png"}, "label": i % len(HOSTILE)} for i in range(2 * len(HOSTILE))
    ]
    os.makedirs(f"{FOLDER}/{name}", exist_ok=True)
    datasets.Dataset.from_list(rows, features=features).to_parquet(f"{FOLDER}/{name}/set.parquet")


def texts(name):
    """The same labels as texts."""
    table = pa.table({
        "photo": pa.array([picture(f"{name} {i}") for i in range(2 * len(HOSTILE))], pa.binary()),
        "kind": HOSTILE * 2,
    })
    write(f"{FOLDER}/{name}/set.parquet", table, compression="zstd")


def prefixed(name):
    """Names that each say how much of the one before they repeat, which is not read."""
    table = pa.table({"photo": pa.array([b"a picture", b"another"], pa.binary()), "species": ["robin", "robins"]})
    write(f"{FOLDER}/{name}/birds.parquet", table, use_dictionary=False, column_encoding={"species": "DELTA_BYTE_ARRAY"})


def read(name, image, label, files):
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=os.path.join(tempfile.gettempdir(), "parquet-samples"))
    out = {}
    for split, rows in loaded.items():
        names = getattr(rows.features[label], "names", None)
        rows = rows.cast_column(image, datasets.Image(decode=False))
        out[split] = [
            [hashlib.sha256(row[image]["bytes"]).hexdigest(), row[label], names[row[label]] if names else str(row[label])]
            for row in rows
            if row[image]["bytes"] is not None
        ]
    return out


def columns(name):
    """Columns that no label is read from, a second one of images, classes of one name, and names that objects have too."""
    cells = lambda word: pa.array([{"bytes": picture(f"{name} {word} {i}"), "path": f"{word}{i}.png"} for i in range(6)])
    odd = [i % 2 for i in range(6)]
    write(f"{FOLDER}/{name}/foreign.parquet", pa.table({
        "image": cells("a"),
        "tags": [["x"], ["y", "z"]] * 3,
        "about": [{"name": "x", "id": i} for i in odd],
        "hash": pa.array([bytes([i]) for i in odd], pa.binary()),
        "day": pa.array(odd, pa.int32()).cast(pa.date32()),
        "price": pa.array(odd, pa.int64()).cast(pa.decimal128(20, 0)),
        "half": pa.array(odd, pa.float32()).cast(pa.float16()),
    }))
    notes = {"info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["cat", " cat", "dog"], "_type": "ClassLabel"}}}}
    write(f"{FOLDER}/{name}/twice.parquet", pa.table({
        "image": cells("b"),
        "image_2": cells("c"),
        "label": [i % 3 for i in range(6)],
        "__proto__": ["x", None] * 3,
        "constructor": [None, "y"] * 3,
    }).replace_schema_metadata({"huggingface": json.dumps(notes)}))
    write(f"{FOLDER}/{name}/long.parquet", pa.table({"image": cells("d"), "__proto__": ["cat", "dog", "cat", "dog", "cat", "l" * 301]}))


for layout in os.scandir(FOLDER):
    if layout.is_dir():
        shutil.rmtree(layout.path)
shards("shards", [("train", 14, 2), ("validation", 5, 1), ("test", 5, 1)])
plain("plain")
folders("folders")
packed("packed")
numbers("numbers")
texts("texts")
prefixed("prefixed")
columns("columns")
expected = {
    "shards": read("shards", "image", "label", {s: f"{FOLDER}/shards/data/{s}-*.parquet" for s in ("train", "validation", "test")}),
    "plain": read("plain", "photo", "species", {"train": f"{FOLDER}/plain/birds.parquet"}),
    "folders": read("folders", "img", "fine_label", {s: f"{FOLDER}/folders/default/{s}/*.parquet" for s in ("train", "test")}),
    "numbers": read("numbers", "image", "label", {"train": f"{FOLDER}/numbers/set.parquet"}),
    "texts": read("texts", "photo", "kind", {"train": f"{FOLDER}/texts/set.parquet"}),
    "packed": read("packed", "image", "label", {s: f"{FOLDER}/packed/{s}.parquet" for s in ("train", "validation")}),
}
with open(f"{FOLDER}/expected.json", "w") as file:
    json.dump({"datasets": datasets.__version__, "layouts": expected}, file, indent=1)
    file.write("\n")
