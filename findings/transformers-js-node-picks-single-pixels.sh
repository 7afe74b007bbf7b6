#!/usr/bin/env bash
# @huggingface/transformers 4.3.1 under Node 20 (sharp), Pillow 12.3.0: shrinking an image to a quarter.
#
# Guess: RawImage.resize, which every image processor of transformers.js calls, averages as Pillow does, or nearly: the
#   processors of both libraries read the same preprocessor_config.json.
# Found: under Node, bilinear (2, the default of ViT's processor), bicubic (3) and nearest (0) go through sharp's affine
#   transform, which samples and does not average: from a checkerboard of single black and white pixels every pixel of the
#   result is black, where Pillow gives the grey of their mean. Only lanczos (1) goes through sharp's resize and averages. A
#   photograph taken at four times the model's size thus reaches the model aliased, in Node alone.
# Output seen:
#   transformers.js, Node: nearest 0 to 0; lanczos 128 to 128; bilinear 0 to 0; bicubic 0 to 0
#   Pillow:                lanczos 127 to 128; bilinear 127 to 128; bicubic 127 to 128
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund @huggingface/transformers@4.3.1
python3 -m venv venv
venv/bin/pip install --quiet pillow==12.3.0
cat >check.mjs <<'JAVASCRIPT'
import assert from 'node:assert';
import { RawImage } from '@huggingface/transformers';

const side = 896;
const board = new Uint8ClampedArray(side * side * 3); // [side, side, 3]
for (let i = 0; i < side * side; i++) board.fill((i + Math.floor(i / side)) % 2 === 0 ? 0 : 255, 3 * i, 3 * i + 3);
const image = new RawImage(board, side, side, 3);
const said = [];
for (const [resample, name] of [[0, 'nearest'], [1, 'lanczos'], [2, 'bilinear'], [3, 'bicubic']]) {
  const { data } = await image.resize(side / 4, side / 4, { resample });
  said.push(`${name} ${Math.min(...data.slice(0, 9999))} to ${Math.max(...data.slice(0, 9999))}`);
}
const line = said.join('; ');
console.log(`transformers.js, Node: ${line}`);
assert.equal(line, 'nearest 0 to 0; lanczos 128 to 128; bilinear 0 to 0; bicubic 0 to 0', 'the behaviour has changed');
JAVASCRIPT
cat >check.py <<'PYTHON'
from PIL import Image

side = 896
image = Image.new("L", (side, side))
image.putdata([0 if (i + i // side) % 2 == 0 else 255 for i in range(side * side)])
filters = [("lanczos", Image.LANCZOS), ("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)]
line = "; ".join("{} {} to {}".format(name, *image.resize((side // 4,) * 2, f).getextrema()) for name, f in filters)
print(f"Pillow:                {line}")
assert line == "lanczos 127 to 128; bilinear 127 to 128; bicubic 127 to 128", "Pillow has changed"
PYTHON
node check.mjs
venv/bin/python check.py
