// What the bench measures: engines and shapes, by the names that --cases takes (`kernels/small/b8`).

/** @typedef {{ name: string, imageSize: number, patchSize: number, dim: number, depth: number, heads: number, mlpDim: number }} Model */

/** @type {Record<string, Model>} */
export const models = {
  small: { name: 'small', imageSize: 96, patchSize: 16, dim: 192, depth: 4, heads: 3, mlpDim: 768 },
  tiny: { name: 'tiny', imageSize: 224, patchSize: 16, dim: 192, depth: 12, heads: 3, mlpDim: 768 },
  'vit-s': { name: 'vit-s', imageSize: 224, patchSize: 16, dim: 384, depth: 12, heads: 6, mlpDim: 1536 },
  'vit-b': { name: 'vit-b', imageSize: 224, patchSize: 16, dim: 768, depth: 12, heads: 12, mlpDim: 3072 },
};

/** tfjs engines are the autodiff engine of this repository on that backend. */
export const engines = ['kernels', 'tfjs-webgpu', 'tfjs-wasm'];

export const classes = 10;

/** Cases of a full run on a machine without a GPU; larger ones are asked for by name. */
export const full = [
  ...['small/b1', 'small/b8', 'tiny/b1'].flatMap((shape) => engines.map((engine) => `${engine}/${shape}`)),
  'kernels/small/b32',
  'kernels/tiny/b8',
];

export const quick = engines.map((engine) => `${engine}/small/b1`);

/** @param {string} text */
export function parseCase(text) {
  const [engine = '', name = '', size = ''] = text.split('/');
  const model = models[name];
  const batch = Number(size.slice(1));
  if (!engines.includes(engine) || model === undefined || !(batch >= 1))
    throw new Error(
      `--cases takes ENGINE/MODEL/bN with engine ${engines.join(', ')} and model ${Object.keys(models).join(', ')}; got ${text}`,
    );
  return { engine, model, batch };
}
