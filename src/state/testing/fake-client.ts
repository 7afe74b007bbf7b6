// A trainer client without a worker, for tests and for looking at the page: answers every command of the
// protocol and plays a run that looks like a recorded one. Not shipped: nothing of the app imports it.
import { asItIs, type Counterfactual } from '../../dmlora/counterfactual.ts';
import { dropSteps as plannedDrops } from '../../dmlora/drop-plan.ts';
import { stage2Step as plannedStage2 } from '../../dmlora/stages.ts';
import { targetSets } from '../../dmlora/targets.ts';
import type { Recipe } from '../../recipe/options.ts';
import { readRecipe } from '../../recipe/read-recipe.ts';
import { recipeDefaults } from '../../recipe/recipe.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import { pairedChange } from '../../understand/paired.ts';
import type { TrainerClient } from '../../worker/client.ts';
import { answersOf, figuresAmong, listedLike, noise } from './fake-figures.ts';
import { editImages, galleryOf } from '../../worker/edit-images.ts';
import type { OpenData } from '../../worker/open-data.ts';
import type {
  BranchFigures,
  CommandName,
  Commands,
  DataSummary,
  DivergedFault,
  DropRecord,
  ExportFormat,
  Fault,
  FormatExport,
  Hello,
  ImageCheck,
  LabelCheck,
  ListedRun,
  ModelSummary,
  ModuleView,
  Phase,
  RunEnd,
  RunList,
  RunForecast,
  RunResult,
  RunSummary,
  SplitName,
  SuggestedModel,
  TrainerEvent,
} from '../../worker/protocol.ts';
import { imagesLike, stepLike } from './fake-images.ts';

export interface FakeOptions {
  readonly gpu?: Hello['gpu'];
  readonly depth?: number;
  readonly steps?: number;
  /** The step after which the run ends by itself. */
  readonly endsAt?: number;
  readonly data?: Partial<DataSummary>;
  /** The step at which the run fails. */
  readonly failsAt?: number;
  readonly fault?: Fault;
  readonly recipe?: (recipe: Recipe) => Recipe;
  readonly scalarsKept?: boolean;
  readonly keptStep?: number;
  readonly diverged?: DivergedFault;
  /** Why models of the Hub cannot be opened. */
  readonly hubFault?: Fault;
  /** What a run is foretold to take. */
  readonly forecast?: RunForecast;
  /** What is found among the images. */
  readonly check?: ImageCheck;
  readonly labelCheck?: LabelCheck;
  /** A format whose proof fails. */
  readonly refuses?: ExportFormat;
  /** The classes of what a result answers. */
  readonly classes?: readonly string[];
  /** Runs that are kept on the machine, and what is said of one that is opened. */
  readonly runs?: readonly ListedRun[];
  readonly notes?: readonly string[];
  /** Those of them that were saved before answers were kept. */
  readonly silentRuns?: readonly string[];
}

export interface FakeClient extends TrainerClient {
  /** Plays the run up to a step, as far as it is not paused. */
  play(steps: number): void;
  /** Every command that was sent; what the page asks by itself after a while (`estimate`) is left out. */
  readonly sent: readonly { readonly name: CommandName; readonly input: unknown }[];
  emit(event: TrainerEvent): void;
}

const suggested: readonly SuggestedModel[] = [
  {
    id: 'ann/vit-tiny',
    title: 'ViT-Tiny',
    parameters: 5.7e6,
    bytes: 22.9e6,
    licence: 'Apache-2.0',
    imageSize: 224,
    work: 7,
    goodFor: 'Photographs of any kind.',
  },
];

/** A picture that is not like its neighbours. */
const pictureOf = (image: number): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96"><rect width="96" height="96" fill="hsl(${(image * 47) % 360} 45% 60%)"/><circle cx="${20 + ((image * 13) % 56)}" cy="${20 + ((image * 29) % 56)}" r="${12 + (image % 17)}" fill="hsl(${(image * 91) % 360} 60% 35%)"/></svg>`;

