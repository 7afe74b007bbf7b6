// Which of the files that a user gave make a model: weights, config.json, preprocessing and shards come from
// one folder, the shallowest that has weights. Where several would do, they are named and one is asked for;
// where none is, what is there instead is named. What is weights is told by tensors, not by names alone:
// moments and logits are safetensors too.
import { openShards, openTensorFile, type TensorFile } from '../formats/tensor-files.ts';
import { objectOf, readJsonObject, readJsonText, stringOf } from '../formats/json.ts';
import { adapterKind } from './peft/config.ts';
import { readHeader } from '../formats/safetensors.ts';
import { bytesInWords } from '../shared/bytes-in-words.ts';
import { present } from '../shared/assert.ts';
import { shownSome } from '../shared/describe-fault.ts';
import type { WeightsChoice } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { holdsVit } from './wrapper-prefix.ts';
import type { SourceFile } from '../data/source-file.ts';

/** The files of one model. */
export interface ModelFiles {
  /** Name of the weights' file or of their index. */
  readonly name: string;
  readonly open: () => Promise<Result<TensorFile>>;
  /** All that may be read of the model: weights, and the JSON files of their folder. */
  readonly read: readonly SourceFile[];
  /** A file of the weights' own folder. */
  readonly beside: (name: string) => SourceFile | undefined;
  /** Where config.json was seen though not beside the weights; '' for nowhere. */
  readonly configElsewhere: string;
  /**
   * Which folder was taken and what lies elsewhere, a sentence each; none where there was nothing to choose.
   */
  readonly notes: readonly string[];
}

/** The name of a file without its folders. */
function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

const lowerName = (path: string): string => baseName(path).toLowerCase();

/** The file of this name, in whatever case; an exact one before others. */
function named(files: readonly SourceFile[], name: string): SourceFile | undefined {
  return (
    files.find(({ path }) => baseName(path) === name) ?? files.find(({ path }) => lowerName(path) === name)
  );
}

/** The folders of a path; '' for a file that lies in none. */
function folderOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
}

/** One set of weights: a file, or an index with its shards. */
interface Weights {
  readonly path: string;
  readonly files: readonly SourceFile[];
}

const shardPattern = /-\d{5}-of-\d{5}\.safetensors$/i;
const indexPattern = /\.safetensors\.index\.json$/i;
const standard = /^model\.safetensors(\.index\.json)?$/i;
/** What macOS writes beside files, under their names. */
const systemCopy = /(^|\/)(\._[^/]*$|__MACOSX\/)/;
/** What trainers keep beside weights to go on from there; no model, whatever it is stored as. */
const trainingState =
  /^(optimi[sz]er|scheduler|scaler|sampler|random_states|rng_state|training_args|trainer_state|custom_checkpoint)\b|^(optimi[sz]er|scheduler|random_states|rng_state|custom_checkpoint)_/i;

/**
 * Chooses the model among the files.
 *
 * @param wanted path of the weights that the user chose, or of their folder; null where nobody was asked yet.
 */
export async function modelFiles(
  given: readonly SourceFile[],
  title: string,
  wanted: string | null = null,
): Promise<Result<ModelFiles>> {
  const files = given.filter(({ path }) => !systemCopy.test(path));
  const all = await weightsAmong(files);
  if (wanted !== null) {
    const shown = shownPaths(files);
    const meant = all.filter(({ path }) => [path, shown(path), shown(folderOf(path))].includes(wanted));
    const [only, another] = meant;
    if (another !== undefined) return ask(meant, files);
    if (only !== undefined) return ok(filesOf(only, all, files));
    return fail({
      kind: 'bad-file',
      name: wanted,
      why: 'weights-missing',
      detail: `No weights of this name are among the files: ${shownSome(all.map(({ path }) => shown(path)))}.`,
    });
  }
  const depth = (path: string): number => path.split('/').length;
  const shallowest = Math.min(...all.map(({ path }) => depth(path)));
  const level = all.filter(({ path }) => depth(path) === shallowest);
  // Without a config.json a folder cannot be opened, so it is no choice beside one that can.
  const whole = level.filter(({ path }) => hasConfig(folderOf(path), files));
  const [first, second] = whole.length > 0 ? whole : level;
  if (first === undefined) return noWeights(files, title);
  if (second === undefined) return ok(filesOf(first, all, files));
  return ask(whole.length > 0 ? whole : level, files);
}

const hasConfig = (folder: string, files: readonly SourceFile[]): boolean =>
  files.some(({ path }) => folderOf(path) === folder && lowerName(path) === 'config.json');

