// What lies beside the weights of every exported folder: README.md (the card), run.json (the record) and
// continue.py (the same recipe for transformers, peft and accelerate); beside ONNX also pixels.mjs (its
// preparation of pictures). Facts are gathered here, words are made in formats/.
import type { Recipe } from '../recipe/options.ts';
import { tunedWords } from '../recipe/what-learns.ts';
import { preparationWords } from '../data/preprocessing.ts';
import script from './continue.py?raw';
import pixelScript from './pixels.mjs?raw';
import { modelCard, onnxFormats, type CardFacts } from './model-card.ts';
import { changeInWords, describeFault } from '../shared/describe-fault.ts';
import { keptSentence, validationPart } from '../shared/kept-sentence.ts';
import { shareInterval } from '../understand/interval.ts';
import { typeWord } from '../checkpoints/open-model.ts';
import type { ExportedFile, ExportFormat, ExportProof } from './export-types.ts';
import type { Metrics } from '../train/evaluation.ts';
import { jsonFile, type WrittenType } from './export-context.ts';
import type { RunRecordFile } from './run-record.ts';

/** The documents of one format. */
export function documentsOf(
  record: RunRecordFile,
  format: ExportFormat,
  type: WrittenType,
  proof: ExportProof,
  files: readonly ExportedFile[],
  note: string | null,
): readonly ExportedFile[] {
  const facts = { ...cardFacts(record, format, type, proof, files), note };
  const json = { ...record, export: { format, dtype: typeWord(type), proof, note } };
  return [
    { name: 'README.md', blob: new Blob([modelCard(facts)], { type: 'text/markdown' }) },
    jsonFile('run.json', `${JSON.stringify(json, null, 1)}\n`),
    { name: 'continue.py', blob: new Blob([script], { type: 'text/x-python' }) },
    ...(onnxFormats.has(format) ? [{ name: 'pixels.mjs', blob: pixelModule(record) }] : []),
  ];
}

/** The preparation of pictures in JavaScript, with this model's own numbers. */
const pixelModule = ({ model }: RunRecordFile): Blob =>
  new Blob([pixelScript, `export const preprocessing = ${JSON.stringify(model.preprocessing)};\n`], {
    type: 'text/javascript',
  });

/** What a card says of weights in few bits. */
const dtypeWords: Partial<Record<WrittenType, string>> = {
  UINT8:
    'uint8 in the linear layers of the blocks (their inputs too, by a range found for each batch) and float32 elsewhere',
  INT4: '4 bits in the linear layers of the blocks (a scale for each 32 inputs) and float32 elsewhere',
};

