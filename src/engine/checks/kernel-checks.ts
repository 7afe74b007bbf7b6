// Every row of kernel-table.ts at odd shapes: prime numbers of rows, widths that no tile divides, one of
// everything, and every way that a kernel is asked for. Functions that throw: vitest runs them on Dawn over
// random shapes, a browser page over two fixed ones.
import type { MatmulTile } from '../kernels/shaders/matmul.ts';
import { tileName, tileSet } from '../kernels/tuning/tile-set.ts';
import { checkKernel, tileOf, type Values } from './kernel-cases.ts';
import { kernelTable } from './kernel-table.ts';

/** Widths are in vec4s. */
export interface OddShape {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  readonly seed: number;
}

/** For the browser: a prime number of rows, and one of everything. */
export const fixedShapes: readonly OddShape[] = [
  { rows: 37, inner: 5, columns: 3, seed: 4 },
  { rows: 1, inner: 1, columns: 1, seed: 5 },
];

type Name = keyof typeof kernelTable;

/** A small tile of each kind of memory that every device has. */
const smallTiles: readonly MatmulTile[] = [
  { memory: 'registers', rowTile: 2, columnTile: 2, threads: [2, 2] },
  { memory: 'workgroup', rowTile: 4, columnTile: 1, threads: [4, 4], slice: 8 },
  { memory: 'split', rowTile: 4, columnTile: 1, threads: [2, 2], shares: 4 },
];

