// What the bench measures: engines and shapes, by the names that --cases takes (`kernels/small/b8`).

/**
 * @typedef {{ name: string, imageSize: number, patchSize: number, dim: number, depth: number, heads: number,
 *   mlpDim: number }} Model
 */
/** @typedef {{ engine: string, model: Model, batch: number }} Case */

/** @type {Record<string, Model>} */
export const models = {
  // To see whether everything runs, where a driver compiles slowly.
  micro: { name: 'micro', imageSize: 64, patchSize: 16, dim: 64, depth: 2, heads: 4, mlpDim: 128 },
  small: { name: 'small', imageSize: 96, patchSize: 16, dim: 192, depth: 4, heads: 3, mlpDim: 768 },
  // The model that ships: public/models/graft-sprout-64.
  shipped: { name: 'shipped', imageSize: 64, patchSize: 8, dim: 192, depth: 6, heads: 3, mlpDim: 768 },
  tiny: { name: 'tiny', imageSize: 224, patchSize: 16, dim: 192, depth: 12, heads: 3, mlpDim: 768 },
  'vit-s': { name: 'vit-s', imageSize: 224, patchSize: 16, dim: 384, depth: 12, heads: 6, mlpDim: 1536 },
  'vit-b': { name: 'vit-b', imageSize: 224, patchSize: 16, dim: 768, depth: 12, heads: 12, mlpDim: 3072 },
};

/** Each with what it is. */
export const engines = {
  kernels: "Graft's kernel engine",
  'kernels-before': 'the same of another build (--against)',
  'tfjs-webgpu': 'plain tfjs, as its user writes the step',
  'jax-js': 'jax-js on WebGPU',
  'autodiff-webgpu': "Graft's autodiff engine on tfjs-webgpu",
  'tfjs-wasm': 'plain tfjs on WebAssembly',
  'autodiff-wasm': "Graft's autodiff engine on tfjs-wasm",
  'torch-cpu': 'PyTorch on the processor',
  'torch-cuda': 'PyTorch on an NVIDIA GPU, float32',
  'torch-cuda-tf32': 'the same with products in TF32',
  'torch-cuda-bf16': 'the same in bfloat16 (autocast)',
  'torch-cuda-compiled': 'PyTorch on an NVIDIA GPU, float32, torch.compile',
  'torch-cuda-tf32-compiled': 'the same with products in TF32',
  'torch-cuda-bf16-compiled': 'the same in bfloat16 (autocast)',
};

/** What torch_step.py is told, by engine. @type {Record<string, string[]>} */
export const torchForms = {
  'torch-cpu': ['cpu'],
  'torch-cuda': ['cuda'],
  'torch-cuda-tf32': ['cuda', 'tf32'],
  'torch-cuda-bf16': ['cuda', 'bf16'],
  'torch-cuda-compiled': ['cuda', 'f32', 'compiled'],
  'torch-cuda-tf32-compiled': ['cuda', 'tf32', 'compiled'],
  'torch-cuda-bf16-compiled': ['cuda', 'bf16', 'compiled'],
};
const onCuda = Object.keys(torchForms).filter((name) => name.startsWith('torch-cuda'));

/** Other names under which an engine is known. @type {Record<string, string>} */
const aliases = { 'tfjs-plain-webgpu': 'tfjs-webgpu', torch: 'torch-cpu', jax: 'jax-js' };

/** On every machine; PyTorch on a GPU where Python has it. */
const all = Object.keys(engines).filter((name) => !onCuda.includes(name) && name !== 'kernels-before');
const inNode = ['kernels', 'tfjs-webgpu', 'jax-js', 'torch-cpu', ...onCuda];

/** @param {string[]} names @param {string[]} shapes */
const cross = (names, shapes) => shapes.flatMap((shape) => names.map((name) => `${name}/${shape}`));

/**
 * The cases of a run without --cases. On the processor only what ends within minutes; a real GPU takes every
 * shape, and one that does not fit says so in its row.
 * @param {{ quick: boolean, node: boolean, software: boolean }} options
 */
