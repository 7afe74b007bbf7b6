// The card of an exported folder: README.md with the front matter that the Hub reads, what the model learned
// from, how, and how well, and how to load it. Text out of facts; names of classes and files are data and are
// escaped.
import { isTimmOrder } from '../checkpoints/timm/folder-order.ts';
import { libraries, libraryOfNames } from '../checkpoints/libraries.ts';
import type { LibraryName } from '../checkpoints/model-config.ts';
import { grey16Words, type Grey16Window } from '../data/preprocessing.ts';
import type { ExportTemperature } from './export-types.ts';
import type { DrawnTogether } from './run-record.ts';
import { plainText } from '../shared/plain-text.ts';
import type { ValidationPart } from '../shared/kept-sentence.ts';
import { tellsNothing } from '../understand/interval.ts';

export interface CardFacts {
  readonly format: 'source' | 'hf' | 'hf-v5' | 'timm' | 'peft' | 'onnx' | 'onnx-q8' | 'onnx-q4';
  /** The source's library: its names are those that `source` writes. */
  readonly library: LibraryName;
  readonly title: string;
  /** The original's class, for loading it under an adapter. */
  readonly baseClass: string;
  /** `model_type` or `architecture` of its config.json. */
  readonly modelType: string;
  /** What the head reads where it is the mean, and whether it is normalised after that; null for a token. */
  readonly mean: { readonly pooledNorm: boolean } | null;
  readonly baseModel: string | null;
  readonly revision: string | null;
  readonly licence: string | null;
  readonly architecture: string;
  readonly preprocessing: string;
  /** Type of the written weights: "float32". */
  readonly dtype: string;
  readonly data: {
    readonly title: string;
    readonly classes: readonly {
      readonly name: string;
      readonly train: number;
      readonly validation: number;
    }[];
    readonly splitBy: 'folders' | 'seed' | 'hand';
    readonly together: DrawnTogether | null;
    /** The fold that validated, of how many; null where the images were not dealt. */
    readonly fold: { readonly at: number; readonly of: number } | null;
    readonly test: number;
    /** What other tools see otherwise in these images, a text for each kind. */
    readonly pixels: readonly string[];
  };
  /** The window of 16-bit grey; null for its high byte. */
  readonly grey16: Grey16Window | null;
  readonly recipe: ReadonlyMap<string, string>;
  /** What of the backbone was tuned, in words; null for nothing. */
  readonly tuned: string | null;
  readonly branches: {
    readonly modules: number;
    readonly start: number;
    readonly end: number;
    readonly rank: number;
    readonly targets: string;
    readonly dropSteps: readonly number[];
    /** Which left, and what became of what they had learned, as a sentence. */
    readonly drops: string;
    readonly stage2: string;
    readonly scalars: readonly { readonly module: string; readonly scalar: number }[];
  };
  readonly metrics: readonly {
    readonly name: string;
    readonly images: number;
    readonly accuracy: number;
    /** Null where the images were learned. */
    readonly interval: readonly [number, number] | null;
    readonly loss: number;
  }[];
  /** That the run diverged and which state of it this is, in sentences; null where it did not. */
  readonly diverged: string | null;
  readonly validation: ValidationPart;
  /** Which of its validated states this is, in a sentence. */
  readonly kept: string;
  /** The temperature in its head, and what it does to validation images; null for none. */
  readonly temperature: ExportTemperature | null;
  readonly proof: {
    readonly images: number;
    readonly of: number;
    readonly maxLogitDifference: number;
    readonly maxLogit: number;
    readonly sameAnswers: number;
    /** The format whose weights ran, since these are the same bit for bit; null where these ran. */
    readonly sameWeightsAs: CardFacts['format'] | null;
    readonly graphImages: number;
  };
  readonly ranOn: string;
  readonly build: string;
  /** What of the original the folder leaves out, as a sentence; null for nothing. */
  readonly note: string | null;
  /** Name of the ONNX file, where there is one. */
  readonly onnxFile: string | null;
}

/** Formats whose folders hold an ONNX graph, and pixels.mjs beside it. */
export const onnxFormats: ReadonlySet<CardFacts['format']> = new Set(['onnx', 'onnx-q8', 'onnx-q4']);

