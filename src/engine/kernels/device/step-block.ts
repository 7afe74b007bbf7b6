// The step block: everything that changes from step to step, in one buffer written once: the `Step` struct,
// the gates of every column, labels, places of kept rows, crops, colours,
// what is erased, targets, pairs, noise. One host array is filled again
// and again, so a step allocates nothing of size.
import { allOpen, type Gates } from '../../../dmlora/adapter.ts';
import { assert, present } from '../../../shared/assert.ts';
import { isAugmented, sameColour, type Augmentation, type Box } from '../../augmentation.ts';
import { wholeImage } from '../../crop.ts';
import type { Batch, Mix, StepControl } from '../../engine.ts';
import { wholeOf, type DeviceMemory, type Region } from './device-memory.ts';
import { packSideGates } from '../memory/crossed-sums.ts';
import { packGates, type FlatLayout } from '../memory/flat-parameters.ts';
import type { TrainingState } from '../memory/training-state.ts';
import { dropThreshold, noNoise, pathFactors, type Noise } from '../../noise.ts';
import { streamKey } from '../../../shared/random.ts';
import { noiseStruct, stepGroups, stepStruct } from '../shaders/structs.ts';
import { adamw, afterStep, decays, noSteps, rateOf, type StepCounts } from '../../parameter-groups.ts';

export interface StepNumbers {
  /** Number of the step on the device, and its place in the ring of records. */
  readonly sequence: number;
  readonly record: number;
  readonly control: StepControl;
  readonly counts: StepCounts;
}

export class StepBlock {
  readonly #bytes: ArrayBuffer;
  readonly #floats: Float32Array;
  readonly #words: Uint32Array;
  readonly #gates: Float32Array;
  /** Null where branches are paired. */
  readonly #sides: Float32Array | null;
  readonly #labels: Uint32Array;
  readonly #places: Uint32Array;
  readonly #crops: Int32Array;
  /** Null where none are wanted, here and below. */
  readonly #turns: Int32Array | null;
  readonly #colours: Float32Array | null;
  readonly #erased: Uint32Array | null;
  readonly #cut: Uint32Array | null;
  readonly #targets: Float32Array | null;
  readonly #pairs: Uint32Array | null;
  #lastGates: Gates | null = null;

