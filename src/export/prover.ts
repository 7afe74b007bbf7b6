// Proves what formats give back: their weights are compared with those that ran before, tensor by tensor and
// bit for bit, and only weights that are new run. Keeps the digests and logits of what ran, no weights.
import type { Adapter } from '../dmlora/adapter.ts';
import type { NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { ok, type Result } from '../shared/result.ts';
import { backboneShapes, type ParamName, type VitModel } from '../vit/parameters.ts';
import type { ExportFormat, ExportProof } from './export-types.ts';
import type { ReadBack, WrittenType } from './export-context.ts';
import type { Pause } from './pause.ts';
import type { ProofEngine } from './proof-engine.ts';
import { compare, type ProofSample } from './proof.ts';

interface Ran {
  readonly format: ExportFormat;
  readonly identity: string;
  readonly logits: NdArray; // [n, classes]
}

interface AllRead {
  readonly identity: string;
  readonly weights: Map<ParamName, NdArray>;
}

export class Prover {
  readonly #ran: Ran[] = [];

  /** @param known weights that are in memory anyway: what equals them bit for bit is not held twice. */
  constructor(
    private readonly known: VitModel['weights'],
    private readonly sample: ProofSample,
    private readonly engine: ProofEngine,
    private readonly batch: number,
    private readonly pause: Pause,
  ) {}

  /** The proof of what a format gave back: of its own run, or of an earlier one with the same bits. */
  async prove(format: ExportFormat, read: ReadBack, type: WrittenType): Promise<Result<ExportProof>> {
    const found = await this.#readAll(read);
    if (!found.ok) return found;
    const { identity, weights } = found.value;
    const former = this.#ran.find((ran) => ran.identity === identity);
    const logits = former === undefined ? await this.#run(read, weights) : ok(former.logits);
    if (!logits.ok) return logits;
    if (former === undefined) this.#ran.push({ format, identity, logits: logits.value });
    const measured = compare(logits.value, this.sample, type);
    return measured.ok
      ? ok({ ...measured.value, sameWeightsAs: former?.format ?? null, graphImages: 0 })
      : measured;
  }

  /**
   * The weights, of which those are held that are not in memory anyway, and what decides their logits, as
   * text: numbers and switches, normalisation, the digest of each tensor.
   */
  async #readAll({ config, preprocessing, read }: ReadBack): Promise<Result<AllRead>> {
    const { rescale, mean, std } = preprocessing;
    const parts = [JSON.stringify([Object.entries(config).sort(), rescale, mean, std])];
    const weights = new Map<ParamName, NdArray>();
    for (const name of namesOf(config)) {
      const tensor = await read(name);
      if (!tensor.ok) return tensor;
      const known = this.known.get(name);
      weights.set(name, known !== undefined && isSame(known, tensor.value) ? known : tensor.value);
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytesOf(tensor.value)));
      parts.push(`${name} ${tensor.value.shape.join('x')} ${digest.join()}`);
      await this.pause();
    }
    return ok({ identity: parts.join('\n'), weights });
  }

  async #run(
    { config, preprocessing }: ReadBack,
    weights: Map<ParamName, NdArray>,
  ): Promise<Result<NdArray>> {
    const [weight, bias] = [taken(weights, 'head.weight'), taken(weights, 'head.bias')];
    const plain: Adapter = { modules: [], head: { weight, bias }, moments: new Map() };
    const { sample, batch, pause } = this;
    return this.engine.logits({ config, weights }, plain, preprocessing, sample.images, batch, pause);
  }
}

const namesOf = (config: VitModel['config']): readonly ParamName[] => [
  ...backboneShapes(config).keys(),
  'head.weight',
  'head.bias',
];

function taken(weights: Map<ParamName, NdArray>, name: ParamName): NdArray {
  const values = present(weights.get(name), name);
  weights.delete(name);
  return values;
}

const bytesOf = ({ data }: NdArray): Uint8Array<ArrayBuffer> =>
  new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);

function isSame(a: NdArray, b: NdArray): boolean {
  if (a.shape.join() !== b.shape.join() || a.data.length !== b.data.length) return false;
  const [left, right] = [wordsOf(a), wordsOf(b)];
  return left.every((word, i) => word === right[i]);
}

/** Bits, so that zeros of both signs differ. */
const wordsOf = ({ data }: NdArray): Uint32Array =>
  new Uint32Array(data.buffer, data.byteOffset, data.length);
