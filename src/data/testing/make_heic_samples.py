"""Writes testdata/heic: small HEICs by libheif's heif-enc (x265), and in expected.json their pixels by its heif-convert (libde265).

Run with libheif 1.15.1's programs (Debian's libheif-examples) and Pillow 12 from the top level:
    python src/data/testing/make_heic_samples.py
"""
import base64
import json
import os
import random
import shutil
import subprocess
import tempfile

from PIL import Image

FOLDER = "testdata/heic"
shutil.rmtree(FOLDER, ignore_errors=True)
os.makedirs(FOLDER)
rng = random.Random(3)
expected = {}
with tempfile.TemporaryDirectory() as work:
    for name, size, mode, options in (
        ("even", (64, 48), "RGB", []),
        ("odd", (45, 37), "RGB", []),
        ("full-chroma", (48, 40), "RGB", ["-p", "chroma=444"]),
        ("alpha", (48, 40), "RGBA", []),
        ("grey", (48, 40), "L", []),
    ):
        image = Image.new("RGBA", size)
        image.putdata([(x * 5 % 256, y * 6 % 256, (x * y) % 200 + rng.randrange(20), 255 - (x % 40) * 3) for y in range(size[1]) for x in range(size[0])])
        source, out, back = f"{work}/{name}.png", f"{FOLDER}/{name}.heic", f"{work}/{name}-back.png"
        image.convert(mode).save(source)
        subprocess.run(["heif-enc", "-q", "80", *options, "-o", out, source], check=True, capture_output=True)
        subprocess.run(["heif-convert", out, back], check=True, capture_output=True)
        with Image.open(back) as decoded:
            rgba = decoded.convert("RGBA")
        expected[name] = {"width": rgba.width, "height": rgba.height, "alpha": mode == "RGBA", "rgba": base64.b64encode(rgba.tobytes()).decode()}
with open(f"{FOLDER}/expected.json", "w") as file:
    json.dump(expected, file, indent=1)
    file.write("\n")
