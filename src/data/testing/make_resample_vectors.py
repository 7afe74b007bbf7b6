"""Writes testdata/images/resample.json: small random pictures and what Pillow resizes them to.

The vectors are the independent source for src/data/resample.ts. Run with Pillow 12 from the top level:
    python src/data/testing/make_resample_vectors.py
"""
import base64
import json
import random

from PIL import Image, __version__

FILTERS = {name: Image.Resampling[name.upper()] for name in ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos")}
# (width, height) of the input, then of the output: down, up, mixed, extreme, thin, unchanged.
SIZES = [
    ((37, 29), (11, 7)),
    ((13, 9), (31, 24)),
    ((23, 8), (7, 19)),
    ((80, 2), (9, 16)),
    ((1, 1), (5, 4)),
    ((17, 12), (17, 12)),
    ((40, 30), (40, 13)),
    ((50, 37), (33, 24)),
]


def noise(width, height, rng):
    """High frequencies and saturated values, so that rounding and clamping both matter."""
    return bytes(rng.choice((0, 255, rng.randrange(256))) for _ in range(width * height * 3))


def main():
    rng = random.Random(20261123)
    cases = []
    for (in_w, in_h), (out_w, out_h) in SIZES:
        data = noise(in_w, in_h, rng)
        image = Image.frombytes("RGB", (in_w, in_h), data)
        cases.append({
            "from": [in_w, in_h],
            "to": [out_w, out_h],
            "input": base64.b64encode(data).decode(),
            "outputs": {
                name: base64.b64encode(image.resize((out_w, out_h), method).tobytes()).decode()
                for name, method in FILTERS.items()
            },
        })
    with open("testdata/images/resample.json", "w") as file:
        json.dump({"pillow": __version__, "cases": cases}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