export function createFakeClient(
  onEvent: (event: TrainerEvent) => void,
  options: FakeOptions = {},
): FakeClient {
  const sent: { name: CommandName; input: unknown }[] = [];
  const depth = options.depth ?? 12;
  const steps = options.steps ?? 250;
  const recipe = options.recipe?.(recipeDefaults) ?? recipeDefaults;
  const { branches, targets } = recipe.dmlora;
  const kinds = branches === 0 ? [] : targetSets[targets];
  const names = Array.from({ length: depth }, (_, block) =>
    kinds.map((kind) => `blocks.${block}.${kind}`),
  ).flat();
  const dropSteps = plannedDrops(recipe.dmlora, steps);
  const stage2Step = plannedStage2(recipe.dmlora, steps);
  const stepsPerEpoch = steps / 10;
  let phase: Phase = { kind: 'idle' };
  let step = 0;
  let drops: DropRecord[] = [];

  const become = (next: Phase): void => {
    phase = next;
    onEvent({ kind: 'phase', phase });
  };
  const lossAt = (at: number): number => 2.3 * Math.exp((-3 * at) / steps) + 0.25;
  const droppedAt = (module: number, branch: number): number | null => {
    // Each module loses its branches in an order of its own.
    const order = Array.from({ length: branches }, (_, k) => k).sort(
      (a, b) => noise(module, a) - noise(module, b),
    );
    const at = dropSteps[order.indexOf(branch)];
    return at !== undefined && at <= step ? at : null;
  };
  const modules = (isRanked = false): ModuleView[] =>
    names.map((module, m) => ({
      ...(isRanked
        ? { rank: (step === 0 ? 0 : 3 + 9 * (1 - step / steps)) * (0.8 + 0.4 * noise(m, 30)) }
        : {}),
      module,
      scalar: 1 + (step > stage2Step ? ((step - stage2Step) / steps) * (noise(m, 99) - 0.3) : 0),
      branches: Array.from({ length: branches }, (_, index) => {
        const gone = droppedAt(m, index);
        return { index, droppedAt: gone, strength: ((gone ?? step) / steps) * (0.2 + noise(m, index)) };
      }),
    }));
  const metrics = (at: number) => ({
    loss: lossAt(at) + 0.08,
    accuracy: 1 - 0.9 * Math.exp((-3 * at) / steps),
    ...(recipe.classBalance === 'none' ? {} : { recall: 1 - 0.95 * Math.exp((-2.4 * at) / steps) }),
  });
  const evaluate = (): void => {
    onEvent({ kind: 'branches', step, modules: modules(true) });
    onEvent({ kind: 'evaluated', step, epoch: step / stepsPerEpoch, validation: metrics(step) });
  };

  function oneStep(): void {
    if (dropSteps.includes(step)) {
      const event = names.map((module, m): DropRecord => {
        const branch =
          Array.from({ length: branches }, (_, k) => k).find((k) => droppedAt(m, k) === step) ?? 0;
        return {
          step,
          module,
          branch,
          strength: 0.2,
          lossBefore: lossAt(step),
          lossAfter: lossAt(step) + 0.021,
        };
      });
      drops = [...drops, ...event];
      onEvent({ kind: 'dropped', drops: event });
      onEvent({ kind: 'branches', step, modules: modules() });
    }
    if (step === 0) evaluate();
    const row = {
      step,
      loss: lossAt(step) + 0.35 * (noise(step, 1) - 0.5),
      accuracy: Math.min(1, Math.max(0, metrics(step).accuracy + 0.2 * (noise(step, 2) - 0.5))),
      learningRate:
        1e-3 * Math.min(1, (step + 1) / (0.1 * steps)) * 0.5 * (1 + Math.cos((Math.PI * step) / steps)),
      gradientNorm: 1 + noise(step, 3),
    };
    step++;
    onEvent({
      kind: 'steps',
      rows: [row],
      imagesPerSecond: 480 + 30 * noise(step, 4),
      secondsPerStep: 0.066,
      secondsLeft: step < 5 ? null : (steps - step) * 0.066,
      memory: { bufferBytes: 120e6, peakBufferBytes: 182e6, count: 900 },
    });
    if (step % Math.round(stepsPerEpoch) === 0 || step === stage2Step) evaluate();
    if (step >= (options.endsAt ?? steps)) become({ kind: 'finished', step, steps, end: ended() });
    else if (step === options.failsAt)
      become({
        kind: 'failed',
        fault: options.fault ?? { kind: 'device-lost', step, detail: 'The graphics driver was restarted.' },
        step,
        resumable: true,
      });
    else become({ kind: 'training', stage: step < stage2Step ? 1 : 2, step, steps });
  }

  const summary = (): RunSummary => ({
    engine: {
      engine: 'autodiff',
      backend: options.gpu?.kind === 'absent' ? 'wasm' : 'webgpu',
      adapter: options.gpu?.kind === 'absent' ? 'WebAssembly with SIMD' : 'nvidia ampere',
      software: options.gpu?.kind === 'present' && options.gpu.software,
      fallback: options.gpu?.kind === 'absent' ? 'WebGPU is not available' : null,
      gpu: null,
      tuning: null,
      stepsInFlight: 1,
    },
    recipe,
    steps,
    batch: recipe.batch,
    stepsPerEpoch,
    dropSteps,
    stage2Step,
    modules: modules(),
    classes: ['a', 'b'],
    images: { set: data.edits.set, version: data.edits.version },
    trainImages: 800,
    validationImages: 200,
    memoryPlan: null,
    flopsPerStep: 1e9,
  });
  const ended = (): RunEnd =>
    step >= steps ? 'all-steps' : step === options.endsAt ? 'no-better' : 'stopped';
  const result = (): RunResult => ({
    engine: 'autodiff',
    backend: 'webgpu',
    adapter: 'nvidia ampere',
    gpu: null,
    tuning: null,
    model: 'Graft Sprout 64',
    classes: ['a', 'b'],
    trainImages: 800,
    validationImages: 200,
    testImages: 1000,
    steps: step,
    seconds: 38,
    secondsPerStep: 0.066,
    peakBufferBytes: 182e6,
    initialValidation: metrics(0),
    probe: { strength: 1, validation: metrics(0), test: { loss: 0.9, accuracy: 0.744 } },
    validation: metrics(step),
    test: { loss: 0.5, accuracy: 0.861 },
    drops,
    rateChanges: [],
    scalars: {},
    end: ended(),
    keptStep: options.keptStep ?? step,
    scalarsKept: options.scalarsKept ?? true,
    diverged: options.diverged ?? null,
    learnedScalars: Object.fromEntries(modules().map(({ module, scalar }) => [module, scalar])),
  });
  const model: ModelSummary = {
    title: 'Graft Sprout 64',
    family: 'ViT (Hugging Face names)',
    config: {
      ...{ imageSize: 64, patchSize: 8, dim: 192, depth, heads: 3, mlpDim: 768, layerNormEps: 1e-6 },
      ...{ prefixTokens: 1, pool: 'cls', meanFrom: 1, finalNorm: 'tokens', preNorm: false },
      ...{ activation: 'gelu', layerScale: false },
    },
    imageSizes: [32, 48, 64, 96, 128],
    parameters: 2_719_296,
    bytes: 5_451_014,
    dtype: 'float16',
    labels: [],
    preprocessing: 'Resized to 64 x 64 pixels.',
    notes: ['A new head is made for the classes of the images.'],
  };
  let data: DataSummary = {
    title: 'images',
    classes: ['Ankle boot', '<b>bold</b>', '__proto__', 'قطة', '猫'].map((name, i) => ({
      name,
      counts: { train: 80, validation: 20, test: 100 },
      samples: [i * 4, i * 4 + 1],
    })),
    images: 1000,
    reading: { sentence: '5 classes from the names of folders.', choices: [] },
    splitBy: 'seed',
    isDrawn: true,
    together: null,
    edits: { set: 1, version: 1, inForce: 0, excluded: 0, undo: null, redo: null },
    rejected: [],
    warnings: [],
    pixels: [],
    ignored: [],
    fault: null,
    ...options.data,
  };

  /** Made when somebody looks through them or edits them. */
  let images: OpenData | null = null;
  const opened = (): OpenData => (images ??= imagesLike(data));

  let runs = options.runs ?? [];
  /** What model and images that are open are called. */
  const open = { model: model.title, images: data.title };
  const list = (): RunList => ({ runs, modelBytes: 5_451_014 });
  const wrong = (command: string): Result<null> => fail({ kind: 'wrong-phase', command, phase: phase.kind });
  const answers: { [K in CommandName]: (input: Commands[K]['input']) => Result<Commands[K]['output']> } = {
    hello: () =>
      ok({
        protocol: 1,
        build: 'fake',
        gpu: options.gpu ?? { kind: 'present', name: 'nvidia ampere', software: false },
      }),
    openModel: ({ title, source, imageSize }) => {
      if (source.kind === 'hub' && options.hubFault !== undefined) return fail(options.hubFault);
      open.model = title;
      const config = { ...model.config, imageSize: imageSize ?? model.config.imageSize };
      return ok({ ...model, title, config });
    },
    adapterOffer: () => ok({ kind: 'branches', needs: [{ block: 0, linear: 'q', rank: 8 }] }),
    sortHandles: ({ handles }) => ok({ model: [], images: { title: handles[0]?.name ?? '' } }),
    openData: ({ title }) => {
      open.images = options.data?.title ?? title;
      return ok({ ...data, title: open.images });
    },
    splitData: () => ok(data),
    editImages: ({ change }) => {
      const edited = editImages(opened(), { set: opened().summary.edits.set, change });
      if (!edited.ok) return edited;
      images = edited.value;
      const { summary } = images;
      // Numbers of their own: 1 as it was read.
      const version = summary.edits.inForce === 0 ? 1 : 1 + summary.edits.version;
      data = { ...data, ...summary, reading: data.reading, edits: { ...summary.edits, set: 1, version } };
      return ok(data);
    },
    gallery: () => ok({ ...galleryOf(opened(), null), set: data.edits.set, version: data.edits.version }),
    writeSet: ({ as }) => ok(new Blob([as])),
    imagePaths: () => ok(opened().images.map(({ path }) => path)),
    thumbnails: () => ok([]),
    restAhead: () => ok(null),
    galleryPictures: ({ images: asked }) =>
      ok(
        asked.map((image) => ({ image, url: `data:image/svg+xml,${encodeURIComponent(pictureOf(image))}` })),
      ),
    checkLabels: () => ok(options.labelCheck ?? { checked: 30, doubts: [] }),
    checkImages: () => ok(options.check ?? { checked: 30, total: 30, findings: [] }),
    viewStep: (asked) => ok(stepLike(opened(), asked, steps)),
    start: ({ queued, recipe: asked }) => {
      const read = readRecipe(asked);
      if (queued !== undefined && read.ok)
        runs = [...runs, listedLike(queued, open, data, read.value, steps)];
      step = 0;
      drops = [];
      become({ kind: 'preparing', part: 'decode', what: 'Decoding images', done: 0, total: 1 });
      become({ kind: 'training', stage: 1, step, steps });
      return ok(summary());
    },
    estimate: () => ok(options.forecast ?? { kind: 'unknown', isMeasuring: false }),
    pause: () => {
      if (phase.kind !== 'training') return wrong('pause');
      become({ kind: 'paused', stage: phase.stage, step, steps });
      return ok(null);
    },
    resume: () => {
      if (phase.kind !== 'paused' && phase.kind !== 'failed') return wrong('resume');
      become({ kind: 'training', stage: 1, step, steps });
      return ok(null);
    },
    step: () => {
      if (phase.kind !== 'paused') return wrong('step');
      oneStep();
      become({ kind: 'paused', stage: step < stage2Step ? 1 : 2, step, steps });
      return ok(null);
    },
    stop: () => {
      become({ kind: 'finished', step, steps, end: ended() });
      return ok(null);
    },
    result: () => ok(result()),
    cancelTransfer: () => ok(null),
    suggestedModels: () => ok(suggested),
    cachedModels: () => ok([]),
    deleteCached: () => ok([]),
    offerDataSet: ({ dataSet }) =>
      ok({
        ...{ id: dataSet, subset: null, pinned: `${dataSet}@${'0'.repeat(40)}`, files: 3, bytes: 180e6 },
        ...{ missing: 120e6, licence: 'mit', notes: [] },
      }),
    storedPixels: () => ok({ bytes: 0, isFull: false }),
    deletePixels: () => ok({ bytes: 0, isFull: false }),
    pushToHub: ({ repository, address }) => ok({ url: `${address}/${repository}`, commit: '0'.repeat(40) }),
    chanceError: () => ok(0.021),
    exportModel: ({ formats, tempered }) =>
      ok({
        temperature: tempered
          ? {
              ...{ temperature: 1.43, images: 200 },
              ...{ loss: { before: 0.41, after: 0.37 }, calibrationError: { before: 0.081, after: 0.023 } },
            }
          : null,
        formats: formats.map((format): FormatExport =>
          options.refuses === format
            ? { format, files: [], proof: null, refused: 'timm’s ViT cannot hold this model.', note: null }
            : {
                format,
                files: ['model.safetensors', 'config.json', 'README.md'].map((name) => ({
                  name,
                  blob: new Blob([name]),
                })),
                proof: {
                  images: 64,
                  of: 200,
                  maxLogitDifference: 1.9e-6,
                  maxLogit: 8.1,
                  sameAnswers: 64,
                  tolerance: 8.1e-4,
                  onSample: metrics(step),
                  sameWeightsAs: format === 'timm' ? 'hf' : null,
                  graphImages: format.startsWith('onnx') ? 4 : 0,
                },
                refused: null,
                note: null,
              },
        ),
        result: result(),
      }),
    saveRun: () => ok(null),
    savedRuns: () => ok(list()),
    runFigures: ({ id }) => figuresAmong(runs, id, options.silentRuns),
    openRun: ({ id, then }) => {
      const run = runs.find((known) => known.id === id);
      if (run === undefined) return fail({ kind: 'storage', why: 'unavailable', detail: 'It is gone.' });
      step = run.step;
      become({ kind: 'preparing', part: 'engine', what: 'Preparing the engine', done: 0, total: 1 });
      evaluate();
      if (then === 'end' || run.finished) become({ kind: 'finished', step, steps, end: ended() });
      else become({ kind: then === 'pause' ? 'paused' : 'training', stage: 1, step, steps });
      const { name, recipe: of } = run;
      const its = { model: { ...model, title: run.model }, data: { ...data, title: run.images } };
      const opened = { ...summary(), recipe: of };
      const ofFolds = name.includes(', fold ');
      return ok({ id, name, ofFolds, summary: opened, ...its, notes: options.notes ?? [] });
    },
    renameRun: ({ id, name }) => {
      runs = runs.map((run) => (run.id === id ? { ...run, name } : run));
      return ok(list());
    },
    deleteRun: ({ id, undo }) => {
      runs = runs.map((run) => (run.id === id ? { ...run, deleted: !undo } : run));
      return ok(list());
    },
    runFile: () => ok(new Blob(['run'])),
    takeRun: () => ok({ id: runs[0]?.id ?? '', list: list() }),
    clearStorage: () => ok(null),
    cancelExport: () => ok(null),
    proofFile: () => ok(new Blob(['proof'])),
    ask: ({ set }) => ok(answersOf(set, options.classes)),
    openToTry: ({ from }) =>
      from.kind === 'files' && !from.files.some(({ path }) => /safetensors|zip/.test(path))
        ? fail({ kind: 'bad-file', name: from.title, why: 'weights-missing', detail: 'No weights.' })
        : ok({
            title: from.kind === 'files' ? from.title : from.kind === 'open' ? model.title : 'leaves',
            classes: ['cat', 'dog'],
            step: from.kind === 'saved' ? 120 : null,
          }),
    tryImages: ({ files, who }) => {
      const classes = who === 'model' ? ['cat', 'dog'] : (options.classes ?? ['a', 'b']);
      const row = (i: number, sure: number): Float32Array =>
        Float32Array.from(classes, (_, id) => sure * noise(i, 40 + id));
      return ok({
        ...{ classes, step: who === 'run' ? step : null, preparedMs: 12, askedMs: 30 },
        images: files.map(({ path }, i) =>
          path.endsWith('.txt')
            ? { path, logits: null, probe: null, why: 'No image, by its first bytes.' }
            : { path, logits: row(i, 8), probe: who === 'run' ? row(i, 4) : null, why: null },
        ),
      });
    },
    whatIf: ({ set, what }) => ok(imaginedAnswers(set, what)),
    removals: ({ from }) => {
      // A part a call, so that a page sees it grow.
      const all = names.flatMap((module, m) => [null, 0, 1].map((branch) => ({ module, branch, m })));
      const parts = [...all].sort((a, b) => Number(a.branch !== null) - Number(b.branch !== null));
      const before = answersOf('validation', options.classes);
      const costs = parts.slice(from, from + 10).map(({ module, branch, m }) => {
        const off = [{ module, branch: branch ?? 0 }];
        const logits = imaginedAnswers(
          'validation',
          { ...asItIs, off },
          (branch === null ? 4 : 1) * noise(m, 5),
        );
        const asked = { labels: before.labels, classes: before.classes.length };
        const change = pairedChange({ ...asked, logits: before.logits }, { ...asked, logits });
        return { module, branch, change };
      });
      return ok({ costs, total: parts.length });
    },
    branchFigures: () => ok(figures()),
    look: ({ row, class: classIndex }) => {
      const [grid, side] = [8, 64];
      const { classes = ['a', 'b'] } = options;
      const map = (kind: number, blur: number): Float32Array =>
        Float32Array.from({ length: grid * grid }, (_, patch) => {
          const [x, y] = [(patch % grid) - (2 + (kind % 4)), Math.floor(patch / grid) - (3 + (row % 3))];
          return Math.exp(-(x * x + y * y) / blur) + 0.05 * noise(patch, kind);
        });
      const logits = (sure: number): Float32Array =>
        Float32Array.from(classes, (_, id) => sure * noise(row, 60 + id));
      const maps = (first: number, blur: number) => ({
        attention: map(first, blur),
        rollout: map(first + 1, 2 * blur),
        relevance: map(first + 2 + classIndex, blur / 2),
      });
      return ok({
        ...{ grid, side, from: 'class-token' },
        pixels: Uint8Array.from(
          { length: 3 * side * side },
          (_, i) => 90 + 120 * noise(i % 3, Math.floor(i / 600)),
        ),
        before: { ...maps(1, 9), logits: logits(2) },
        after: { ...maps(4, 4), logits: logits(6) },
      });
    },
    runThumbnails: () => ok([]),
  };

  /** The more is off, the more answers are others. */
  function imaginedAnswers(set: SplitName, what: Counterfactual, weight = 1): Float32Array {
    const { logits } = answersOf(set, options.classes);
    const changed = what.off.length + 0.5 * what.restored.length + what.scalars.size;
    return logits.map((logit, i) => logit + weight * Math.min(3, 0.25 * changed) * (noise(i, 77) - 0.5));
  }

  function figures(): BranchFigures {
    const all = modules();
    const cosine = (m: number, a: number, b: number): number =>
      a === b ? 1 : 0.5 * (noise(m, Math.min(a, b) * 8 + Math.max(a, b)) - 0.4);
    return {
      modules: all.map(({ module, branches: views }, m) => {
        const live = views.filter(({ droppedAt }) => droppedAt === null);
        return {
          module,
          rank: 4 + 3 * noise(m, 31),
          mostRank: recipe.dmlora.rank * live.length,
          branches: live.map(({ index, strength }) => ({
            branch: index,
            strength,
            rank: 2 + 1.5 * noise(m, 32 + index),
            closeness: Math.max(
              ...live
                .filter((other) => other.index !== index)
                .map((other) => Math.abs(cosine(m, index, other.index))),
            ),
            cosines: live.map((other) => cosine(m, index, other.index)),
          })),
        };
      }),
      dropped: all.flatMap(({ module, branches: views }, m) =>
        views.flatMap(({ index, droppedAt }) =>
          droppedAt === null
            ? []
            : [
                {
                  ...{ step: droppedAt, module, branch: index, rankBefore: 11 + noise(m, 33) },
                  ...{ rankAfter: 8 + noise(m, 34), closeness: 0.2 * noise(m, 35), closenessOfAll: 0.11 },
                },
              ],
        ),
      ),
    };
  }

  return {
    sent,
    emit: onEvent,
    async call(name, input) {
      if (name !== 'estimate') sent.push({ name, input });
      await Promise.resolve();
      return answers[name](input);
    },
    close: () => undefined,
    play(count) {
      for (let i = 0; i < count && phase.kind === 'training'; i++) oneStep();
    },
  };
}
