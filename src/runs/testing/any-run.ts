// Saved runs of random content, and one that is always the same: for the tests of whatever writes or reads
// them.
import fc from 'fast-check';
import type { AdaptedModule, Adapter, Moments } from '../../dmlora/adapter.ts';
import { parametersOf } from '../../dmlora/adapter.ts';
import { recipeDefaults } from '../../recipe/recipe.ts';
import { ndArray } from '../../shared/array.ts';
import type { ImageAnswers, Metrics } from '../../train/evaluation.ts';
import type { Dropped } from '../../train/dropped.ts';
import type { DropRecord } from '../../train/run-record.ts';
import type { RunState, Validated } from '../../train/run-state.ts';
import type { RunFacts, SavedRun } from '../saved-run.ts';

const count = fc.nat({ max: 1e6 });
/** Every number there is: also those that JSON does not know. */
const number = fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, -Infinity, -0));
const metrics: fc.Arbitrary<Metrics> = fc.record({ loss: number, accuracy: number });
const name = fc.oneof(
  fc.constantFrom('blocks.0.q', 'blocks.11.fc2', '__proto__', 'constructor', 'toString'),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
);

/** Any float32 bits, a NaN's payload too. */
const floats = (length: number): fc.Arbitrary<Float32Array> =>
  fc
    .array(fc.nat({ max: 0xffffffff }), { minLength: length, maxLength: length })
    .map((bits) => new Float32Array(Uint32Array.from(bits).buffer));
const array = (...shape: number[]) =>
  floats(shape.reduce((a, b) => a * b, 1)).map((data) => ndArray(shape, data));

const head = fc.record({ weight: array(2, 3), bias: array(2) });
const branch = fc.record({ index: fc.nat({ max: 7 }), A: array(2, 3), B: array(4, 2) });
const fading = fc.record({
  from: fc.nat(99),
  until: fc.nat(99),
  gate: fc.double({ min: 0, max: 1, noNaN: true }),
});
const liveBranch = fc
  .tuple(branch, fc.option(fading, { nil: undefined }))
  .map(([one, faded]) => (faded === undefined ? one : { ...one, fading: faded }));
const modules: fc.Arbitrary<AdaptedModule[]> = fc.uniqueArray(
  fc.record(
    {
      name,
      scalar: number,
      scaling: fc.record({ by: fc.constantFrom('lora', 'rslora'), alpha: number }),
      crossed: fc.constant<true>(true),
      branches: fc.uniqueArray(liveBranch, { maxLength: 3, selector: ({ index }) => index }),
      absorbed: fc.record({ A: array(3, 3), B: array(4, 3) }),
    },
    { requiredKeys: ['name', 'scalar', 'branches'] },
  ),
  { maxLength: 3, selector: ({ name: key }) => key },
);
const backbone = fc
  .record(
    { 'norm.weight': array(3), 'blocks.1.q.weight': array(3, 3), pos_embed: array(1, 2, 3) },
    { requiredKeys: [] },
  )
  .map((of) => new Map(Object.entries(of)));
const bare: fc.Arbitrary<Adapter> = fc.record(
  {
    modules,
    head,
    backbone,
    moments: fc.constant(new Map<string, Moments>()),
  },
  { requiredKeys: ['modules', 'head', 'moments'] },
);
const trained: fc.Arbitrary<Adapter> = bare.chain((adapter) => {
  const parameters = [...parametersOf(adapter)];
  return fc
    .tuple(
      ...parameters.map(([, { data }]) =>
        fc.option(fc.record({ m: floats(data.length), v: floats(data.length), steps: count })),
      ),
    )
    .map((all) => ({
      ...adapter,
      moments: new Map(
        all.flatMap((moments, i) => {
          const key = parameters[i]?.[0];
          return moments === null || key === undefined ? [] : [[key, moments] as const];
        }),
      ),
    }));
});

const drop: fc.Arbitrary<DropRecord> = fc.record({
  step: count,
  module: name,
  branch: fc.nat({ max: 7 }),
  strength: number,
  lossBefore: number,
  lossAfter: number,
});
const drops = fc.array(drop, { maxLength: 3 });
const dropped: fc.Arbitrary<Dropped[]> = fc.uniqueArray(
  fc.record({
    step: count,
    module: name,
    branch,
    rankBefore: number,
    rankAfter: number,
    closeness: number,
    closenessOfAll: number,
  }),
  { maxLength: 3, selector: ({ module, branch: { index } }) => `${index} ${module}` },
);

