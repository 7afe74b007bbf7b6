// How many images tfjs can differentiate at once. Its tape keeps every tensor of the forward pass until the gradients
// are done, and its wasm build ends at 2 GB in silence (a failed allocation corrupts its heap), so a batch is cut into
// micro-batches whose gradients are added up: the same step, one part after the other.
import type { Adapter } from '../../dmlora/adapter.ts';
import { sizeOf } from '../../shared/array.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import type { VitModel } from '../../vit/parameters.ts';
import { tokenCount, type VitConfig } from '../../vit/vit-config.ts';
import type { BackendName } from '../engine.ts';

/** Bytes that a backend is trusted with; wasm's own limit is 2 GB, the others' is a guess at small machines. */
const budgetBytes: Readonly<Record<BackendName, number>> = { wasm: 1.7e9, cpu: 3e9, webgpu: 3e9 };

/** Copies of the weights: both layouts, and wasm's matrix kernels pack each once more. */
const weightCopies: Readonly<Record<BackendName, number>> = { wasm: 4, cpu: 2, webgpu: 2 };

/** What the heap takes beyond the counted tensors: measured 1.0 to 1.6 on wasm, where freed blocks leave gaps. */
const overhead = 1.5;

/**
 * Bytes that the tape keeps for one image, counted from vit.ts: per token and block 19 tensors of width D (norms, q, k,
 * v as products and as heads, attention, projections, residuals), 3 of width M (fc1, Phi, GELU), 3 of the output's
 * width for each adapted linear, and the attention probabilities; one block's backward pass adds 4 of those.
 */
export function tapeBytesPerImage(config: VitConfig, adapter: Adapter): number {
  const tokens = tokenCount(config);
  const { dim, mlpDim, depth, heads } = config;
  const adaptedWidth = adapter.modules.reduce((sum, { branches }) => sum + (branches[0]?.B.shape[0] ?? 0), 0);
  const perToken = depth * (19 * dim + 3 * mlpDim) + 3 * adaptedWidth;
  return 4 * (tokens * perToken + (depth + 4) * heads * tokens * tokens);
}

/**
 * Images per micro-batch: the batch in as few equal parts as the budget allows. A model of which not even one image
 * fits is refused.
 */
export function microBatchOf(
  { config, weights }: VitModel,
  adapter: Adapter,
  backend: BackendName,
  batch: number,
): Result<number> {
  const parameters = [...weights.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const weightBytes = 4 * parameters * weightCopies[backend];
  const imageBytes = overhead * tapeBytesPerImage(config, adapter);
  const fitting = Math.floor((budgetBytes[backend] - weightBytes) / imageBytes);
  if (fitting < 1) {
    const [needed, given] = [weightBytes + imageBytes, budgetBytes[backend]].map((bytes) =>
      (bytes / 1e9).toFixed(1),
    );
    const detail = `Training this model on ${backend} needs about ${needed ?? ''} GB for one image; ${given ?? ''} GB are there.`;
    return fail({ kind: 'out-of-memory', askedBytes: weightBytes + imageBytes, detail });
  }
  return ok(Math.ceil(batch / Math.ceil(batch / fitting)));
}
