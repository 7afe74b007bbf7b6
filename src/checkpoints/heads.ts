// A checkpoint's head, which may be two: a distilled DeiT has one for its class token and one for its
// distillation token, and averages their logits. In Graft that is a single head on both tokens side by side:
//
//   (W1 a + b1 + W2 b + b2) / 2 = [W1/2 | W2/2] [a; b] + (b1 + b2) / 2
//
// Halving and doubling are exact, so the weights survive the way there and back bit for bit. A new head of
// such a model is drawn and trained in this form and is written as two; a distilled DeiT whose file has but
// one classifier (transformers' DeiTForImageClassification) reads the class token alone, as that class does.
import { ndArray, type NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';

export interface Head {
  readonly weight: NdArray; // [classes, headInputs]
  readonly bias: NdArray; // [classes]
}

/** The heads of a file as one. */
export function joinedHead(heads: readonly Head[]): Head {
  const first = present(heads[0], 'a head');
  if (heads.length === 1) return first;
  const [classes = 0, dim = 0] = first.weight.shape;
  const width = dim * heads.length;
  const weight = new Float32Array(classes * width);
  const bias = new Float32Array(classes);
  heads.forEach((head, part) => {
    for (let row = 0; row < classes; row++) {
      bias[row] = (bias[row] ?? 0) + (head.bias.data[row] ?? 0) / heads.length;
      for (let i = 0; i < dim; i++)
        weight[row * width + part * dim + i] = (head.weight.data[row * dim + i] ?? 0) / heads.length;
    }
  });
  return { weight: ndArray([classes, width], weight), bias: ndArray([classes], bias) };
}

/** A head as `count` of them, whose average it is; each has its bias. */
export function splitHead({ weight, bias }: Head, count: number): Head[] {
  if (count === 1) return [{ weight, bias }];
  const [classes = 0, width = 0] = weight.shape;
  const dim = width / count;
  return Array.from({ length: count }, (_, part) => {
    const own = new Float32Array(classes * dim);
    for (let row = 0; row < classes; row++)
      for (let i = 0; i < dim; i++)
        own[row * dim + i] = count * (weight.data[row * width + part * dim + i] ?? 0);
    return { weight: ndArray([classes, dim], own), bias };
  });
}