/** What is tried of each kernel at a shape, with the tiles of products. */
function triedAt({ rows, inner, columns }: OddShape): Readonly<Record<Name, readonly Values[]>> {
  const [wide, out] = [4 * inner, 4 * columns];
  const product = { rows, inner: wide, columns: out };
  const plain = { ...product, branches: 0, parts: '1', bias: 'no' };
  const row = { rows, inner: wide, width: out };
  const attention = { tokens: rows, heads: 1 + (columns % 2), headWidth: 4 * (1 + (inner % 2)) };
  const ways = [
    { ...attention, rows: 'all', queries: 2 },
    { ...attention, rows: 'first', threads: 32 },
  ];
  const split = { '1': '2', '2': '4', '3': '8' }[1 + (rows % 3)] ?? '2';
  const shared = ['all', 'first'].map((of) => ({
    ...{ tokens: rows, heads: attention.heads, headWidth: 4 * Number(split) * (1 + (inner % 2)) },
    ...{ rows: of, split, threads: 32 },
  }));
  const head = { images: rows, width: wide, classes: out };
  const norm = { rows, width: 4 * inner - 3 };
  return {
    matmul: [
      ...['none', 'same', 'every-3', 'stride-3'].map((residual) => ({ ...plain, residual })),
      { ...product, parts: '3', residual: 'same', activation: 'f' },
      { ...product, parts: '1', scales: 'plain', bias: 'no', activation: 'f-gradient' },
      ...['gelu', 'gelu-tanh', 'quick-gelu'].flatMap((curve) =>
        ['f', 'f-gradient'].map((activation) => ({ ...plain, curve, activation })),
      ),
    ],
    'row-product': [
      { ...row, kind: 'down', parts: '3' },
      { ...row, kind: 'up', parts: '3', threads: 32 },
      { ...row, kind: 'up', parts: '1' },
      { ...row, kind: 'head' },
      ...['down', 'up', 'head'].map((kind) => ({ ...row, kind, threads: 64, split: 8 })),
    ],
    'column-product': ['as-is', 'normalise', 'f'].flatMap((input) => [
      { ...product, input, chunks: 1 + (rows % 3), tile: 1 + (inner % 2), threads: 4 + 28 * (columns % 2) },
      { ...product, input, parts: '3', chunks: 1 },
      { ...product, input, parts: '3', chunks: 2, threads: 4, shares: 8, dropout: 'yes' },
    ]),
    attention: [...ways, ...shared],
    'attention-gradient-q': ways,
    'attention-gradient-kv': ways,
    'attention-gradient-shared': shared,
    'attention-map': [
      { ...attention, of: 'relevance', rows: 'all' },
      { ...attention, of: 'attention', rows: 'first' },
    ],
    'attention-mix': ['rollout', 'relevance'].map((of) => ({ tokens: rows, heads: attention.heads, of })),
    'layer-norm': [1, 16].map((threads) => ({ ...norm, threads })),
    'layer-norm-gradient': ['all', 'none', 'every-3'].flatMap((residual) =>
      [1, 8].map((threads) => ({ ...norm, residual, threads })),
    ),
    'norm-product': [
      { ...norm, columns: out, groups: 0, threads: 8 },
      { ...norm, columns: out, groups: 1, threads: 32 },
      { ...norm, columns: 36, groups: 2, threads: 128 },
    ],
    'scaled-rows': [
      ...['none', 'stride-1', 'stride-2'].map((residual) => ({ rows, width: wide, residual })),
      ...['yes', 'no'].map((scale) => ({ rows, width: wide, scale, factors: 'yes' })),
    ],
    'dropped-input': ['all', 'first'].map((read) => ({ images: 1 + (rows % 5), width: wide, read })),
    'low-gradient': ['all', 'first'].map((read) => ({ images: 1 + (rows % 5), width: wide, read })),
    pooling: [{ tokens: rows, width: wide }],
    'pooling-gradient': [{ tokens: rows, width: wide }],
    'patch-rows': [
      { side: 3 * inner, patch: 3 },
      { pixels: 'normalised', prefix: 0 },
    ],
    'prefix-cache': ['keep', 'take'].map((direction) => ({
      ...{ images: 1 + (rows % 5), rows, width: wide, direction },
    })),
    'head-gradient': ['nothing', 'others'].map((behind) => ({ ...head, behind })),
    'head-input': [head],
    'head-step': ['labels', 'targets'].flatMap((to) => [
      { ...{ images: 1 + (rows % 5), width: norm.width, classes: 4 * columns + 1 }, to, threads: 8 },
      { ...{ images: 3, width: norm.width, classes: 1 + inner }, to, threads: 32, backward: 'no' },
    ]),
    'cross-entropy': [
      { images: 3, classes: inner },
      { images: rows, classes: 4 * columns + 1 },
    ],
    'branch-scales': [{ columns: rows }],
    'scalar-sums': [{ columns: 4 * (1 + (rows % 3)), rows }],
    'gradient-sum': [{ into: 'itself' }, { into: 'others', first: 0 }, { into: 'others', first: 3 }].map(
      (way) => ({ ...way, chunked: rows, others: columns, chunks: 1 + (rows % 4) }),
    ),
    'scalar-gradient': [{ rows: 4 * (1 + (rows % 3)), width: out }],
    'shared-scalars': [{ scalars: rows, modules: 1 + (columns % 7) }],
    'vector-gradient': [
      { rows, width: 2 * wide, chunks: 1, shares: 1 },
      ...['first', 'second'].flatMap((learns) =>
        ['norm', 'bias'].map((of) => ({ rows, width: 2 * wide, chunks: 1 + (rows % 3), of, learns })),
      ),
      { rows, width: 2 * wide, of: 'bias', shares: 1, without: 'tokens' },
      { rows, width: 2 * wide, chunks: 2, threads: 16, shares: 8, without: 'tokens' },
      ...['no', 'yes'].map((factors) => ({ rows, width: 2 * wide, of: 'scale', factors })),
    ],
    'position-table': ['beside', 'within'].map((prefix) => ({ tokens: rows, width: wide, prefix })),
    'position-gradient': ['all', 'positions', 'prefix'].map((learns) => ({
      ...{ images: 1 + (rows % 5), chunks: 1 + (columns % 4), tokens: rows, first: 1, width: wide, learns },
    })),
    'matrix-gradient': [
      { ...product, input: 'normalise' },
      { ...product, parts: '3', sum: 'many', part: columns % 2 },
      ...['gelu', 'gelu-tanh', 'quick-gelu'].map((curve) => ({ ...product, input: 'f', curve })),
    ],
    transposed: [{ inner: wide, columns: out, before: 4 * (1 + (rows % 9)) }],
    'crossed-sum': [{ first: 64 + rows, second: inner, branches: 1 + (columns % 4) }],
    'crossed-spread': [{ first: 64 + rows, second: inner, branches: 1 + (columns % 4) }],
    'gradient-norm': [],
    adamw: [],
    'matrix-gradient-norm': [],
    'matrix-adamw': [],
    decide: [],
  };
}

