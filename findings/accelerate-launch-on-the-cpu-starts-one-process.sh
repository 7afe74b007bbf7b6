#!/usr/bin/env bash
# accelerate 1.15.0: accelerate launch with two processes on a machine without a GPU.
#
# Guess: `accelerate launch --cpu --num_processes 2 script.py` starts the script twice, and the two know of each other; with
#   --multi_gpu, which there is none of, it refuses.
# Found: --cpu starts it once and says nothing; --num_processes is passed over. --multi_gpu starts it twice, and there an
#   Accelerator() takes itself for the only process, so that two scripts train alone and write the same files; only
#   Accelerator(cpu=True) joins them.
# Output seen:
#   --cpu --num_processes 2, Accelerator(): 0 of 1
#   --cpu --num_processes 2, Accelerator(cpu=True): 0 of 1
#   --multi_gpu --num_processes 2, Accelerator(): 0 of 1, 0 of 1
#   --multi_gpu --num_processes 2, Accelerator(cpu=True): 0 of 2, 1 of 2
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet accelerate==1.15.0 torch==2.13.0 numpy==2.4.6
cat >tell.py <<'PYTHON'
import sys

from accelerate import Accelerator

accelerator = Accelerator(cpu=True) if sys.argv[1:] == ["cpu"] else Accelerator()
print(f"{accelerator.process_index} of {accelerator.num_processes}", flush=True)
PYTHON
export HF_HOME="$folder/home" CUDA_VISIBLE_DEVICES=
told=''
for started in '--cpu' '--multi_gpu'; do
  for how in '' 'cpu'; do
    # shellcheck disable=SC2086 -- a flag, and an argument that may be absent
    said=$(venv/bin/accelerate launch $started --num_processes 2 tell.py $how 2>/dev/null | sort | paste -sd, | sed 's/,/, /')
    line="$started --num_processes 2, Accelerator(${how:+cpu=True}): $said"
    echo "$line"
    told+="$line"$'\n'
  done
done
expected='--cpu --num_processes 2, Accelerator(): 0 of 1
--cpu --num_processes 2, Accelerator(cpu=True): 0 of 1
--multi_gpu --num_processes 2, Accelerator(): 0 of 1, 0 of 1
--multi_gpu --num_processes 2, Accelerator(cpu=True): 0 of 2, 1 of 2
'
[ "$told" = "$expected" ] || { echo 'the behaviour has changed' >&2; exit 1; }
