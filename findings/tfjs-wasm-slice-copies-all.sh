#!/usr/bin/env bash
# @tensorflow/tfjs-backend-wasm 4.22.0 under Node 20: a slice of a tensor.
#
# Guess: a contiguous slice copies the slice within the heap, or shares its memory; tf.split copies the tensor once.
# Found: the kernel first copies the whole tensor out of the heap into a new array. 16 of 4,194,304 values cost 16 MiB; a
#   split into two parts copies everything twice. Where a training step kept its parameters in one flat tensor and cut 72
#   matrices out of it, that was 18 % of the step's time in one profile.
# Output seen:
#   first value 100; bytes read out of the heap: slice of 16 values 16777216, split into two 33554432
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
cat >check.cjs <<'JAVASCRIPT'
const path = require('node:path');
const tf = require('@tensorflow/tfjs-core');
const wasm = require('@tensorflow/tfjs-backend-wasm');
(async () => {
  const folder = path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm'));
  wasm.setWasmPaths(folder + path.sep);
  await tf.setBackend('wasm');
  const backend = tf.backend();
  let bytes = 0;
  const read = backend.readSync.bind(backend);
  backend.readSync = (...given) => {
    const values = read(...given);
    bytes += values.byteLength;
    return values;
  };
  const copied = (work) => {
    bytes = 0;
    work();
    return bytes;
  };
  const x = tf.tidy(() => tf.range(0, 4194304));
  const slice = copied(() => tf.slice(x, [100], [16]));
  const split = copied(() => tf.split(x, [16, 4194288]));
  const [first] = await tf.slice(x, [100], [16]).data();
  console.log(`first value ${first}; bytes read out of the heap: slice of 16 values ${slice}, split into two ${split}`);
  if (first !== 100 || slice !== 16777216 || split !== 33554432) process.exit(1);
})();
JAVASCRIPT
node check.cjs