function cardFacts(
  { model, data, recipe, plan, result, temperature, engine, graft }: RunRecordFile,
  format: ExportFormat,
  type: WrittenType,
  proof: ExportProof,
  files: readonly ExportedFile[],
): Omit<CardFacts, 'note'> {
  const { config } = model;
  const measured = (
    name: string,
    images: number,
    metrics: Metrics | null,
    areLearned = false,
  ): CardFacts['metrics'] =>
    metrics === null || images === 0
      ? []
      : [
          {
            name,
            images,
            accuracy: metrics.accuracy,
            interval: areLearned ? null : shareInterval(metrics.accuracy, images),
            loss: metrics.loss,
          },
        ];
  const counts = (part: 'train' | 'validation', id: number): number =>
    data[part].filter((image) => image.class === id).length;
  const { dmlora } = recipe;
  const dropSteps = [...new Set(result.drops.map(({ step }) => step))];
  return {
    format,
    library: model.library,
    title: model.title,
    baseClass: model.baseClass.name,
    modelType: model.modelType,
    mean: config.pool === 'mean' ? { pooledNorm: config.finalNorm === 'pooled' } : null,
    baseModel: model.origin.hubId,
    revision: model.origin.revision,
    licence: model.origin.licence?.toLowerCase() ?? null,
    architecture:
      `${model.family}, ${config.depth} blocks of width ${config.dim} with ${config.heads} heads, ` +
      `${config.imageSize} x ${config.imageSize} pixels in patches of ${config.patchSize}`,
    preprocessing: preprocessingWords(model.preprocessing),
    dtype: dtypeWords[type] ?? typeWord(type),
    data: {
      title: data.title,
      classes: data.classes.map((name, id) => ({
        name,
        train: counts('train', id),
        validation: counts('validation', id),
      })),
      splitBy: data.splitBy,
      together: data.together,
      fold: recipe.split.folds === 0 ? null : { at: recipe.split.fold, of: recipe.split.folds },
      test: data.test.length,
      pixels: data.pixels.map(({ text }) => text),
    },
    grey16: model.preprocessing.grey16 ?? null,
    recipe: new Map([
      ['optimiser steps', String(result.steps)],
      ...(recipe.patience === null
        ? []
        : [['early stopping', earlyStoppingWords(recipe.patience, plan.steps)] as const]),
      ['images of a step', String(plan.batch)],
      ['learning rate, peak and floor', `${recipe.learningRate}, ${recipe.learningRateFloor}`],
      ['warm-up', `${recipe.warmup} of the steps, then cosine`],
      ['weight decay', `${recipe.weightDecay} on ${decaying(recipe)} (AdamW)`],
      ['gradient clip', `${recipe.clipNorm}, global norm`],
      ...(dmlora.scaling === 'none'
        ? []
        : [['factor of the branches', scalingWords[dmlora.scaling](dmlora.alpha)] as const]),
      ...(recipe.labelSmoothing === 0 ? [] : [['label smoothing', String(recipe.labelSmoothing)] as const]),
      ...(recipe.stochasticDepth === 0
        ? []
        : [['stochastic depth', `${recipe.stochasticDepth} in the last block`] as const]),
      ...(dmlora.inputDropout === 0
        ? []
        : [['dropout of the branches’ input', String(dmlora.inputDropout)] as const]),
      ...(recipe.rotation === 0 ? [] : [['rotation', `up to ${recipe.rotation} degrees`] as const]),
      ...(recipe.colourJitter === 0
        ? []
        : [['colour jitter', `brightness, contrast, saturation ± ${recipe.colourJitter}`] as const]),
      ...(recipe.blur === 0
        ? []
        : [['blur', `Gaussian, of 0.1 to 2 pixels of 224, in ${recipe.blur} of the images`] as const]),
      ...(recipe.randAugment === 0
        ? []
        : [
            [
              'RandAugment',
              `${recipe.randAugment} of 7 operations, strength ${recipe.randAugmentStrength}`,
            ] as const,
          ]),
      ...(recipe.randomErasing === 0
        ? []
        : [
            ['random erasing', `a rectangle of 2 to 33 %, in ${recipe.randomErasing} of the images`] as const,
          ]),
      ...(recipe.mixup === 0
        ? []
        : [['mixup', `Beta(${recipe.mixup}, ${recipe.mixup}), a share a step`] as const]),
      ...(recipe.cutmix === 0
        ? []
        : [
            [
              'CutMix',
              `Beta(${recipe.cutmix}, ${recipe.cutmix}), a rectangle a step${recipe.mixup === 0 ? '' : '; mixup or CutMix by chance'}`,
            ] as const,
          ]),
      ...(recipe.classBalance === 'none' ? [] : [['classes', balanceWords[recipe.classBalance]] as const]),
      ...(recipe.split.trainPerClass === null || recipe.split.folds > 0
        ? []
        : [['training images a class', `at most ${recipe.split.trainPerClass}, drawn by the seed`] as const]),
      ['seed', String(recipe.seed)],
      ...result.rateChanges.map((change) => [`from step ${change.step} on`, changeInWords(change)] as const),
    ]),
    tuned: tunedWords(recipe),
    branches: {
      modules: Object.keys(result.scalars).length,
      start: dmlora.branches,
      end: dmlora.branches - result.drops.length / Math.max(1, Object.keys(result.scalars).length),
      rank: dmlora.rank,
      targets: dmlora.targets,
      dropSteps,
      drops: dropSteps.length === 0 ? stayWords(dmlora) : dropWords(dmlora),
      stage2: stageWords(dmlora.scalars, plan.stage2Step, result.scalarsKept),
      scalars: Object.entries(result.scalars).map(([module, scalar]) => ({ module, scalar })),
    },
    metrics: [
      ...measured('Validation before training', data.validation.length, result.initialValidation),
      ...measured(heldWords(result), data.validation.length, result.validation, result.learnedValidation),
      ...measured('Test', data.test.length, result.test),
    ],
    diverged: result.diverged === null ? null : describeFault(result.diverged).detail,
    kept: keptSentence(result),
    validation: validationPart(result),
    temperature,
    proof,
    ranOn: `${engine.backend}, ${engine.adapter}`,
    build: graft.build,
    onnxFile: files.find(({ name }) => name.endsWith('.onnx'))?.name ?? null,
  };
}

