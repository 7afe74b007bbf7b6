// What the head reads of the tokens x [images * tokens, padded]: vectors side by side, y [images, vectors *
// padded], each a token or the mean of the tokens from one on; and the way back, dx of every token from dy.
// Columns do not mix, so padding stays 0. Cost: one load a value; one thread makes one vec4.
import { float, kernel, read, write, type Grid, type Kernel } from './kernel.ts';

/** A token by its place, or the mean of the tokens from `meanFrom` on. */
export type Pooled = { readonly token: number } | { readonly meanFrom: number };

export interface Pooling {
  readonly images: number;
  readonly tokens: number;
  readonly padded: number;
  readonly vectors: readonly Pooled[];
}

const threads = 64;

export function poolingKernel({ images, tokens, padded, vectors }: Pooling): Kernel {
  const width = padded / 4;
  const value = (vector: Pooled): string =>
    'token' in vector
      ? `value = x[(image * ${tokens}u + ${vector.token}u) * ${width}u + c];`
      : `for (var t = ${vector.meanFrom}u; t < ${tokens}u; t++) { value += x[(image * ${tokens}u + t) * ${width}u + c]; }
      value /= ${float(tokens - vector.meanFrom)};`;
  return kernel(
    `pooling ${images}x${tokens}`,
    [read('x'), write('y')],
    /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let at = id.x;
  if (at >= ${images * vectors.length * width}u) { return; }
  let image = at / ${vectors.length * width}u;
  let c = at % ${width}u;
  var value = vec4f();
  switch (at / ${width}u) % ${vectors.length}u {
    ${vectors.map((vector, i) => `case ${i}u: { ${value(vector)} }`).join('\n    ')}
    default: {}
  }
  y[at] = value;
}`,
  );
}

export function poolingGrid({ images, padded, vectors }: Pooling): Grid {
  return [Math.ceil((images * vectors.length * padded) / 4 / threads), 1, 1];
}

/** dx [images * tokens, padded] from dy: each token's own, and its share of each mean. */
export function poolingGradientKernel({ images, tokens, padded, vectors }: Pooling): Kernel {
  const width = padded / 4;
  const line = vectors.length * width;
  const share = (vector: Pooled, i: number): string => {
    const dy = `dy[image * ${line}u + ${i * width}u + c]`;
    return 'token' in vector
      ? `if (token == ${vector.token}u) { value += ${dy}; }`
      : `if (token >= ${vector.meanFrom}u) { value += ${dy} / ${float(tokens - vector.meanFrom)}; }`;
  };
  return kernel(
    `pooling-gradient ${images}x${tokens}`,
    [read('dy'), write('dx')],
    /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  let row = id.y;
  if (c >= ${width}u || row >= ${images * tokens}u) { return; }
  let image = row / ${tokens}u;
  let token = row % ${tokens}u;
  var value = vec4f();
  ${vectors.map(share).join('\n  ')}
  dx[row * ${width}u + c] = value;
}`,
  );
}

export function poolingGradientGrid({ images, tokens, padded }: Pooling): Grid {
  return [Math.ceil(padded / 4 / threads), images * tokens, 1];
}
