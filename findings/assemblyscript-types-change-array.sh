#!/usr/bin/env bash
# assemblyscript 0.28.20 with TypeScript 6.0.3: importing the compiler's API.
#
# Guess: importing a compiler into a build script brings its own types along and leaves those of the rest of the program alone.
# Found: its declarations carry global ones of AssemblyScript's portable library, which merge with TypeScript's. From
#   then on `array.at(i)` is of T instead of T | undefined in every file of the program: TypeScript no longer reports a
#   missing check there, and typescript-eslint calls the checks that stand unnecessary.
# Output seen:
#   alone: a.ts(2,14): error TS2322: Type 'number | undefined' is not assignable to type 'number'.
#   beside a file that imports assemblyscript/asc: no error
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund assemblyscript@0.28.20 typescript@6.0.3
cat >a.ts <<'TYPESCRIPT'
declare const numbers: number[];
export const last: number = numbers.at(-1);
TYPESCRIPT
cat >b.ts <<'TYPESCRIPT'
import asc from 'assemblyscript/asc';
console.log(typeof asc.main);
TYPESCRIPT
options=(--noEmit --strict --skipLibCheck --module esnext --moduleResolution bundler --target es2022 --lib es2023,dom)
alone=$(npx tsc "${options[@]}" a.ts | head -1 || true)
beside=$(npx tsc "${options[@]}" a.ts b.ts || true)
echo "alone: $alone"
echo "beside a file that imports assemblyscript/asc: ${beside:-no error}"
[[ "$alone" == *TS2322* && -z "$beside" ]]