/** The parameters that decay. */
function decaying({ backbone, dmlora }: Recipe): string {
  return [
    ...(dmlora.branches === 0 ? [] : ['branches']),
    ...(backbone.tune === 'all' ? ['matrices of the backbone'] : []),
    'the head’s weight',
  ].join(' and ');
}

const balanceWords = {
  weights:
    'weighted by images / (classes x images of the class); the state with the best mean recall over the classes is the result',
} as const;

function earlyStoppingWords(patience: number, steps: number): string {
  const missed = patience === 1 ? 'a validation' : `${patience} validations in a row`;
  return `when ${missed} found no better state, or after ${steps} steps`;
}

function preprocessingWords(preprocessing: RunRecordFile['model']['preprocessing']): string {
  const { mean, std } = preprocessing;
  return `${preparationWords(preprocessing)}, mean ${mean.join(' ')}, deviation ${std.join(' ')}`;
}

/** What was done with the scalars, and whether the result is of after that. */
function stageWords(mode: Recipe['dmlora']['scalars'], stage2: number, kept: boolean | null): string {
  if (mode === 'joint') return 'The scalars were trained beside the branches, from the first step on.';
  const before = kept === false ? '; the result is a state from before that.' : '.';
  if (mode === 'scale-then-retrain')
    return `The scalars were trained beside the branches${
      kept === null ? '.' : `; after step ${stage2} branches and head began afresh beside them${before}`
    }`;
  if (kept === null) return 'The scalars were not trained.';
  return `From step ${stage2} the scalars and the head alone were trained${before}`;
}

const scalingWords = {
  lora: (alpha: number) => `alpha / rank of one branch, alpha ${alpha}`,
  rslora: (alpha: number) => `alpha / √rank of one branch (rsLoRA), alpha ${alpha}`,
} as const;

const pickWords = {
  random: 'Chance drew which branch left each layer',
  smallest: 'The branch that added least left each layer',
  oldest: 'In the order of their numbers a branch left each layer',
  alike: 'Of the two branches that added the most alike, the weaker one left each layer',
  cheapest: 'The branch left each layer without which the loss on validation images was smallest',
} as const;

const rateWords = {
  stochastic: 'a probability that rose to',
  annealed: 'a probability that fell from',
  constant: 'the probability',
} as const;

const stayWords = ({ dropMode, dropRate, pairing }: Recipe['dmlora']): string =>
  dropMode === 'none' || dropMode === 'permanent'
    ? 'none was dropped.'
    : `all stayed. Chance left some out of each step of stage 1, with ${rateWords[dropMode]} ${dropRate}${
        pairing === 'crossed'
          ? ', down and up matrices apart: they were crossed, so those of a layer are one LoRA of the rank of one branch'
          : ''
      }.`;

const effectWords = {
  zero: ', with what it had learned',
  fade: ', with what it had learned, which had faded over',
  absorb: '; what it had learned stayed, in the frozen weight',
  'svd-fold': '; the others took over what it had learned, as well as their ranks allow (SVD)',
} as const;

const dropWords = ({ dropPick, dropEffect, fadeSteps }: Recipe['dmlora']): string =>
  `${pickWords[dropPick]}${effectWords[dropEffect]}${dropEffect === 'fade' ? ` ${fadeSteps} steps` : ''}.`;

/** What validation is said of: images that were learned as well say little. */
const heldWords = ({ learnedValidation }: RunRecordFile['result']): string =>
  learnedValidation === true ? 'Validation, on images that were learned as well' : 'Validation';