/** A validated state: of an adapter of its own, or of one that the state holds already. */
const validatedOf = (held: readonly Adapter[]): fc.Arbitrary<Validated | null> =>
  fc.option(
    fc.record({
      step: count,
      validation: metrics,
      answers: fc.constant(null), // as many as there are validation images: see anyRun
      drops,
      adapter: fc.oneof(bare, ...held.map((adapter) => fc.constant({ ...adapter, moments: new Map() }))),
    }),
  );

const verdict = fc.option(
  fc.record({
    keptStep: count,
    scalarsKept: fc.option(fc.boolean()),
    learnedScalars: fc.option(fc.dictionary(fc.constantFrom('blocks.0.q', 'blocks.11.fc2'), number)),
    diverged: fc.option(
      fc.record({
        kind: fc.constant('diverged' as const),
        step: count,
        why: fc.constantFrom('far', 'lost', 'not-finite'),
        loss: fc.option(number),
        startLoss: number,
        rate: fc.record({
          field: fc.constantFrom('learningRate', 'headRate', 'scalarRate'),
          now: fc.double({ noNaN: true, noDefaultInfinity: true }),
          advised: fc.double({ noNaN: true, noDefaultInfinity: true }),
        }),
        keptStep: fc.option(count),
      }),
    ),
  }),
);

const state: fc.Arbitrary<RunState> = fc.tuple(trained, fc.nat({ max: 5 })).chain(([adapter, step]) =>
  validatedOf([adapter]).chain((best) =>
    validatedOf([adapter, ...(best === null ? [] : [best.adapter])]).chain((stage1End) =>
      fc.record({
        step: fc.constant(step),
        stage: fc.constantFrom(1, 2),
        adapter: fc.constant(adapter),
        dropEvents: count,
        drops,
        dropped,
        probe: fc.option(
          fc.record({ strength: number, validation: metrics, test: fc.option(metrics), head }),
        ),
        losses: floats(step),
        correct: floats(step),
        gradientNorms: floats(step),
        evaluations: fc.array(fc.record({ step: count, validation: metrics }), { maxLength: 3 }),
        growth: fc.array(fc.record({ step: count, values: floats(4 * adapter.modules.length) }), {
          maxLength: 2,
        }),
        validation: fc.option(metrics),
        answers: fc.constant(null),
        best: fc.constant(best),
        stage1End: fc.constant(stage1End),
        overflow: fc.option(count),
        rateChanges: fc.array(
          fc.record({
            step: count,
            field: fc.constantFrom('learningRate', 'headRate', 'scalarRate'),
            from: fc.constantFrom(0.3, 1e-5),
            to: fc.constantFrom(0.03, 1e-6),
          }),
          { maxLength: 2 },
        ),
        verdict,
        test: fc.option(metrics),
        seconds: fc.double({ min: 0, noNaN: true }),
        stepSeconds: fc.double({ min: 0, noNaN: true }),
        peakBufferBytes: count,
      }),
    ),
  ),
);

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const three = fc.tuple(finite, finite, finite);
const hex = (digits: number): fc.Arbitrary<string> =>
  fc
    .array(fc.nat({ max: 15 }), { minLength: digits, maxLength: digits })
    .map((all) => all.map((digit) => digit.toString(16)).join(''));
const text = fc.string({ unit: 'grapheme', maxLength: 30 });