  constructor(
    private readonly memory: DeviceMemory,
    private readonly state: TrainingState,
  ) {
    const { stepBlock, regions, layout } = state;
    this.#bytes = new ArrayBuffer(stepBlock.bytes);
    this.#floats = new Float32Array(this.#bytes);
    this.#words = new Uint32Array(this.#bytes);
    this.#gates = new Float32Array(this.#bytes, regions.gates.offset, layout.columns);
    const sides = state.crossed && state.crossed.gates;
    this.#sides = sides && new Float32Array(this.#bytes, sides.offset, sides.bytes / 4);
    this.#labels = new Uint32Array(this.#bytes, regions.labels.offset, regions.labels.bytes / 4);
    this.#places = new Uint32Array(this.#bytes, regions.places.offset, regions.places.bytes / 4);
    this.#crops = new Int32Array(this.#bytes, regions.crops.offset, regions.crops.bytes / 4);
    const { turns, colours, erased, targets, pairs, cut } = regions;
    this.#turns = turns && new Int32Array(this.#bytes, turns.offset, turns.bytes / 4);
    const words = (region: Region): Uint32Array =>
      new Uint32Array(this.#bytes, region.offset, region.bytes / 4);
    this.#erased = erased && words(erased);
    this.#cut = cut && words(cut);
    this.#colours = colours && new Float32Array(this.#bytes, colours.offset, colours.bytes / 4);
    this.#targets = targets && new Float32Array(this.#bytes, targets.offset, targets.bytes / 4);
    this.#pairs = pairs && words(pairs);
  }

  /** Fills and uploads the block; `numbers` is null for a forward or gradient without an update. */
  write(layout: FlatLayout, gates: Gates, batch: Batch, images: number, numbers: StepNumbers | null): void {
    const { classes } = layout;
    const { labels, images: places, targets, mix, noise = noNoise } = batch;
    assert(
      labels.every((label) => label >= 0 && label < classes),
      () => `a label is not in 0..${classes - 1}`,
    );
    this.#words[stepStruct.at.images] = images;
    if (this.#lastGates !== gates) this.#packGates(gates);
    this.#lastGates = gates;
    this.#labels.set(labels);
    if (places !== undefined) this.#places.set(places);
    if (targets !== undefined) present(this.#targets, 'room for targets, as prepare was told').set(targets);
    if (isAugmented(batch) || mix !== undefined) this.#writeAugmentation(batch, labels.length);
    if (mix !== undefined) this.#writePairs(mix);
    this.#writeNoise(layout, noise, labels.length);
    if (numbers !== null) this.#writeNumbers(numbers);
    this.memory.write(wholeOf(this.state.stepBlock), this.#bytes);
  }

  /** Sums of crossed branches have their gates in them. */
  #packGates(gates: Gates): void {
    const { layout, stored } = this.state;
    packGates(layout, this.#sides === null ? gates : allOpen, this.#gates);
    if (this.#sides !== null) packSideGates(stored, gates, this.#sides);
  }

  /** Of what is absent that which changes nothing: the kernel computes all that `prepare` was told of. */
  #writeAugmentation({ crops, colours, erased }: Augmentation, images: number): void {
    const [turns, room, boxes] = [this.#turns, this.#colours, this.#erased];
    assert(colours === undefined || room !== null, 'room for colours, as prepare was told');
    assert(erased === undefined || boxes !== null, 'room for what is erased, as prepare was told');
    for (let i = 0; i < images; i++) {
      const { x, y, dx, dy, ex = 0, ey = 0 } = crops?.[i] ?? wholeImage;
      assert((ex === 0 && ey === 0) || turns !== null, 'room for rotations, as prepare was told');
      this.#crops.set([x, y, dx, dy], 4 * i);
      turns?.set([ex, ey], 2 * i);
      const { gain, mix, shift } = colours?.[i] ?? sameColour;
      room?.set([gain, ...mix, shift], 8 * i);
      boxes?.set(wordsOf(erased?.[i]), 4 * i);
    }
  }

  #writePairs({ partners, share, box }: Mix): void {
    assert(box === undefined || this.#cut !== null, 'room for a box, as prepare was told');
    this.#cut?.set(wordsOf(box));
    const pairs = present(this.#pairs, 'room for pairs, as prepare was told');
    const shares = new Float32Array(pairs.buffer, pairs.byteOffset, pairs.length);
    partners.forEach((partner, i) => {
      pairs[2 * i] = partner;
      shares[2 * i + 1] = share;
    });
  }

  #writeNoise(layout: FlatLayout, noise: Noise, images: number): void {
    const { paths, noise: dropout } = this.state.regions;
    assert(noise.path === 0 || paths !== null, 'room for paths, as prepare was told');
    assert(noise.input === 0 || dropout !== null, 'room for dropout, as prepare was told');
    if (paths !== null)
      for (let image = 0; image < images; image++)
        pathFactors(layout, noise, image).forEach((factor, place) => {
          this.#floats[present(paths[place], 'a path').offset / 4 + image] = factor;
        });
    if (dropout === null) return;
    const { at } = noiseStruct;
    const words = dropout.offset / 4;
    this.#words[words + at.seed] = noise.seed;
    this.#words[words + at.key] = streamKey('dropout');
    this.#words[words + at.step] = noise.step;
    this.#words[words + at.threshold] = dropThreshold(noise);
    this.#floats[words + at.kept] = 1 / (1 - noise.input);
  }

  /** Bias corrections are powers in float64, rounded once. */
  #writeNumbers({ sequence, record, control, counts }: StepNumbers): void {
    const { trains, weightDecay, clipNorm, scalarLimit } = control;
    const { at } = stepStruct;
    const steps = afterStep(noSteps, trains);
    this.#words[at.sequence] = sequence;
    this.#words[at.record] = record;
    this.#words[at.learns] = stepGroups.reduce((bits, group, i) => bits | (steps[group] << i), 0);
    this.#floats[at.clipNorm] = clipNorm;
    this.#floats[at.scalarLimit] = scalarLimit;
    stepGroups.forEach((group, i) => {
      const corrections = [1 - adamw.beta1 ** counts[group], 1 - adamw.beta2 ** counts[group]];
      const own = [rateOf(group, control), decays(group) ? weightDecay : 0, ...corrections];
      this.#floats.set(own, at.groups + 4 * i);
    });
  }
}

/** A box as the kernel takes it; an empty one where there is none. */
function wordsOf(box: Box | null | undefined): readonly number[] {
  return box == null ? [0, 0, 0, 0] : [box.left, box.top, box.right, box.bottom];
}