/** A string as YAML takes it in every case: double-quoted, everything that is not printable escaped. */
export function yamlString(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, '0');
    return `\\u${code}`;
  });
}

/** A name in a card, whose config.json has all of it. */
const shortName = (name: string): string => plainText(name, 200);

/** Text inside Markdown, on one line: no markup, no HTML, no table cell ends. */
export function markdownText(text: string): string {
  return plainText(text, 4000)
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/[\\`*_[\]|~]/g, (mark) => `\\${mark}`);
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const loaders = {
  hf: 'transformers',
  'hf-v5': 'transformers',
  timm: 'timm',
  peft: 'peft',
  onnx: 'transformers.js',
  'onnx-q8': 'transformers.js',
  'onnx-q4': 'transformers.js',
} as const;

const formatWords = {
  source: 'the fine-tuned model with the names of the file it came from',
  hf: 'the fine-tuned model with the names of transformers’ files',
  'hf-v5': 'the fine-tuned model with the module names of transformers 5',
  timm: 'the fine-tuned model with timm’s names',
  peft: 'the branches as a stock LoRA adapter for PEFT, which the original checkpoint is needed for',
  onnx: 'the fine-tuned model as an ONNX graph',
  'onnx-q8': 'the fine-tuned model as an ONNX graph of 8-bit products',
  'onnx-q4': 'the fine-tuned model as an ONNX graph with 4-bit weights',
} as const;

/** An adapter holds what was tuned beside its branches too. */
const folderWords = ({ format, tuned }: CardFacts): string =>
  format === 'peft' && tuned !== null
    ? formatWords.peft.replace('the branches', `the branches, with ${tuned},`)
    : formatWords[format];

function frontMatter(facts: CardFacts, library: string): string {
  const { format, baseModel, licence, data, metrics, title, branches } = facts;
  const lines: string[] = [];
  if (licence !== null) lines.push(`license: ${yamlString(licence)}`);
  if (baseModel !== null)
    lines.push(
      `base_model: ${yamlString(baseModel)}`,
      `base_model_relation: ${format === 'peft' ? 'adapter' : 'finetune'}`,
    );
  lines.push(`library_name: ${library}`, 'pipeline_tag: image-classification', 'tags:');
  for (const tag of [
    'image-classification',
    'vision',
    'vit',
    ...(branches.start > 0 ? ['dmlora'] : []),
    'graft',
    ...(format === 'peft' ? ['lora'] : []),
  ])
    lines.push(`- ${tag}`);
  lines.push(
    'metrics:',
    '- accuracy',
    'model-index:',
    `- name: ${yamlString(`${shortName(title)}, fine-tuned on ${shortName(data.title)}`)}`,
    '  results:',
  );
  lines.push('  - task:', '      type: image-classification', '    dataset:');
  lines.push(`      name: ${yamlString(shortName(data.title))}`, '      type: imagefolder', '    metrics:');
  for (const { name, accuracy } of metrics)
    lines.push(
      '    - type: accuracy',
      `      value: ${accuracy.toFixed(4)}`,
      `      name: ${yamlString(`${name} accuracy`)}`,
    );
  return `---\n${lines.join('\n')}\n---`;
}

const splitWords = {
  folders: 'is that of the folders.',
  seed: 'was drawn by the seed of the recipe.',
  hand: 'is that of the folders, or was drawn by the seed of the recipe, with edits made by hand.',
} as const;

const togetherBy = {
  name: 'whose names begin alike',
  folder: 'whose folder is the same',
  look: 'that were found to look alike',
} as const;

function togetherWords(together: DrawnTogether | null): string {
  if (together === null) return '';
  const { by, origins, images } = together;
  return ` Drawn together were pictures ${by.map((one) => togetherBy[one]).join(', or ')}: ${images} pictures in ${origins} ${origins === 1 ? 'group' : 'groups'}.`;
}

function foldWords({ fold }: CardFacts['data']): string {
  return fold === null
    ? ''
    : ` They were dealt into ${fold.of} folds, and this model is one of ${fold.of}: it was validated on fold ${fold.at} and learned from the others.`;
}

/** Whoever measures the model by timm's scripts on these folders would ask it for other classes. */
function timmOrderWords({ format, library, data }: CardFacts): string[] {
  const isOfTimm = format === 'timm' || (format === 'source' && library === 'timm');
  if (!isOfTimm || isTimmOrder(data.classes.map(({ name }) => name))) return [];
  return [
    'timm numbers folders of classes by itself in another order: numbers in their names count as numbers, and case does not. ' +
      'For its scripts write the names of `label_names` in `config.json` into a file, a line each, and say `--class-map FILE.txt`.',
  ];
}

function dataSection(facts: CardFacts): string {
  const { data } = facts;
  const shown = data.classes.slice(0, 50);
  const rows = shown.map(
    ({ name, train, validation }) => `| ${markdownText(shortName(name))} | ${train} | ${validation} |`,
  );
  const rest = data.classes.length - shown.length;
  const sum = (part: 'train' | 'validation'): number =>
    data.classes.reduce((total, counts) => total + counts[part], 0);
  return [
    '## Data',
    `From ${markdownText(shortName(data.title))}: ${data.classes.length} classes, ${sum('train')} images to learn from, ` +
      `${sum('validation')} to validate${data.test > 0 ? `, ${data.test} to test once at the end` : ''}; the split ` +
      splitWords[data.splitBy] +
      togetherWords(data.together) +
      foldWords(data) +
      ' `run.json` names every image by its SHA-256.',
    ['| Class | Train | Validation |', '|---|---|---|', ...rows].join('\n') +
      (rest > 0 ? `\n\nand ${rest} more classes.` : ''),
    ...timmOrderWords(facts),
  ].join('\n\n');
}

function methodSection({ recipe, branches, tuned }: CardFacts): string {
  const { scalars, dropSteps } = branches;
  const spread = scalars.map(({ scalar }) => scalar);
  const range =
    spread.length === 0
      ? ''
      : ` The learned scalars lie between ${Math.min(...spread).toFixed(3)} and ${Math.max(...spread).toFixed(3)}.`;
  const table = [...recipe].map(([name, value]) => `| ${name} | ${markdownText(value)} |`);
  const settings = ['| Setting | Value |', '|---|---|', ...table].join('\n');
  if (branches.start === 0)
    return [
      '## Method',
      tuned === null
        ? 'The head alone was trained, on the frozen backbone.'
        : `The head was trained with ${tuned}. There were no low-rank branches.`,
      settings,
    ].join('\n\n');
  return [
    '## Method',
    'DMLoRA ("Dropout Mixture Low-Rank Adaptation for Visual Parameters-Efficient Fine-Tuning", ECCV 2024), ' +
      're-specified from the abstract of the paper: several low-rank branches beside each adapted weight, dropped ' +
      'gradually, and a learning scalar for each layer, all merged at the end.',
    `${branches.modules} linear layers (${branches.targets}) had ${branches.start} branches of rank ${branches.rank} each; ` +
      (dropSteps.length === 0
        ? branches.drops
        : `${branches.end} of them were left after the drops at steps ${dropSteps.join(', ')}. ${branches.drops}`) +
      ` ${branches.stage2}${range}`,
    ...(tuned === null ? [] : [`Beside the branches the run trained ${tuned}.`]),
    settings,
  ].join('\n\n');
}

/** What was done with the folder before it was handed out, and on which images. */
function proofWords({ images, of, sameWeightsAs }: CardFacts['proof']): string {
  const sample =
    images < of
      ? `a sample of ${images} of the ${of} validation images, spread evenly over the classes`
      : `all ${of} validation images`;
  return sameWeightsAs === null
    ? `It was read back and run on ${sample} before it was handed out`
    : `It was read back before it was handed out: its weights are the same, bit for bit, as those of ` +
        `${formatWords[sameWeightsAs]}, which ran on ${sample}`;
}

function metricsSection(facts: CardFacts): string {
  const { metrics, proof, dtype, ranOn, build, note, diverged, kept } = facts;
  const rows = metrics.map(
    ({ name, images, accuracy, interval, loss }) =>
      `| ${name} | ${images} | ${percent(accuracy)} | ${interval === null ? 'none' : `${percent(interval[0])} to ${percent(interval[1])}${tellsNothing(interval) ? ', too few to tell' : ''}`} | ${loss.toFixed(4)} |`,
  );
  return [
    '## Results',
    diverged === null ? kept : `**The training diverged.** ${diverged}`,
    ['| Images | Number | Accuracy | 95 % interval (Wilson) | Loss |', '|---|---|---|---|---|', ...rows].join(
      '\n',
    ),
    `Validation chose the strength of the probe${partWords[facts.validation]}; the test images, where there are any, ` +
      'chose nothing.',
    ...(facts.temperature === null ? [] : [temperatureWords(facts.temperature)]),
    `This folder is ${folderWords(facts)}, in ${dtype}. ${proofWords(proof)}: the largest difference of any logit to the model that was trained` +
      `${facts.temperature === null ? '' : ', its logits divided by that temperature,'} is ` +
      `${proof.maxLogitDifference.toExponential(1)}, the largest logit ${proof.maxLogit.toFixed(2)}; ` +
      `${proof.sameAnswers} of ${proof.images} images get the same first answer.` +
      (proof.graphImages > 0 && proof.graphImages < proof.images
        ? ` The graph was also computed operator by operator on ${proof.graphImages} of them.`
        : '') +
      (note === null ? '' : ` ${markdownText(note)}`),
    `Trained in Graft (build ${markdownText(build)}) on ${markdownText(ranOn)}. Graft fine-tunes vision transformers in ` +
      'the browser; the images never left the machine.',
  ].join('\n\n');
}

const partWords = {
  chose: ' and which state of the run is the result, so its figures flatter a little',
  apart: ', and not which state of the run is the result',
  learned: '; its images were learned after that, and tell what the result could hold, not what it knows',
} as const satisfies Record<ValidationPart, string>;

/** That logits are divided, on what that was fitted and what it does. */
function temperatureWords({ temperature, images, calibrationError, loss }: ExportTemperature): string {
  return (
    `Its probabilities are calibrated: the weight and bias of the head are divided by the temperature ${temperature.toFixed(4)}, ` +
    `which was fitted on the ${images} validation images. On these the expected calibration error (15 bins) went from ` +
    `${percent(calibrationError.before)} to ${percent(calibrationError.after)}, the loss from ${loss.before.toFixed(4)} to ` +
    `${loss.after.toFixed(4)}; on others it helps a little less. The answers are those without it; the losses of the ` +
    'table are without it.'
  );
}

const fence = (language: string, code: string): string => `\`\`\`${language}\n${code}\n\`\`\``;

/** What the snippets are made of. */
export type UsageFacts = Pick<
  CardFacts,
  'format' | 'library' | 'baseClass' | 'modelType' | 'mean' | 'baseModel' | 'revision' | 'onnxFile'
> & { readonly data: { readonly classes: readonly unknown[] } };

/**
 * How to load the folder. Whoever tries the snippets puts folders and a picture for the words in capitals.
 */
export function usageSection(facts: UsageFacts): string {
  const { format, data, onnxFile } = facts;
  const own = libraries[facts.library];
  const written = format === 'source' ? own : libraryOfNames(format);
  const parts: string[] = [];
  if (written !== null) parts.push(fence('python', written.usage.join('\n')));
  if (format === 'peft') {
    const { words, lines } = own.adapterUsage({ ...facts, classes: data.classes.length });
    if (words !== null) parts.push(words);
    parts.push(fence('python', lines.join('\n')));
  }
  if (onnxFormats.has(format))
    parts.push(
      `\`${onnxFile ?? 'onnx/model.onnx'}\`: input \`pixel_values\` [batch, 3, height, width], output \`logits\` ` +
        '[batch, classes], both float32. In JavaScript, in a browser or in Node, with the folder served or on disk; ' +
        '`pixels.mjs` prepares pictures as in training:',
      fence(
        'js',
        [
          "import { AutoModelForImageClassification, Tensor, env, softmax } from '@huggingface/transformers';",
          "import { pixelsOf } from './THIS_FOLDER/pixels.mjs';",
          'env.allowLocalModels = true;',
          "const model = await AutoModelForImageClassification.from_pretrained('./THIS_FOLDER');",
          "const { data, dims } = await pixelsOf('photo.jpg');",
          "const { logits } = await model({ pixel_values: new Tensor('float32', data, dims) });",
          'softmax(logits.data).forEach((score, i) => console.log(model.config.id2label[i], score));',
        ].join('\n'),
      ),
      "`pipeline('image-classification', './THIS_FOLDER')` loads the folder too, but its pixels are others: under Node " +
        'transformers.js 4.3 makes a picture smaller by taking single pixels where Python and Graft average, in a browser ' +
        'it takes the canvas’s scaling and colours. On large photographs its answers differ.',
    );
  parts.push(
    'The same training again, without hands, or further, on a larger machine:',
    fence(
      'sh',
      [
        'npm run finetune -- --model MODEL_FOLDER --data IMAGES --recipe run.json --out out',
        'python continue.py --data IMAGES --out out',
      ].join('\n'),
    ),
  );
  return ['## Use', ...parts].join('\n\n');
}

function windowSentence(window: Grey16Window | null): string {
  if (window === null) return '';
  const how = `spread over 8 bits ${grey16Words(window)} (\`255 (v - low) / (high - low)\`, cut and rounded)`;
  return ` but for grey, which is ${how}`;
}

/** Lines of Python that make 8 bits of 16-bit grey, as `continue.py` does it. */
function grey16Lines(window: Grey16Window | null): readonly string[] {
  if (window === null) return ['image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))'];
  const ends =
    window.kind === 'set'
      ? `${window.low}, ${window.high}`
      : `np.percentile(grey, [${window.percentiles.join(', ')}])`;
  return [
    'grey = np.asarray(image).astype(np.float64)',
    `low, high = ${ends}`,
    'share = (grey - low) / (high - low) if high > low else grey > low',
    'image = Image.fromarray(np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8))',
  ];
}

function pixelSection({ format, data, grey16 }: CardFacts): string {
  const lines = [
    '## Pixels',
    'A pixel is the number that the file stores: colour profiles and gamma are not applied (as in Python), the picture is ' +
      `upright by its EXIF, of 16 bits the high byte is taken${windowSentence(grey16)}, of an animation the first frame, ` +
      'and transparency lies over white.',
  ];
  if (data.pixels.length > 0)
    lines.push(
      'Among the images of this run other tools see some otherwise:',
      data.pixels.map((text) => `- ${markdownText(text)}`).join('\n'),
    );
  if (!onnxFormats.has(format))
    lines.push(
      'For such pictures, hand this to the code above in place of a path or of `Image.open`:',
      fence(
        'python',
        [
          'import numpy as np',
          'from PIL import Image, ImageOps',
          '',
          'def read_picture(path):',
          '    image = ImageOps.exif_transpose(Image.open(path))',
          '    if image.mode.startswith("I;16"):',
          ...grey16Lines(grey16).map((line) => `        ${line}`),
          '    image = image.convert("RGBA")',
          '    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")',
        ].join('\n'),
      ),
    );
  return lines.join('\n\n');
}

/** README.md. */
export function modelCard(facts: CardFacts): string {
  const { format, title, baseModel, revision, architecture, preprocessing, licence } = facts;
  const library = format === 'source' ? facts.library : loaders[format];
  const from =
    baseModel === null
      ? `a local copy of ${markdownText(title)}`
      : `[${markdownText(baseModel)}](https://huggingface.co/${encodeURI(baseModel)})${revision === null ? '' : `, revision \`${revision}\``}`;
  return `${[
    frontMatter(facts, library),
    `# ${markdownText(shortName(title))}, fine-tuned on ${markdownText(shortName(facts.data.title))}`,
    `An image classifier: ${markdownText(architecture)}, fine-tuned from ${from}. Images: ${markdownText(preprocessing)}. ` +
      (licence === null
        ? 'The licence of the original is not known to Graft: look it up before you pass this model on.'
        : `Licence of the original: ${markdownText(licence)}.`),
    metricsSection(facts),
    usageSection(facts),
    pixelSection(facts),
    dataSection(facts),
    methodSection(facts),
  ].join('\n\n')}\n`;
}
