// What tests train on and listen with, in Node and in a browser: images that can be learned, a short recipe,
// and a listener that keeps everything.
import { batchIndices } from '../../data/batch-order.ts';
import type { Memory, Pixels } from '../../engine/engine.ts';
import type { Fault } from '../../shared/fault.ts';
import { randomStream } from '../../shared/random.ts';
import type { DivergedFault } from '../divergence.ts';
import type { Metrics } from '../evaluation.ts';
import type { Phase } from '../run-input.ts';
import type { RunListener } from '../run-listener.ts';
import type { RunState } from '../run-state.ts';
import type { DropRecord, StepRow } from '../run-record.ts';
import type { LabelledPixels, TrainingData } from '../training-data.ts';

/** Images of noise with a bright corner of their class; `shuffled` gives them labels that mean nothing. */
export function cornerImages(
  side: number,
  count: number,
  classes: number,
  seed = 1,
  shuffled = false,
): TrainingData {
  const size = 3 * side * side;
  const noise = randomStream(seed, 'augment');
  const images = (from: number, n: number): { pixels: Float32Array; labels: Int32Array } => {
    const pixels = new Float32Array(n * size);
    const labels = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      const id = from + i;
      const shown = id % classes;
      labels[i] = shuffled ? noise.bits(id, 999_999) % classes : shown;
      for (let p = 0; p < size; p++) {
        const [y, x] = [Math.floor((p % (side * side)) / side), p % side];
        const bright = Math.floor(x / 8) === shown % 4 && Math.floor(y / 8) === Math.floor(shown / 4);
        pixels[i * size + p] = (noise.uniform(id, p) - 0.5) * 0.3 + (bright ? 3 : 0);
      }
    }
    return { pixels, labels };
  };
  const train = images(0, count);
  const held = images(count, 12);
  const slice = (from: Float32Array, begin: number, end: number): Pixels => ({
    kind: 'normalised',
    data: from.subarray(begin * size, end * size),
  });
  return {
    classes: Array.from({ length: classes }, (_, i) => `class ${i}`),
    trainImages: count,
    train: { slice: (begin, end) => slice(train.pixels, begin, end), labels: train.labels },
    trainBatch(step, batch) {
      const rows = batchIndices(count, batch, step, seed);
      const data = new Float32Array(batch * size);
      rows.forEach((row, i) => data.set(train.pixels.subarray(row * size, (row + 1) * size), i * size));
      return {
        pixels: { kind: 'normalised', data },
        labels: Int32Array.from(rows, (row) => train.labels[row] ?? 0),
        images: Int32Array.from(rows),
      };
    },
    validation: { slice: (begin, end) => slice(held.pixels, begin, end), labels: held.labels },
    test: null,
  };
}

/** How the bytes below become pixels. */
export const bytesNormalisation = { rescale: 1 / 60, mean: [0.7, 0.7, 0.7], std: [1, 1, 1] } as const;

/** The same images as bytes, as the app has them. */
export function asBytes(side: number, data: TrainingData): TrainingData {
  const size = 3 * side * side;
  const bytes = (pixels: Pixels): Pixels => {
    const images = pixels.data.length / size;
    const result = new Uint8Array(pixels.data.length);
    for (let i = 0; i < images; i++)
      for (let p = 0; p < size; p++) {
        const [channel, place] = [Math.floor(p / (side * side)), p % (side * side)];
        result[i * size + 3 * place + channel] = 40 + 60 * (pixels.data[i * size + p] ?? 0);
      }
    return { kind: 'bytes', data: result };
  };
  const asked = (images: LabelledPixels): LabelledPixels => ({
    slice: (begin, end) => bytes(images.slice(begin, end)),
    labels: images.labels,
  });
  return {
    ...data,
    trainBatch: (step, batch) => {
      const made = data.trainBatch(step, batch);
      return { ...made, pixels: bytes(made.pixels) };
    },
    train: asked(data.train),
    validation: asked(data.validation),
  };
}

export class Log implements RunListener {
  readonly phases: Phase[] = [];
  readonly rows: StepRow[] = [];
  readonly drops: DropRecord[] = [];
  readonly memories: Memory[] = [];
  readonly warnings: (DivergedFault | null)[] = [];
  readonly recoveries: Fault[] = [];
  readonly states: RunState[] = [];
  readonly evaluations: ({ step: number } & Metrics)[] = [];
  onPhase: (phase: Phase) => void = () => undefined;
  wantsState: () => boolean = () => false;
  kept(state: RunState): void {
    this.states.push(state);
  }
  phase(phase: Phase): void {
    this.phases.push(phase);
    this.onPhase(phase);
  }
  step(row: StepRow, _pace: unknown, memory: Memory): void {
    this.rows.push(row);
    this.memories.push(memory);
  }
  dropped(drops: readonly DropRecord[]): void {
    this.drops.push(...drops);
  }
  branches(): void {
    // The picture of the branches is tested in run-record's own terms below.
  }
  diverging(fault: DivergedFault | null): void {
    this.warnings.push(fault);
  }
  recovered(fault: Fault): void {
    this.recoveries.push(fault);
  }
  evaluated(step: number, metrics: Metrics): void {
    this.evaluations.push({ step, ...metrics });
  }
}
