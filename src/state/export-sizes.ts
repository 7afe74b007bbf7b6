// About how large each format will be, from what the page knows of the model and its branches. Pure.
import type { ExportDtype, ExportFormat, ModelSummary, ModuleView } from '../worker/protocol.ts';

const bytesOf = { F32: 4, F16: 2, BF16: 2 } as const;

/** Bytes of one value when the type is the source's. */
function sourceBytes({ dtype }: ModelSummary): number {
  return dtype.includes('32') || dtype.includes('64') ? 4 : 2;
}

/**
 * Bytes of a format's weights: the merged model, or the branches, what weights absorbed of them, and the head.
 *
 * @param tuned values of the backbone that were tuned, which an adapter has in float32.
 */
export function exportBytes(
  format: ExportFormat,
  dtype: ExportDtype,
  model: ModelSummary,
  modules: readonly ModuleView[],
  rank: number,
  classes: number,
  tuned = 0,
): number {
  const { dim, mlpDim, pool, depth } = model.config;
  const head = classes * ((pool === 'cls+mean' || pool === 'cls+dist' ? 2 : 1) * dim + 1);
  if (format === 'peft') {
    const adapter = modules.reduce((sum, { module, branches, absorbed = 0 }) => {
      const live = branches.filter(({ droppedAt }) => droppedAt === null).length;
      const wide = module.endsWith('fc1') || module.endsWith('fc2');
      return sum + (live * rank + absorbed) * (dim + (wide ? mlpDim : dim));
    }, 0);
    return (adapter + head) * (dtype === 'source' ? 4 : bytesOf[dtype]) + 4 * tuned;
  }
  const all = model.parameters + (model.labels.length === classes ? 0 : head);
  if (format === 'onnx-q8' || format === 'onnx-q4') {
    const linears = depth * (4 * dim * dim + 2 * dim * mlpDim);
    // 4 bits, and for each 32 of them a float32 scale and a zero point of 4 bits.
    return 4 * (all - linears) + linears * (format === 'onnx-q8' ? 1 : 0.5 + 4.5 / 32);
  }
  const stored = dtype === 'source' ? sourceBytes(model) : bytesOf[dtype];
  const isHalf = dtype === 'F16' || (dtype === 'source' && model.dtype === 'float16');
  const value = format === 'onnx' ? (isHalf ? 2 : 4) : stored;
  return all * value;
}
