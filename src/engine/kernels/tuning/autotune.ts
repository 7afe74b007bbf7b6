// The tuning of a run: what is known about the device's kind, and for the large matrix products what was
// measured on it, now or before, and so for attention. Measuring takes three seconds at most and happens once for
// each device and shape.
import type { VitConfig } from '../../../vit/vit-config.ts';
import type { Gpu } from '../../gpu.ts';
import { widthsOf } from '../memory/widths.ts';
import { presetTuning, type Tuned, type Tuning } from './tuning.ts';
import type { MatmulShape, MatmulTile } from '../shaders/matmul.ts';
import { AttentionBench, type AttentionWorkbench } from './attention-bench.ts';
import { attentionTrials, chooseAttention } from './choose-attention.ts';
import { chooseTiles, shapeKey, type TuningWatch, type Workbench } from './choose-tiles.ts';
import { MatmulBench } from './matmul-bench.ts';
import { fits, tileName, tileSet, tileSetVersion } from './tile-set.ts';
import { readChoices, writeChoices, type TuningCache } from './tuning-cache.ts';

const tuningBudgetMs = 2000;
const attentionBudgetMs = 1000;

/**
 * Rows from which a product is worth measuring; below, the class tokens of the last block, it is no time at
 * all.
 */
const leastRows = 64;
/** More rows than these change no tile's rank, and the buffers stay small. */
const mostRows = 4096;

/**
 * The large products of a step of `images` images: q k v, proj, fc1 and fc2, and the gradient of q k v. The
 * gradients of the others have the shapes of one another (fc2's is fc1's).
 */
export function measuredShapes(config: VitConfig, images: number): readonly MatmulShape[] {
  const { tokens, dim, mlp, context } = widthsOf(config, images, 1);
  const rows = Math.min(images * tokens, mostRows);
  if (rows < leastRows) return [];
  const shape = (inner: number, columns: number, parts: 1 | 3 = 1): MatmulShape => ({
    rows,
    inner,
    columns,
    parts,
  });
  const all = [
    shape(dim, context, 3),
    shape(context, dim),
    shape(dim, context),
    shape(dim, mlp),
    shape(mlp, dim),
    shape(3 * context, dim),
  ];
  return [...new Map(all.map((one) => [shapeKey(one), one])).values()];
}

/**
 * The preset with the chosen tiles; products are told apart by all but their rows, since a batch may be cut.
 */
function withTiles(preset: Tuning, tiles: ReadonlyMap<string, MatmulTile>): Tuning {
  const withoutRows = (key: string): string => key.slice(key.indexOf('x') + 1);
  const known = new Map([...tiles].map(([key, tile]) => [withoutRows(key), tile]));
  return {
    ...preset,
    matmulTile: (shape) =>
      (shape.rows >= leastRows ? known.get(withoutRows(shapeKey(shape))) : undefined) ??
      preset.matmulTile(shape),
  };
}

/** Who measures, and by which clock. */
export interface Workbenches {
  readonly products: Workbench;
  readonly attention: AttentionWorkbench;
}

/**
 * Tunes for a model and batch. On an emulated GPU nothing is measured: measuring would take minutes there,
 * and `processorTuning` was measured on one.
 */
export async function autotune(
  gpu: Gpu,
  config: VitConfig,
  images: number,
  cache: TuningCache,
  watch: TuningWatch,
  { products, attention }: Workbenches = {
    products: new MatmulBench(gpu),
    attention: new AttentionBench(gpu),
  },
): Promise<Tuned> {
  const preset = presetTuning(gpu);
  const shapes = measuredShapes(config, images);
  if (gpu.software || shapes.length === 0) return preset;
  const began = products.now();
  const candidates = {
    tiles: tileSet.filter((tile) => fits(tile, gpu.facts)),
    preset: (shape: MatmulShape) => preset.tuning.matmulTile(shape),
  };
  const device = `${gpu.name}; tiles ${tileSetVersion}`;
  const known = await readChoices(cache, device);
  const choice = await chooseTiles(shapes, candidates, known, products, tuningBudgetMs, watch);
  const rows = await chooseAttention(
    attentionTrials(config, images, preset.tuning, gpu.info.subgroupMinSize),
    preset.tuning,
    known,
    attention,
    products.now() + attentionBudgetMs,
    watch.signal,
  );
  await writeChoices(cache, device, new Map([...choice.measured, ...rows.measured]));
  const names = [...choice.tiles].map(([key, tile]) => [key, tileName(tile)] as const);
  return {
    tuning: { ...withTiles(preset.tuning, choice.tiles), attentionSplit: rows.split },
    record: {
      source: choice.cached && rows.measured.size === 0 ? 'remembered' : 'measured',
      tiles: Object.fromEntries([...names, ...rows.names]),
      ms: products.now() - began,
    },
  };
}
