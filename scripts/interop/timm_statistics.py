"""Writes src/checkpoints/timm/statistics.ts: how timm prepares images for each plain ViT that it registers, from its own
default configurations; a name with a tag stands there where the tag's differ from the architecture's.

    python scripts/interop/timm_statistics.py && npx prettier --write src/checkpoints/timm/statistics.ts

Needs timm 1.0.29, with torchvision's Python part beside it.
"""

from pathlib import Path
from textwrap import fill

import torch

library = torch.library.Library("torchvision", "DEF")  # the operators of torchvision's binary need not be there
for operator in ("nms(Tensor x) -> Tensor", "qnms(Tensor x) -> Tensor"):
    try:
        library.define(operator)
    except RuntimeError:
        pass

import timm  # noqa: E402
from timm.models import _registry as registry  # noqa: E402

FAMILIES = ("vit_", "deit", "flexivit", "eva_large", "test_vit")
STATISTICS = {0.5: "halves", 0.485: "imageNet", 0.48145466: "clip", 0.0: "none"}
HEAD = """// How timm prepares images for each plain ViT that it registers, where a checkpoint says nothing. Generated from the default
// configurations of timm {version} by scripts/interop/timm_statistics.py.

export interface TimmStatistics {{
  readonly statistics: 'halves' | 'imageNet' | 'clip' | 'none';
  readonly cropShare: number;
  readonly filter: 'bilinear' | 'bicubic';
  readonly cropMode: 'center' | 'squash';
}}

type Group = readonly [...(readonly [string, number, string, string]), names: string];
"""


def way(cfg):
    return STATISTICS[cfg.mean[0]], cfg.crop_pct, cfg.interpolation, cfg.crop_mode


def main():
    groups = {}
    ways = {}
    for module in ("vision_transformer", "deit"):
        for name in registry._module_to_models[module]:
            default = registry._model_default_cfgs.get(name)
            if default is None or not name.startswith(FAMILIES):
                continue
            ways[name] = way(default.default)
            groups.setdefault(ways[name], []).append(name)
            for tag, cfg in default.cfgs.items():
                ways[f"{name}.{tag}"] = way(cfg)
                if way(cfg) != ways[name]:
                    groups.setdefault(way(cfg), []).append(f"{name}.{tag}")
        for old, new in registry._deprecated_models.items():
            if old.startswith(FAMILIES) and new in ways and old not in ways:
                groups.setdefault(ways[new], []).append(old)
                ways[old] = ways[new]
    rows = []
    for (statistics, share, interpolation, mode), names in sorted(groups.items(), key=str):
        words = fill(" ".join(sorted(names)), 108, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False).strip()
        rows.append(f"  ['{statistics}', {share}, '{interpolation}', '{mode}', `{words}`],")
    text = HEAD.format(version=timm.__version__).replace(
        "\ntype Group = readonly [...(readonly [string, number, string, string]), names: string];\n", ""
    )
    text += """
type Group = readonly [
  TimmStatistics['statistics'],
  number,
  TimmStatistics['filter'],
  TimmStatistics['cropMode'],
  names: string,
];

const groups: readonly Group[] = [
""" + "\n".join(rows) + """
];

const byName: ReadonlyMap<string, TimmStatistics> = new Map(
  groups.flatMap(([statistics, cropShare, filter, cropMode, names]) =>
    names.split(/\\s+/).map((name) => [name, { statistics, cropShare, filter, cropMode }] as const),
  ),
);

/** The way of an architecture, of its tag where timm has another for that (`vit_base_patch16_224.mae`); null if timm has neither. */
export function timmStatistics(architecture: string, tag: string | null): TimmStatistics | null {
  return byName.get(`${architecture}.${tag ?? ''}`) ?? byName.get(architecture) ?? byName.get(withoutTag(architecture)) ?? null;
}

const withoutTag = (name: string): string => name.replace(/\\..*$/, '');
"""
    Path("src/checkpoints/timm/statistics.ts").write_text(text)


if __name__ == "__main__":
    main()