/** The kernels of kernel-table.ts whose shape is the model's, as checks. */
export const kernelChecks: Readonly<Record<string, (device: GPUDevice, shape: OddShape) => Promise<void>>> =
  Object.fromEntries(
    namesWithShape().map((name) => [
      name,
      async (device: GPUDevice, shape: OddShape) => {
        for (const values of triedAt(shape)[name].filter((one) => runsOn(device, one)))
          for (const tile of tilesFor(name, values))
            await checkKernel(device, kernelTable[name], values, shape.seed, tile);
      },
    ]),
  );

/**
 * The tiles that a case of the table runs in. What follows a sum is the same text in every tile: where a case
 * is about that, one tile says all.
 */
function tilesFor(name: Name, { branches, curve }: Values): readonly (MatmulTile | undefined)[] {
  if (name === 'matmul') return branches === 0 ? smallTiles.slice(0, 1) : smallTiles;
  return name !== 'matrix-gradient' ? [undefined] : curve === undefined ? smallTiles : smallTiles.slice(1, 2);
}

/** Whether lanes can exchange values, where these would: eight need a subgroup of eight. */
function runsOn({ features, adapterInfo }: GPUDevice, { split }: Values): boolean {
  return split === undefined || (features.has('subgroups') && Number(split) <= adapterInfo.subgroupMinSize);
}

function namesWithShape(): readonly Name[] {
  const tried = triedAt({ rows: 1, inner: 1, columns: 1, seed: 1 });
  return (Object.keys(kernelTable) as Name[]).filter((name) => tried[name].length > 0);
}

/** The end of a step: the norm and AdamW for each set of what learns, and whether the step counts. */
export async function checkStepEnd(device: GPUDevice): Promise<void> {
  for (const learns of kernelTable.adamw.choices['learns'] ?? [])
    for (const name of ['gradient-norm', 'adamw'] as const)
      await checkKernel(device, kernelTable[name], { learns }, 7);
  for (const learns of ['yes', 'no'])
    for (const name of ['matrix-gradient-norm', 'matrix-adamw'] as const)
      await checkKernel(device, kernelTable[name], { learns }, 7);
  for (const one of kernelTable.decide.choices['case'] ?? [])
    await checkKernel(device, kernelTable.decide, { case: one, shelves: one === 'next' ? 2 : 0 }, 3);
}

/**
 * Tiles that a browser on an emulated GPU compiles in a second each; the others are checked where it is asked
 * for.
 */
export const quickTiles: readonly string[] = [
  'workgroup 64x64, 8x8 each, slices of 16',
  'workgroup 32x32, 4x4 each, slices of 16',
  'split 16x16, 4x4 each, 16 shares',
  'registers 64x64, 8x8 each',
  'registers 16x64, 4x4 each',
  'registers 32x64, 4x8 each',
];

/** Every tile of the set by its name. */
export const allTiles: readonly string[] = tileSet.map(tileName);

/** One tile of the set on a product that it does not divide, with GELU behind it. */
export async function checkTile(device: GPUDevice, name: string): Promise<void> {
  const values = { branches: 0, bias: 'no', activation: 'f' };
  await checkKernel(device, kernelTable.matmul, values, 1, tileOf(name));
}