export function defaultCases({ quick, node, software }) {
  const names = node ? inNode.filter((name) => !onCuda.includes(name)) : all;
  // Graft's autodiff engine takes the longest to compile and says the least.
  if (quick)
    return cross(
      names.filter((name) => !name.startsWith('autodiff')),
      ['small/b1'],
    );
  if (software)
    return [
      ...cross(names, ['small/b1', 'small/b8']),
      ...cross(
        ['kernels', 'jax-js', 'tfjs-wasm', 'torch-cpu'].filter((name) => names.includes(name)),
        ['small/b32'],
      ),
      ...cross(names, ['tiny/b1']),
      ...cross(['kernels', 'torch-cpu'], ['tiny/b8', 'vit-s/b1']),
    ];
  const gpu = ['kernels', 'tfjs-webgpu', 'jax-js'];
  const cuda = node ? cross(onCuda, ['small/b8', 'tiny/b8', 'tiny/b32', 'vit-s/b32', 'vit-b/b32']) : [];
  const shapes = ['small', 'tiny', 'vit-s', 'vit-b'].flatMap((model) =>
    [1, 8, 32].map((batch) => `${model}/b${batch}`),
  );
  return [
    ...cross(gpu, shapes),
    ...cuda,
    ...cross(
      names.filter((name) => !gpu.includes(name)),
      ['small/b8', 'tiny/b1'],
    ),
  ];
}

/** What a step is measured on where a GPU is lent for minutes. */
const gpuShapes = ['small/b8', 'shipped/b32', 'tiny/b8', 'tiny/b32', 'vit-s/b32', 'vit-b/b32'];

/**
 * What a packed bench runs on a real GPU without --cases, in the order of what it is for; where time runs out
 * the end is left out. `kernels` stands for the kernels alone, of these shapes.
 *
 * @param {{ before: boolean, cuda: boolean }} has a build to compare with; a PyTorch that sees the GPU
 * @returns {({ cases: string[] } | { kernels: string[] })[]}
 */
export function packPlan({ before, cuda }) {
  const first = ['kernels', ...(before ? ['kernels-before'] : []), ...(cuda ? ['torch-cuda'] : [])];
  const others = cuda ? onCuda.filter((name) => name !== 'torch-cuda') : [];
  const eager = others.filter((name) => !name.endsWith('compiled'));
  const compiled = others.filter((name) => name.endsWith('compiled'));
  return [
    { cases: gpuShapes.toReversed().flatMap((shape) => cross(first, [shape])) },
    { kernels: ['vit-b/b32', 'tiny/b32', 'tiny/b8', 'small/b8'] },
    { cases: [...cross(['jax-js', 'tfjs-webgpu'], ['tiny/b8']), ...cross(eager, ['vit-b/b32', 'tiny/b32'])] },
    { cases: [...cross(compiled, ['vit-b/b32']), ...cross(eager, ['vit-s/b32', 'tiny/b8'])] },
    { cases: [...cross(compiled, ['tiny/b32']), ...cross(['kernels'], ['small/b1', 'tiny/b1', 'vit-b/b8'])] },
  ];
}

/** @param {string} text @returns {Case} */
export function parseCase(text) {
  const [given = '', name = '', size = ''] = text.split('/');
  const engine = aliases[given] ?? given;
  const model = models[name];
  const batch = Number(/^b(\d+)$/.exec(size)?.[1]);
  if (!(engine in engines) || model === undefined || !(batch >= 1))
    throw new Error(
      `--cases takes ENGINE/MODEL/bN with engine ${Object.keys(engines).join(', ')} and model ${Object.keys(models).join(', ')}; got ${text}`,
    );
  return { engine, model, batch };
}

/** @param {Case} wanted */
export function caseName({ engine, model, batch }) {
  return `${engine}/${model.name}/b${batch}`;
}
