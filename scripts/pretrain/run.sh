#!/usr/bin/env bash
# Makes the embedded model and data sets from nothing: collect, data sets, train, export, verify, probe.
# Needs Debian 12 (apt-get, dpkg-deb), npm, Python 3.11 with requirements.txt, DeiT-Tiny in timm's layout, 22 GB of disk.
# Interrupted, the same command goes on from the last checkpoint.
#   bash scripts/pretrain/run.sh [WORK] [TEACHER] [STEPS]
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
work="${1:-$here/../../../pretrain-work}"
teacher="${2:-$here/../../../shared/data/models/deit_tiny_patch16_224}"
steps="${3:-11267}"  # of 64 crops: as many as the shipped weights saw
[ -e "$teacher/model.safetensors" ] || { echo "no teacher at $teacher: DeiT-Tiny, model.safetensors with timm's names" >&2; exit 1; }
export PYTHONDONTWRITEBYTECODE=1
cd "$here"
python collect.py --work "$work"
python make_datasets.py --fashion "$work/x/dataset-fashion-mnist/usr/share/datasets/fashion-mnist" \
  --noto "$work/npm/emoji-datasource-google"
python pretrain.py --work "$work" --teacher "$teacher" --steps "$steps"
python export.py --work "$work"
cp "$work/cache/sources.json" "$here/sources.json"
python verify.py
python probe.py
