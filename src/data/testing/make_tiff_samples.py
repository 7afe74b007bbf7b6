"""Writes testdata/tiff: small TIFFs of many kinds, and in expected.json their pixels by other readers.

RGBA of the first page as base64: by Pillow's convert("RGBA") where Pillow reads the kind, else by tifffile with 16 bits cut
to their high byte. Run with tifffile 2026.3.3, imagecodecs 2026.3.6 and Pillow 12 from the top level:
    python src/data/testing/make_tiff_samples.py
"""
import base64
import json
import os
import shutil

import numpy as np
import tifffile
from PIL import Image, ImageOps

FOLDER = "testdata/tiff"
HEIGHT, WIDTH = 37, 45
rng = np.random.default_rng(5)
y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
expected = {}


def rgb(depth=np.uint8, channels=3):
    noise = rng.integers(0, 40, (HEIGHT, WIDTH, channels))
    base = np.stack([x * 5, y * 6, (x + y) * 3, 255 - x * 4][:channels], -1)
    values = np.clip(base + noise, 0, 255)
    return (values * 257 - noise if depth == np.uint16 else values).clip(0, np.iinfo(depth).max).astype(depth)


def grey(depth=np.uint8):
    return rgb(depth, 1)[..., 0]


def wide(array):
    """The high bytes of 16 bits, as RGBA."""
    high = (array >> 8).astype(np.uint8) if array.dtype == np.uint16 else array
    if high.ndim == 2:
        high = np.repeat(high[..., None], 3, -1)
    return np.concatenate([high[..., :3], np.full(high.shape[:2] + (1,), 255, np.uint8)], -1)


def note(name, pixels=None, **options):
    path = f"{FOLDER}/{name}.tif"
    if pixels is None:
        with Image.open(path) as image:
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))
    expected[name] = {"width": pixels.shape[1], "height": pixels.shape[0], **options,
                      "rgba": base64.b64encode(np.ascontiguousarray(pixels, np.uint8).tobytes()).decode()}


def write(name, array, pixels=None, options=None, **how):
    tifffile.imwrite(f"{FOLDER}/{name}.tif", array, metadata=None, **how)
    if pixels is None and array.dtype == np.uint16:
        pixels = wide(array)
    note(name, pixels, **(options or {}))


def save(name, image, **how):
    image.save(f"{FOLDER}/{name}.tif", **how)
    note(name)


shutil.rmtree(FOLDER, ignore_errors=True)
os.makedirs(FOLDER)
write("grey-8", grey())
write("grey-8-big-endian", grey(), byteorder=">")
write("grey-8-white-is-zero", grey(), photometric="miniswhite")
write("grey-16", grey(np.uint16))
write("grey-16-big-endian-lzw", grey(np.uint16), byteorder=">", compression="lzw", predictor=True)
write("grey-16-deflate-tiles", grey(np.uint16), compression="deflate", predictor=True, tile=(16, 16))
write("rgb-8", rgb(), photometric="rgb", rowsperstrip=5)
write("rgb-8-lzw", rgb(), photometric="rgb", compression="lzw", rowsperstrip=7)
write("rgb-8-lzw-predictor", rgb(), photometric="rgb", compression="lzw", predictor=True)
write("rgb-8-deflate-tiles-predictor", rgb(), photometric="rgb", compression="deflate", predictor=True, tile=(16, 32))
write("rgb-8-packbits", rgb(), photometric="rgb", compression="packbits")
write("rgb-8-planes", np.moveaxis(rgb(), -1, 0).copy(), pixels=None, photometric="rgb", planarconfig="separate")
write("rgb-8-planes-tiles-lzw", np.moveaxis(rgb(), -1, 0).copy(), photometric="rgb", planarconfig="separate", compression="lzw", tile=(16, 16))
write("rgb-16", rgb(np.uint16), photometric="rgb")
write("rgb-16-lzw-predictor-big-endian", rgb(np.uint16), photometric="rgb", compression="lzw", predictor=True, byteorder=">")
write("rgba-8", rgb(channels=4), photometric="rgb", extrasamples=["unassalpha"])
write("rgba-8-associated", (rgb(channels=4) // [2, 2, 2, 1]).astype(np.uint8), photometric="rgb", extrasamples=["assocalpha"])
write("rgbx-8", rgb(channels=4), photometric="rgb", extrasamples=["unspecified"], pixels=None)
write("cmyk-8", rgb(channels=4), photometric="separated")
save("bilevel-packbits", Image.fromarray(grey()).convert("1"), compression="packbits")
save("palette-deflate", Image.fromarray(rgb()).quantize(30), compression="tiff_adobe_deflate")
for turn in (3, 6):
    save(f"turned-{turn}", Image.fromarray(rgb()), tiffinfo={274: turn})
with tifffile.TiffWriter(f"{FOLDER}/pages.tif") as file:
    for _ in range(3):
        file.write(grey(), metadata=None)
note("pages", pages=3)
noise = rng.integers(0, 255, (64, 300), dtype=np.uint8)
write("noise-lzw", noise, compression="lzw")
with open(f"{FOLDER}/expected.json", "w") as file:
    json.dump(expected, file, indent=1)
    file.write("\n")