const facts: fc.Arbitrary<RunFacts> = fc
  .record({
    train: fc.nat({ max: 4 }),
    validation: fc.nat({ max: 4 }),
    test: fc.nat({ max: 4 }),
  })
  .chain((counts) => {
    const images = counts.train + counts.validation + counts.test;
    return fc.record({
      name: text,
      ofFolds: fc.boolean(),
      begunAt: count,
      savedAt: count,
      build: text,
      recipe: fc.record({ seed: fc.nat({ max: 1000 }) }).map((some) => ({ ...recipeDefaults, ...some })),
      plan: fc.record({
        steps: count,
        batch: count,
        stepsPerEpoch: fc.double({ min: 0.01, max: 1e6, noNaN: true }),
        stage2: count,
        dropSteps: fc.array(count, { maxLength: 3 }),
      }),
      device: fc.record({
        engine: fc.constantFrom('autodiff', 'kernels'),
        backend: fc.constantFrom('webgpu', 'wasm', 'cpu'),
        adapter: text,
        tiles: fc.option(fc.dictionary(fc.constantFrom('8x8x8x1', '16x16x4x2'), text)),
        memory: fc.option(
          fc.record({
            microBatch: count,
            recomputedBlocks: count,
            storage: fc.constantFrom('f32', 'f16'),
            arithmetic: fc.constantFrom('float32', 'float16'),
          }),
        ),
      }),
      model: fc.record({
        title: text,
        sha256: hex(64),
        startSha256: fc.option(hex(64)),
        bytes: count,
        imageSize: count,
        normalisation: fc.record({ rescale: finite, mean: three, std: three }),
        origin: fc.record({ hubId: fc.option(text), revision: fc.option(text), licence: fc.option(text) }),
        hub: fc.option(fc.record({ host: text, id: text, commit: text, licence: fc.option(text) })),
        kept: fc.option(hex(64)),
      }),
      images: fc.record({
        title: text,
        classes: fc.array(text, { minLength: 3, maxLength: 3 }),
        ids: fc.array(hex(64), { minLength: images, maxLength: images }),
        labels: fc
          .array(fc.nat({ max: 2 }), { minLength: images, maxLength: images })
          .map((all) => Int32Array.from(all)),
        origins: fc.option(
          fc
            .array(fc.nat({ max: 9 }), { minLength: images, maxLength: images })
            .map((all) => Int32Array.from(all)),
        ),
        ties: fc.option(
          fc
            .array(fc.integer({ min: -1, max: 9 }), { minLength: images, maxLength: images })
            .map((all) => Int32Array.from(all)),
        ),
        folds: fc.option(
          fc
            .array(fc.integer({ min: -1, max: 9 }), { minLength: images, maxLength: images })
            .map((all) => Int32Array.from(all)),
        ),
        named: fc.option(
          fc
            .array(fc.integer({ min: -1, max: 2 }), { minLength: images, maxLength: images })
            .map((all) => Int32Array.from(all)),
        ),
        counts: fc.constant(counts),
        reading: text,
        splitBy: fc.constantFrom('folders', 'seed'),
        findings: fc.array(
          fc.record({ kind: fc.constantFrom('grey-16', 'cmyk', 'turned'), images: count, text }),
          { maxLength: 2 },
        ),
        pixels: fc.record({
          key: text,
          imageBytes: count,
          maker: text,
          grey16: fc.constantFrom(
            null,
            { kind: 'image', percentiles: [1, 99] } as const,
            { kind: 'set', percentiles: [1, 99], low: 12.25, high: 4000 } as const,
          ),
        }),
      }),
    });
  });

const answersTo = (images: number): fc.Arbitrary<ImageAnswers | null> =>
  fc.option(
    fc.record({
      answer: fc
        .array(fc.nat({ max: 2 }), { minLength: images, maxLength: images })
        .map((all) => Int32Array.from(all)),
      loss: floats(images),
    }),
  );

export const anyRun: fc.Arbitrary<SavedRun> = fc
  .record({ facts, state })
  .chain(({ facts: about, state: { best, stage1End, ...rest } }) => {
    const answers = answersTo(about.images.counts.validation);
    return fc.tuple(answers, answers, answers).map(([own, ofBest, ofStage1]) => ({
      facts: about,
      state: {
        ...rest,
        answers: own,
        best: best === null ? null : { ...best, answers: ofBest },
        stage1End: stage1End === null ? null : { ...stage1End, answers: ofStage1 },
      },
    }));
  });

const series = (length: number, from: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.fround((from + i) / 7));
const fixedAdapter = (from: number): Adapter => ({
  modules: ['blocks.0.q', 'blocks.0.v'].map((key, i) => ({
    name: key,
    scalar: 1 + i / 3,
    branches: [0, 2].map((index) => ({
      index,
      A: ndArray([2, 3], series(6, from + index)),
      B: ndArray([3, 2], series(6, from - index)),
    })),
  })),
  head: { weight: ndArray([2, 3], series(6, from + 50)), bias: ndArray([2], series(2, from + 60)) },
  moments: new Map(),
});

