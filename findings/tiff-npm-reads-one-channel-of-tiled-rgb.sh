#!/usr/bin/env bash
# tiff 7.1.3 (image-js) under Node 20, tifffile 2026.3.3, Pillow 12.3.0: an RGB TIFF in tiles.
#
# Guess: a tiled TIFF decodes to the same pixels as the same picture in strips, or is refused.
# Found: without an error, two thirds of the samples are 0. The loop over tiles copies one sample for each pixel (the tile's
#   sample number x, not the x-th pixel's three) into the red channel and leaves green and blue alone. Grey in tiles and RGB in
#   strips are right. A folder of scanner or microscope TIFFs, which are tiled as a rule, so becomes noise in red on black.
# Output seen:
#   tiff, strips: 12 of 12 samples of the first 4 pixels right; tiles: 1 of 12; samples beyond red that are 0: all
#   Pillow, tiles: the pixels that were written
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund tiff@7.1.3
python3 -m venv venv
venv/bin/pip install --quiet tifffile==2026.3.3 numpy==2.4.6 pillow==12.3.0
cat >write.py <<'PYTHON'
import json

import numpy as np
import tifffile
from PIL import Image

pixels = (np.arange(32 * 32 * 3) % 251 + 1).astype(np.uint8).reshape(32, 32, 3)
tifffile.imwrite("strips.tif", pixels, photometric="rgb", metadata=None)
tifffile.imwrite("tiles.tif", pixels, photometric="rgb", metadata=None, tile=(16, 16))
json.dump(pixels.ravel().tolist(), open("pixels.json", "w"))
with Image.open("tiles.tif") as image:
    assert (np.asarray(image) == pixels).all(), "Pillow has changed"
print("Pillow, tiles: the pixels that were written")
PYTHON
cat >check.mjs <<'JAVASCRIPT'
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { decode } from 'tiff';

const pixels = JSON.parse(readFileSync('pixels.json', 'utf8'));
const read = (name) => decode(readFileSync(name))[0].data;
const right = (data) => Array.from(data.slice(0, 12)).filter((value, i) => value === pixels[i]).length;
const [strips, tiles] = [read('strips.tif'), read('tiles.tif')];
const dark = Array.from(tiles).every((value, i) => i % 3 === 0 || value === 0);
const line = `strips: ${right(strips)} of 12 samples of the first 4 pixels right; tiles: ${right(tiles)} of 12; samples beyond red that are 0: ${dark ? 'all' : 'not all'}`;
console.log(`tiff, ${line}`);
assert.equal(line, 'strips: 12 of 12 samples of the first 4 pixels right; tiles: 1 of 12; samples beyond red that are 0: all', 'the behaviour has changed');
JAVASCRIPT
venv/bin/python write.py
node check.mjs
