// Every kernel of kernels/shaders/ with random operands of any shape and what it must give, in float64 and
// the plainest loops. Adding a kernel is adding a row: the checks in a browser and on Dawn, `npm run kernel`
// and the playground follow.
import type { KernelEntry } from './kernel-cases.ts';
import { matmulRow, rowProductRow, columnProductRow } from './rows/products.ts';
import {
  attentionRow,
  attentionMapRow,
  attentionMixRow,
  queryGradientRow,
  keyGradientRow,
  sharedGradientRow,
} from './rows/attention.ts';
import {
  layerNormRow,
  layerNormGradientRow,
  scaledRowsRow,
  poolingRow,
  poolingGradientRow,
  patchRowsRow,
  prefixCacheRow,
} from './rows/token-rows.ts';
import {
  headGradientRow,
  headInputRow,
  crossEntropyRow,
  branchScalesRow,
  scalarSumsRow,
  gradientSumRow,
  scalarGradientRow,
  sharedScalarsRow,
} from './rows/gradients.ts';
import { crossedSpreadRow, crossedSumRow } from './rows/crossed.ts';
import { droppedInputRow, lowGradientRow } from './rows/dropout.ts';
import { headStepRow, normProductRow } from './rows/fused.ts';
import { matrixGradientRow, transposedRow } from './rows/matrices.ts';
import { positionGradientRow, positionTableRow, vectorGradientRow } from './rows/vectors.ts';
import { normRow, adamwRow, decideRow, matrixAdamwRow, matrixNormRow } from './rows/step-end.ts';

/** By the name that the command takes. */
export const kernelTable = {
  matmul: matmulRow,
  'row-product': rowProductRow,
  'column-product': columnProductRow,
  attention: attentionRow,
  'attention-gradient-q': queryGradientRow,
  'attention-gradient-kv': keyGradientRow,
  'attention-gradient-shared': sharedGradientRow,
  'attention-map': attentionMapRow,
  'attention-mix': attentionMixRow,
  'layer-norm': layerNormRow,
  'layer-norm-gradient': layerNormGradientRow,
  'norm-product': normProductRow,
  'scaled-rows': scaledRowsRow,
  'dropped-input': droppedInputRow,
  'low-gradient': lowGradientRow,
  pooling: poolingRow,
  'pooling-gradient': poolingGradientRow,
  'patch-rows': patchRowsRow,
  'prefix-cache': prefixCacheRow,
  'head-gradient': headGradientRow,
  'head-input': headInputRow,
  'head-step': headStepRow,
  'cross-entropy': crossEntropyRow,
  'branch-scales': branchScalesRow,
  'scalar-sums': scalarSumsRow,
  'gradient-sum': gradientSumRow,
  'scalar-gradient': scalarGradientRow,
  'shared-scalars': sharedScalarsRow,
  'vector-gradient': vectorGradientRow,
  'position-table': positionTableRow,
  'position-gradient': positionGradientRow,
  'matrix-gradient': matrixGradientRow,
  transposed: transposedRow,
  'crossed-sum': crossedSumRow,
  'crossed-spread': crossedSpreadRow,
  'gradient-norm': normRow,
  adamw: adamwRow,
  'matrix-gradient-norm': matrixNormRow,
  'matrix-adamw': matrixAdamwRow,
  decide: decideRow,
} as const satisfies Readonly<Record<string, KernelEntry>>;