/** Everything that is a model's weights, sorted by path. */
async function weightsAmong(files: readonly SourceFile[]): Promise<Weights[]> {
  const found: Weights[] = [];
  const inIndex = new Set<string>();
  for (const index of files.filter(({ path }) => indexPattern.test(path))) {
    const folder = folderOf(index.path);
    const json = await readJsonObject(index.blob, baseName(index.path));
    const map = json.ok ? objectOf(json.value, 'weight_map') : null;
    const names = new Set(map?.values() ?? []);
    const shards = files.filter(({ path }) => folderOf(path) === folder && names.has(baseName(path)));
    for (const { path } of shards) inIndex.add(path);
    found.push({ path: index.path, files: [index, ...shards] });
  }
  const single = files.filter(
    ({ path }) => /\.safetensors$/i.test(path) && !inIndex.has(path) && !trainingState.test(baseName(path)),
  );
  const candidates: { weights: Weights; isModel: boolean }[] = [];
  const shardFolders = new Set<string>();
  for (const file of single) {
    const name = baseName(file.path);
    if (/^adapter_/i.test(name)) continue;
    if (shardPattern.test(name)) {
      // Shards without their index are one set, whose fault says so.
      const folder = folderOf(file.path);
      if (shardFolders.has(folder) || found.some(({ path }) => folderOf(path) === folder)) continue;
      shardFolders.add(folder);
      const shards = single.filter(
        ({ path }) => folderOf(path) === folder && shardPattern.test(baseName(path)),
      );
      candidates.push({ weights: { path: file.path, files: shards }, isModel: true });
      continue;
    }
    // A file that cannot be read stays: its fault is worth more than silence.
    const header = standard.test(name) ? null : await readHeader(file.blob, name);
    const isModel = header === null || !header.ok || holdsVit(header.value.tensors.keys());
    candidates.push({ weights: { path: file.path, files: [file] }, isModel });
  }
  const models = candidates.filter(({ isModel }) => isModel);
  const kept = models.length > 0 || found.length > 0 ? models : candidates;
  return [...found, ...kept.map(({ weights }) => weights)].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function filesOf(chosen: Weights, all: readonly Weights[], files: readonly SourceFile[]): ModelFiles {
  const name = baseName(chosen.path);
  const folder = folderOf(chosen.path);
  const inFolder = files.filter(({ path }) => folderOf(path) === folder);
  const beside = (wanted: string): SourceFile | undefined => named(inFolder, wanted);
  const shown = shownPaths(files);
  const configs = files.filter(({ path }) => lowerName(path) === 'config.json' && folderOf(path) !== folder);
  const open = async (): Promise<Result<TensorFile>> => {
    if (indexPattern.test(name)) return openShards(fileAt(chosen).blob, name, (shard) => beside(shard)?.blob);
    if (shardPattern.test(name))
      return fail({
        kind: 'bad-file',
        name,
        why: 'weights-missing',
        detail: 'It is one of several files, and their model.safetensors.index.json is not here.',
      });
    return openTensorFile(fileAt(chosen).blob, name);
  };
  return {
    name,
    open,
    read: [
      ...chosen.files.filter(({ path }) => /\.safetensors$/i.test(path)),
      ...inFolder.filter(({ path }) => /\.json$/i.test(path)),
    ],
    beside,
    configElsewhere: shownSome(configs.map(({ path }) => shown(path))),
    notes: elsewhere(chosen, all, files),
  };
}

const fileAt = ({ files, path }: Weights): SourceFile => present(files[0], path);

/** Small files that decide how a model is read. */
const describing = /^(config|preprocessor_config|processor_config|adapter_config)\.json$/i;

/** What was taken, and what of other models lies beside it. */
function elsewhere(chosen: Weights, all: readonly Weights[], files: readonly SourceFile[]): string[] {
  const shown = shownPaths(files);
  const folder = folderOf(chosen.path);
  const others = [
    ...all.filter((weights) => weights !== chosen).map(({ path }) => path),
    ...files
      .filter(({ path }) => folderOf(path) !== folder && describing.test(baseName(path)))
      .map(({ path }) => path)
      .filter(
        (path) => !all.some((weights) => weights !== chosen && folderOf(weights.path) === folderOf(path)),
      ),
    ...files
      .filter(({ path }) => folderOf(path) === folder && baseName(path) === 'adapter_config.json')
      .map(({ path }) => path),
  ];
  if (others.length === 0) return [];
  const where = folder === commonFolder(files) ? 'the top folder' : shown(folder);
  const taken = all.some((weights) => weights !== chosen && folderOf(weights.path) === folder)
    ? shown(chosen.path)
    : where;
  return [`Taken from ${taken}. Not used: ${shownSome(others.map(shown))}.`];
}

/** The folder in which everything lies. */
function commonFolder(files: readonly SourceFile[]): string {
  let common = folderOf(files[0]?.path ?? '');
  for (const { path } of files)
    while (common !== '' && !path.startsWith(`${common}/`)) common = folderOf(common);
  return common;
}

/** Paths for people: without the folder in which everything lies. */
function shownPaths(files: readonly SourceFile[]): (path: string) => string {
  const common = commonFolder(files);
  return (path) => (common !== '' && path.startsWith(`${common}/`) ? path.slice(common.length + 1) : path);
}

async function ask(level: readonly Weights[], files: readonly SourceFile[]): Promise<Result<never>> {
  const shown = shownPaths(files);
  const folders = new Set(level.map(({ path }) => folderOf(path)));
  const choices: WeightsChoice[] = [];
  for (const weights of [...level].sort(byRank)) {
    const { path } = weights;
    // Where a folder has but one set of weights its name says enough.
    const alone = level.filter((other) => folderOf(other.path) === folderOf(path)).length === 1;
    choices.push({
      path,
      title: alone && folders.size > 1 ? shown(folderOf(path)) : shown(path),
      about: await aboutOf(weights, files),
    });
  }
  return fail({
    kind: 'which-model',
    detail:
      folders.size === 1
        ? `${level.length} files of weights lie in one folder, without an index that would make them one model`
        : `${level.length} folders beside each other hold weights`,
    choices,
    byRule: ruleOf(level),
  });
}

const stepOf = (path: string): number | null => {
  const step = /(?:^|\/)(?:checkpoint|step|epoch)[-_]?(\d+)$/i.exec(folderOf(path))?.[1];
  return step === undefined ? null : Number(step);
};

/**
 * The newest of a trainer's checkpoints first, then by name; in one folder the name that libraries read
 * first.
 */
function byRank(a: Weights, b: Weights): number {
  const newer = (stepOf(b.path) ?? -1) - (stepOf(a.path) ?? -1);
  if (newer !== 0) return newer;
  if (folderOf(a.path) === folderOf(b.path)) {
    const named = Number(standard.test(baseName(b.path))) - Number(standard.test(baseName(a.path)));
    if (named !== 0) return named;
  }
  return a.path < b.path ? -1 : 1;
}

/**
 * What is taken where nobody can be asked; null where only a guess could tell: two files of names that mean
 * nothing.
 */
function ruleOf(level: readonly Weights[]): string | null {
  const [best] = [...level].sort(byRank);
  if (best === undefined) return null;
  const rivals = level.filter(({ path }) => folderOf(path) === folderOf(best.path));
  return rivals.length === 1 || standard.test(baseName(best.path)) ? best.path : null;
}

/** Size, kind and class count, as far as small files tell. */
async function aboutOf({ path, files: own }: Weights, files: readonly SourceFile[]): Promise<string> {
  const bytes = own.reduce((sum, { blob }) => sum + blob.size, 0);
  const size = bytesInWords(bytes);
  const config = files.find(
    (file) => folderOf(file.path) === folderOf(path) && lowerName(file.path) === 'config.json',
  );
  if (config === undefined) return `${size}, without config.json`;
  const json = await readJsonObject(config.blob, 'config.json');
  if (!json.ok) return `${size}, with a config.json that is none`;
  const kind = stringOf(json.value, 'architecture') ?? stringOf(json.value, 'model_type');
  const classes = objectOf(json.value, 'id2label')?.size;
  return [
    size,
    ...(kind === null ? [] : [kind]),
    ...(classes === undefined ? [] : [`${classes} classes`]),
  ].join(', ');
}

/** The files of the shallowest adapter; null where there is none. */
export function adapterFiles(files: readonly SourceFile[]): {
  readonly config: SourceFile | null;
  readonly weights: SourceFile | null;
  /** Of Graft's own folders: how its images were seen, where the base does not say it. */
  readonly preprocessor: SourceFile | null;
} | null {
  const parts = files.filter(({ path }) =>
    /^adapter_(config\.json|model\.(safetensors|bin))$/i.test(baseName(path)),
  );
  const [first] = [...parts].sort((a, b) => a.path.split('/').length - b.path.split('/').length);
  if (first === undefined) return null;
  const beside = files.filter(({ path }) => folderOf(path) === folderOf(first.path));
  const own = parts.filter((part) => beside.includes(part));
  return {
    preprocessor: named(beside, 'preprocessor_config.json') ?? null,
    config: named(own, 'adapter_config.json') ?? null,
    weights: named(own, 'adapter_model.safetensors') ?? null,
  };
}

async function noWeights(files: readonly SourceFile[], title: string): Promise<Result<never>> {
  const adapter = adapterFiles(files);
  if (adapter !== null) {
    const text =
      adapter.config === null ? null : await readJsonText(adapter.config.blob, 'adapter_config.json');
    const kind = text?.ok === true ? adapterKind(text.value) : null;
    return fail({ kind: 'adapter-alone', base: kind?.ok === true ? kind.value.base : null });
  }
  // Another kind of weights file is recognised by its first bytes and named; a trainer's state only where
  // nothing else is.
  const foreign = files.filter(({ path }) => /\.(bin|pt|pth|ckpt|h5|onnx|gguf|pkl|msgpack)$/i.test(path));
  const models = foreign.filter(({ path }) => !trainingState.test(baseName(path)));
  for (const { path, blob } of models.length > 0 ? models : foreign) {
    const header = await openTensorFile(blob, baseName(path));
    if (!header.ok) return header;
  }
  return fail({
    kind: 'bad-file',
    name: title,
    why: 'weights-missing',
    detail: `There is no safetensors file among ${files.length} files.`,
  });
}
