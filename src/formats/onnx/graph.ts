// An ONNX graph as plain values: nodes, initializers, one input, one output. What write-onnx.ts writes,
// read-onnx.ts reads and evaluate.ts computes. Knows no model.

/** The element types that Graft writes. */
export type OnnxType = 'float32' | 'float16' | 'int64' | 'uint8';

/** TensorProto.DataType of each. */
export const onnxTypeCodes = { float32: 1, uint8: 2, int64: 7, float16: 10 } as const satisfies Record<
  OnnxType,
  number
>;

export const onnxTypeBytes = { float32: 4, uint8: 1, int64: 8, float16: 2 } as const satisfies Record<
  OnnxType,
  number
>;

export interface OnnxTensor {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly number[];
  /** Little-endian values in row-major order. */
  readonly bytes: Uint8Array | Blob;
}

export type OnnxAttribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'ints'; readonly value: readonly number[] };

/** Where an operator is defined: by the standard, or by onnxruntime, whose set has had one version so far. */
export type OnnxDomain = '' | 'com.microsoft';

export interface OnnxNode {
  readonly op: string;
  readonly domain: OnnxDomain;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

/** An input or output of the graph; a dimension that is a name is free. */
export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly (number | string)[];
}

export interface OnnxModel {
  readonly name: string;
  /** Version of the standard's operators. */
  readonly opset: number;
  readonly producer: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly input: OnnxValue;
  readonly output: OnnxValue;
}

/** Length of a tensor's values in bytes. */
export function tensorBytes({ bytes }: OnnxTensor): number {
  return bytes instanceof Blob ? bytes.size : bytes.byteLength;
}