/** The run of testdata/checkpoints/: what a file of any version that Graft ever wrote must still give. */
export const fixedRun: SavedRun = (() => {
  const adapter = fixedAdapter(1);
  const moments = new Map(
    [...parametersOf(adapter)].map(([key, { data }]) => [
      key,
      { m: series(data.length, 70), v: series(data.length, 80), steps: 3 },
    ]),
  );
  const evaluations = [0, 2].map((step) => ({ step, validation: { loss: 1 / (step + 1), accuracy: 0.5 } }));
  const drops = [
    { step: 2, module: 'blocks.0.q', branch: 1, strength: 0.25, lossBefore: 0.5, lossAfter: Infinity },
  ];
  const answers = { answer: Int32Array.of(1), loss: Float32Array.of(0.75) };
  const best = { step: 2, validation: { loss: 1 / 3, accuracy: 0.5 }, answers, drops, adapter };
  return {
    facts: {
      name: 'Größe “fünf” 🌱',
      ofFolds: false,
      begunAt: 1_790_000_000_000,
      savedAt: 1_790_000_060_000,
      build: '0123456789ab',
      recipe: { ...recipeDefaults, steps: 8, batch: 2, seed: 5 },
      plan: { steps: 8, batch: 2, stepsPerEpoch: 1.5, stage2: 6, dropSteps: [2, 4] },
      device: {
        engine: 'kernels',
        backend: 'webgpu',
        adapter: 'a GPU',
        tiles: { '8x8x8x1': '4x4' },
        memory: { microBatch: 2, recomputedBlocks: 0, storage: 'f32', arithmetic: 'float32' },
      },
      model: {
        title: 'tiny',
        sha256: 'ab'.repeat(32),
        startSha256: null,
        bytes: 1234,
        imageSize: 32,
        normalisation: { rescale: 1 / 255, mean: [0.5, 0.4, 0.3], std: [0.5, 0.5, 0.25] },
        origin: { hubId: 'ann/tiny', revision: 'main', licence: 'mit' },
        hub: { host: 'huggingface.co', id: 'ann/tiny', commit: 'c0ffee', licence: 'mit' },
        kept: null,
      },
      images: {
        title: 'leaves',
        classes: ['ash', '__proto__'],
        ids: ['01', '23', '45', '67'].map((digits) => digits.repeat(32)),
        labels: Int32Array.of(0, 1, 0, 1),
        origins: null,
        ties: null,
        folds: null,
        named: null,
        counts: { train: 3, validation: 1, test: 0 },
        reading: '2 classes from the names of folders.',
        splitBy: 'seed',
        findings: [{ kind: 'cmyk', images: 1, text: 'One is in CMYK.' }],
        pixels: { key: 'a key', imageBytes: 3072, maker: 'a browser', grey16: null },
      },
    },
    state: {
      step: 3,
      stage: 1,
      adapter: { ...fixedAdapter(20), moments },
      dropEvents: 1,
      drops,
      dropped: [
        {
          ...{ step: 2, module: 'blocks.0.q', rankBefore: 3.5, rankAfter: 2.25 },
          ...{ closeness: 0.125, closenessOfAll: NaN },
          branch: { index: 1, A: ndArray([2, 3], series(6, 40)), B: ndArray([3, 2], series(6, 41)) },
        },
      ],
      probe: {
        strength: 0.1,
        validation: { loss: 1, accuracy: 0.5 },
        test: null,
        head: { weight: ndArray([2, 3], series(6, 90)), bias: ndArray([2], series(2, 95)) },
      },
      losses: series(3, 10),
      correct: Float32Array.of(0, 1, 2),
      gradientNorms: series(3, 30),
      evaluations,
      growth: [],
      validation: null,
      answers: null,
      best,
      stage1End: best,
      overflow: null,
      rateChanges: [{ step: 2, field: 'learningRate', from: 0.1, to: 0.01 }],
      verdict: null,
      test: null,
      seconds: 1.25,
      stepSeconds: 1,
      peakBufferBytes: 4096,
    },
  };
})();

/** A state in a saved run whose facts count as many validation images and classes as it answered. */
export function savedState(state: RunState): SavedRun {
  const answers = [state, state.best, state.stage1End].flatMap((one) => one?.answers ?? []);
  const count = answers[0]?.answer.length ?? 0;
  const { images, ...facts } = fixedRun.facts;
  return {
    state,
    facts: {
      ...facts,
      images: {
        ...images,
        classes: Array.from(state.adapter.head.bias.data, (_, id) => String(id)),
        ids: Array.from({ length: count }, (_, i) => i.toString(16).padStart(64, '0')),
        labels: new Int32Array(count),
        counts: { train: 0, validation: count, test: 0 },
      },
    },
  };
}
