// A ViT as an ONNX graph, from its configuration alone: the forward pass of every plain ViT, operator by
// operator, with a free batch, in opset 17, which old runtimes do. Operators stand as onnxruntime's own tools
// expect those of an exported model: its transformer optimiser finds attention, GELU and skip connections in
// them, its quantiser every shape. Linear weights are stored transposed, [in, out], as MatMul takes them.
// Knows no file and no values of weights.
import { encodeFloats } from '../formats/float-types.ts';
import type { OnnxAttribute, OnnxNode, OnnxTensor, OnnxValue } from '../formats/onnx/graph.ts';
import { onnxTypeCodes } from '../formats/onnx/graph.ts';
import { int4Block } from '../formats/onnx/quantise.ts';
import { present } from '../shared/assert.ts';
import { backboneShapes, headShapes, linearName, type Linear, type ParamName } from '../vit/parameters.ts';
import { gridSize, headDim, type VitConfig } from '../vit/vit-config.ts';

/** A weight of the graph: which parameter it is, and whether its two axes are exchanged. */
interface GraphWeight {
  readonly name: string;
  readonly param: ParamName;
  readonly transposed: boolean;
  /** As stored in the graph. */
  readonly shape: readonly number[];
}

/** A linear's weight in few bits: the tensors `NAME.values`, `NAME.scales` and `NAME.zeros`. */
export interface QuantisedWeight {
  readonly param: ParamName;
  readonly outputs: number;
  readonly inputs: number;
}

export interface VitGraph {
  readonly nodes: readonly OnnxNode[];
  readonly weights: readonly GraphWeight[];
  /** The linears of the blocks where the form keeps them in few bits; patches and head never are. */
  readonly quantised: readonly QuantisedWeight[];
  /** Numbers and shapes that the graph needs besides the model's weights. */
  readonly constants: readonly OnnxTensor[];
  readonly input: OnnxValue;
  readonly output: OnnxValue;
}

export const onnxOpset = 17;
export type GraphType = 'float32' | 'float16';
/** How the linears of the blocks are stored and multiplied; with few bits everything else is float32. */
export type GraphForm = GraphType | 'uint8' | 'int4';

/** The type of everything that is no linear of a block. */
export const typeOfForm = (form: GraphForm): GraphType => (form === 'float16' ? 'float16' : 'float32');

/**
 * The graph of a classifier: `pixel_values` [batch, 3, S, S] float32 -> `logits` [batch, classes] float32,
 * everything between them in the type of `form`. It has no layer scale: that lies in the linears before it.
 */
export function vitGraph(config: VitConfig, classes: number, form: GraphForm): VitGraph {
  const type = typeOfForm(form);
  const graph = new GraphBuilder(config, classes, form);
  const pixels = type === 'float16' ? graph.cast('pixel_values', 'pixels', 'float16') : 'pixel_values';
  const tokens = embed(graph, config, pixels);
  let x = tokens;
  for (let index = 0; index < config.depth; index++) x = block(graph, config, index, x);
  const features = pool(graph, config, x);
  const logits = type === 'float16' ? 'logits.half' : 'logits';
  graph.node('Gemm', logits, [features, graph.weight('head.weight'), graph.weight('head.bias')], {
    transB: { kind: 'int', value: 1 },
  });
  if (type === 'float16') graph.cast(logits, 'logits', 'float32');
  const side = config.imageSize;
  return {
    nodes: graph.nodes,
    weights: [...graph.weights.values()],
    quantised: graph.quantised,
    constants: [...graph.constants.values()],
    input: { name: 'pixel_values', type: 'float32', shape: ['batch', 3, side, side] },
    output: { name: 'logits', type: 'float32', shape: ['batch', classes] },
  };
}

const int = (value: number): OnnxAttribute => ({ kind: 'int', value });
const ints = (...value: number[]): OnnxAttribute => ({ kind: 'ints', value });

class GraphBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly weights = new Map<string, GraphWeight>();
  readonly constants = new Map<string, OnnxTensor>();
  readonly quantised: QuantisedWeight[] = [];
  /** Inputs of linears that are there in uint8. */
  readonly #inBytes = new Set<string>();
  readonly #shapes: ReadonlyMap<ParamName, readonly number[]>;

  constructor(
    config: VitConfig,
    classes: number,
    private readonly form: GraphForm,
  ) {
    const head = headShapes(config, classes);
    this.#shapes = new Map([
      ...backboneShapes(config),
      ['head.weight', head.weight],
      ['head.bias', head.bias],
    ]);
  }

  /** Appends a node; its name is its output's. */
  node(
    op: string,
    output: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string {
    const named = new Map(Object.entries(attributes));
    this.nodes.push({ op, domain: '', name: output, inputs, outputs: [output], attributes: named });
    return output;
  }

  cast(input: string, output: string, type: GraphType): string {
    return this.node('Cast', output, [input], { to: int(onnxTypeCodes[type]) });
  }

  weight(param: ParamName): string {
    const shape = present(this.#shapes.get(param), param);
    this.weights.set(param, { name: param, param, transposed: false, shape });
    return param;
  }

  /** A linear's weight as [in, out]. */
  transposed(param: ParamName): string {
    const shape = [...present(this.#shapes.get(param), param)].reverse();
    const name = `${param}.T`;
    this.weights.set(name, { name, param, transposed: true, shape });
    return name;
  }

  /** A number in the graph's type. */
  number(name: string, value: number): string {
    const type = typeOfForm(this.form);
    const bytes = encodeFloats(Float32Array.of(value), type === 'float16' ? 'F16' : 'F32');
    this.constants.set(name, { name, type, shape: [], bytes });
    return name;
  }

  /** Whole numbers: a shape or an index; a single number without brackets has rank 0. */
  whole(name: string, value: readonly number[] | number): string {
    const list = typeof value === 'number' ? [value] : value;
    const bytes = new Uint8Array(BigInt64Array.from(list, BigInt).buffer);
    const shape = typeof value === 'number' ? [] : [list.length];
    this.constants.set(name, { name, type: 'int64', shape, bytes });
    return name;
  }

  norm(input: string, output: string, name: string, epsilon: number): string {
    return this.node(
      'LayerNormalization',
      output,
      [input, this.weight(`${name}.weight`), this.weight(`${name}.bias`)],
      { axis: int(-1), epsilon: { kind: 'float', value: epsilon } },
    );
  }

  /** x W' + b of a block's linear. */
  linear(input: string, index: number, kind: Linear): string {
    const name = linearName(index, kind);
    return this.node('Add', name, [this.#product(input, name), this.weight(`${name}.bias`)]);
  }

  #product(input: string, name: string): string {
    const param = `${name}.weight`;
    const product = `${name}.product`;
    switch (this.form) {
      case 'float32':
      case 'float16':
        return this.node('MatMul', product, [input, this.transposed(param)]);
      case 'uint8': {
        this.#quantised(param);
        const [bytes, scale, zero] = this.#bytes(input);
        const inputs = [bytes, `${param}.values`, zero, `${param}.zeros`];
        const sums = this.cast(
          this.node('MatMulInteger', `${name}.sums`, inputs),
          `${name}.whole`,
          'float32',
        );
        const step = this.node('Mul', `${name}.step`, [scale, `${param}.scales`]);
        return this.node('Mul', product, [sums, step]);
      }
      case 'int4': {
        const { outputs: n, inputs: k } = this.#quantised(param);
        const attributes = new Map([
          ['K', int(k)],
          ['N', int(n)],
          ['bits', int(4)],
          ['block_size', int(int4Block)],
        ]);
        const inputs = [input, `${param}.values`, `${param}.scales`, `${param}.zeros`];
        const domain = 'com.microsoft';
        this.nodes.push({ op: 'MatMulNBits', domain, name: product, inputs, outputs: [product], attributes });
        return product;
      }
      default:
        return this.form satisfies never;
    }
  }

  #quantised(param: ParamName): QuantisedWeight {
    const [outputs = 0, inputs = 0] = present(this.#shapes.get(param), param);
    const weight = { param, outputs, inputs };
    this.quantised.push(weight);
    return weight;
  }

  /** An input as uint8, its scale and its zero point, which are found anew for every batch. */
  #bytes(input: string): readonly [string, string, string] {
    const outputs = [`${input}.uint8`, `${input}.scale`, `${input}.zero`] as const;
    if (!this.#inBytes.has(input)) {
      const node = { op: 'DynamicQuantizeLinear', domain: '', name: outputs[0] } as const;
      this.nodes.push({ ...node, inputs: [input], outputs, attributes: new Map() });
      this.#inBytes.add(input);
    }
    return outputs;
  }
}

/** Pixels -> tokens with their positions, [batch, tokens, dim]. */
function embed(graph: GraphBuilder, config: VitConfig, pixels: string): string {
  const { patchSize, dim, prefixTokens } = config;
  const patches = gridSize(config) ** 2;
  const grid = graph.node(
    'Conv',
    'patch_embed',
    [pixels, graph.weight('patch_embed.weight'), graph.weight('patch_embed.bias')],
    { kernel_shape: ints(patchSize, patchSize), strides: ints(patchSize, patchSize) },
  ); // [batch, dim, grid, grid]
  const flat = graph.node('Reshape', 'patches.flat', [grid, graph.whole('patches.shape', [0, dim, patches])]);
  let tokens = graph.node('Transpose', 'patches', [flat], { perm: ints(0, 2, 1) }); // [batch, patches, dim]
  if (prefixTokens > 0) {
    // Not Shape with start and end: onnxruntime's shape inference (1.30) takes them for the whole shape.
    const sizes = graph.node('Shape', 'pixels.shape', [pixels]);
    const batch = graph.node('Gather', 'batch', [sizes, graph.whole('batch.index', [0])], { axis: int(0) });
    const rest = graph.whole('prefix.rest', [prefixTokens, dim]);
    const shape = graph.node('Concat', 'prefix.shape', [batch, rest], { axis: int(0) });
    const prefix = graph.node('Expand', 'prefix', [graph.weight('prefix_tokens'), shape]);
    tokens = graph.node('Concat', 'tokens', [prefix, tokens], { axis: int(1) }); // [batch, tokens, dim]
  }
  const placed = graph.node('Add', 'embeddings', [tokens, graph.weight('pos_embed')]);
  return config.preNorm ? graph.norm(placed, 'embeddings.normed', 'pre_norm', config.layerNormEps) : placed;
}

/** One pre-norm block, [batch, tokens, dim] -> [batch, tokens, dim]. */
function block(graph: GraphBuilder, config: VitConfig, index: number, input: string): string {
  const name = `blocks.${index}`;
  const normed = graph.norm(input, `${name}.normed1`, `${name}.norm1`, config.layerNormEps);
  const attended = attention(graph, config, index, normed);
  // The branch first: onnxruntime's optimiser follows the first sum that it meets.
  const middle = graph.node('Add', `${name}.mid`, [attended, input]);
  const normed2 = graph.norm(middle, `${name}.normed2`, `${name}.norm2`, config.layerNormEps);
  const hidden = activation(graph, config, `${name}.act`, graph.linear(normed2, index, 'fc1'));
  return graph.node('Add', `${name}.out`, [graph.linear(hidden, index, 'fc2'), middle]);
}

/** Multi-head self-attention and its output projection, [batch, tokens, dim]. */
function attention(graph: GraphBuilder, config: VitConfig, index: number, input: string): string {
  const { heads, dim } = config;
  const name = `blocks.${index}`;
  const apart = graph.whole('heads.apart', [0, 0, heads, headDim(config)]);
  const heading = (kind: 'q' | 'k' | 'v', perm: OnnxAttribute): string => {
    const cut = graph.node('Reshape', `${name}.${kind}.cut`, [graph.linear(input, index, kind), apart]);
    return graph.node('Transpose', `${name}.${kind}.heads`, [cut], { perm });
  };
  const q = heading('q', ints(0, 2, 1, 3)); // [batch, heads, tokens, headDim]
  const k = heading('k', ints(0, 2, 3, 1)); // [batch, heads, headDim, tokens]
  const v = heading('v', ints(0, 2, 1, 3));
  const products = graph.node('MatMul', `${name}.products`, [q, k]); // [batch, heads, tokens, tokens]
  // Divided after the product, the only form without a mask that onnxruntime's optimiser takes for attention.
  // In float16 a score would have to be beyond 65504 / sqrt(headDim) to be lost, as in PyTorch.
  const root = graph.number('attention.root', Math.sqrt(headDim(config)));
  const scores = graph.node('Div', `${name}.scores`, [products, root]);
  const weights = graph.node('Softmax', `${name}.probs`, [scores], { axis: int(-1) });
  const context = graph.node('MatMul', `${name}.context.heads`, [weights, v]);
  const beside = graph.node('Transpose', `${name}.context.cut`, [context], { perm: ints(0, 2, 1, 3) });
  const joined = graph.node('Reshape', `${name}.context`, [beside, graph.whole('heads.joined', [0, 0, dim])]);
  return graph.linear(joined, index, 'proj');
}

function activation(graph: GraphBuilder, config: VitConfig, name: string, x: string): string {
  switch (config.activation) {
    case 'gelu': {
      const arg = graph.node('Div', `${name}.arg`, [x, graph.number('gelu.root2', Math.SQRT2)]);
      const plus = graph.node('Add', `${name}.plus`, [
        graph.node('Erf', `${name}.erf`, [arg]),
        graph.number('one', 1),
      ]);
      const times = graph.node('Mul', `${name}.times`, [x, plus]);
      return graph.node('Mul', name, [times, graph.number('half', 0.5)]);
    }
    case 'gelu-tanh': {
      const small = graph.node('Mul', `${name}.small`, [x, graph.number('gelu.cubic', 0.044715)]);
      const square = graph.node('Mul', `${name}.square`, [x, small]);
      const grown = graph.node('Add', `${name}.grown`, [square, graph.number('one', 1)]);
      const root = graph.number('gelu.root', Math.sqrt(2 / Math.PI));
      const outer = graph.node('Mul', `${name}.outer`, [x, root]);
      const arg = graph.node('Mul', `${name}.arg`, [outer, grown]);
      const plus = graph.node('Add', `${name}.plus`, [
        graph.node('Tanh', `${name}.tanh`, [arg]),
        graph.number('one', 1),
      ]);
      const halved = graph.node('Mul', `${name}.halved`, [x, graph.number('half', 0.5)]);
      return graph.node('Mul', name, [halved, plus]);
    }
    case 'quick-gelu': {
      const arg = graph.node('Mul', `${name}.arg`, [x, graph.number('gelu.quick', 1.702)]);
      return graph.node('Mul', name, [x, graph.node('Sigmoid', `${name}.gate`, [arg])]);
    }
    default:
      return config.activation satisfies never;
  }
}

/** Tokens -> what the head reads, [batch, headInputs]. */
function pool(graph: GraphBuilder, config: VitConfig, tokens: string): string {
  const { finalNorm, layerNormEps, meanFrom } = config;
  const x = finalNorm === 'tokens' ? graph.norm(tokens, 'normed', 'norm', layerNormEps) : tokens;
  const token = (index: number, name: string): string =>
    graph.node('Gather', name, [x, graph.whole(`${name}.index`, index)], { axis: int(1) }); // [batch, dim]
  const mean = (): string => {
    const rest =
      meanFrom === 0
        ? x
        : graph.node('Slice', 'pooled.tokens', [
            x,
            graph.whole('mean.from', [meanFrom]),
            graph.whole('mean.to', [2 ** 31 - 1]),
            graph.whole('mean.axis', [1]),
          ]);
    return graph.node('ReduceMean', 'mean', [rest], { axes: ints(1), keepdims: int(0) }); // [batch, dim]
  };
  const pooled = ((): string => {
    switch (config.pool) {
      case 'cls':
        return token(0, 'first');
      case 'mean':
        return mean();
      case 'cls+mean':
        return graph.node('Concat', 'pooled', [token(0, 'first'), mean()], { axis: int(1) });
      case 'cls+dist':
        return graph.node('Concat', 'pooled', [token(0, 'first'), token(1, 'second')], { axis: int(1) });
      default:
        return config.pool satisfies never;
    }
  })();
  return finalNorm === 'pooled' ? graph.norm(pooled, 'normed', 'norm', layerNormEps) : pooled;
}
