// The bare page that `npm run finetune` and some tests drive: the app's own worker behind the app's own
// client, with plain functions instead of a user interface. Files come in through the page's file inputs and
// go out as downloads, so that nothing big crosses the wire between browser and driver. Knows nothing of
// React.
import type { Recipe } from './recipe/options.ts';
import { readRecipe } from './recipe/read-recipe.ts';
import { faultSentence } from './shared/describe-fault.ts';
import type { Fault } from './shared/fault.ts';
import { fail, ok, type Result } from './shared/result.ts';
import { dataSource, fetchJson, loadDataList, loadModelList, modelSource } from './state/bundled.ts';
import { protocolVersion, startClient } from './worker/client.ts';
import type {
  AdapterBeside,
  CommandName,
  Commands,
  ExportResult,
  FormatExport,
  ModelOrigin,
  ReadingOptions,
  Source,
  TrainerEvent,
} from './worker/protocol.ts';

declare const __BUILD__: string;

/** A Result as it leaves the page: with the fault's words, which only this side can make. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly fault: Fault; readonly sentence: string };

export type FileInput = 'model' | 'adapter' | 'data' | 'validation';

/**
 * Which files a command takes: those put into an input of this page, the first of what ships, or a model or data set
 * of the Hub.
 */
export type Files =
  | {
      readonly kind: 'input';
      readonly input: FileInput;
      readonly title: string;
      /** Path of each file inside the folder it was chosen from, in the order of the input. */
      readonly paths: readonly string[];
    }
  | { readonly kind: 'shipped' }
  | Extract<Source, { kind: 'hub' }>;

interface Opened {
  readonly source: Source;
  readonly title: string;
  readonly origin?: ModelOrigin;
}

/** Commands whose input and output hold no files. */
type PlainCommand = Exclude<
  CommandName,
  'hello' | 'openModel' | 'openData' | 'thumbnails' | 'exportModel' | 'proofFile' | 'runFile' | 'takeRun'
>;

/** An export without its files: those are named. */
export interface HeadlessExport {
  readonly result: ExportResult['result'];
  readonly temperature: ExportResult['temperature'];
  readonly formats: readonly (Omit<FormatExport, 'files'> & {
    readonly files: readonly { readonly name: string; readonly bytes: number }[];
  })[];
}

export interface HeadlessPage {
  hello(): Promise<Outcome<Commands['hello']['output']>>;
  /** Checks a recipe; what it leaves out takes its default. */
  recipe(json: unknown): Outcome<Recipe>;
  /**
   * Nobody can be asked here which of several models is meant: one is taken by rule where there is one, and
   * its notes say so.
   *
   * @param imageSize side of the images in pixels; null for the model's own.
   * @param weights path of the weights or of their folder, where the files hold several models; null for the
   *   rule's.
   * @param adapter files of a PEFT adapter.
   * @param adapterAs whether it is merged into the model, or what the branches start from.
   */
  openModel(
    files: Files,
    imageSize?: number | null,
    weights?: string | null,
    adapter?: Extract<Files, { kind: 'input' }> | null,
    adapterAs?: AdapterBeside['as'],
  ): Promise<Outcome<Commands['openModel']['output']>>;
  openData(
    files: Files,
    role: 'all' | 'validation',
    recipe: Recipe,
    reading?: Partial<ReadingOptions>,
  ): Promise<Outcome<Commands['openData']['output']>>;
  call<K extends PlainCommand>(name: K, input: Commands[K]['input']): Promise<Outcome<Commands[K]['output']>>;
  /** Exports; the files stay here until `download` is asked for each by its path, `<format>/<name>`. */
  exportModel(choice: Commands['exportModel']['input']): Promise<Outcome<HeadlessExport>>;
  /** Puts the proof beside the exported files, as `proof.safetensors`. */
  proofFile(): Promise<Outcome<{ readonly bytes: number }>>;
  /** Starts the download of an exported file. A page may start ten: small files are asked for by `read`. */
  download(path: string): void;
  /** The bytes of an exported file, one character a byte. */
  read(path: string): Promise<string>;
  /** Every event so far, from the given one on. */
  events(from: number): readonly TrainerEvent[];
  sentence(fault: Fault): string;
}

declare global {
  interface Window {
    graft: HeadlessPage;
    /** Receives every event where the driver has put it here before the page loads. */
    graftEvent?: (event: TrainerEvent) => void;
  }
}

const events: TrainerEvent[] = [];
const exported = new Map<string, Blob>();

const client = startClient(
  () => new Worker(new URL('./worker/trainer.worker.ts', import.meta.url), { type: 'module' }),
  (event) => {
    events.push(event);
    window.graftEvent?.(event);
  },
);

function outcome<T>(result: Result<T>): Outcome<T> {
  return result.ok ? result : { ...result, sentence: faultSentence(result.fault) };
}

const locate = (path: string): string => new URL(path, document.baseURI).href;

/**
 * The files of an input with the paths that the driver gives them: an input itself knows only their names.
 */
function chosenFiles({ input, title, paths }: Extract<Files, { kind: 'input' }>): Result<Opened> {
  const element = document.getElementById(input);
  const chosen = element instanceof HTMLInputElement ? [...(element.files ?? [])] : [];
  const agree =
    chosen.length === paths.length && chosen.every((file, i) => paths[i]?.split('/').at(-1) === file.name);
  if (!agree) return fail({ kind: 'bug', message: `The ${input} input holds other files than were named.` });
  const files = chosen.map((blob, i) => ({ path: paths[i] ?? blob.name, blob }));
  return ok({ source: { kind: 'files', files }, title });
}

const noneShipped = (what: string): Result<never> =>
  fail({ kind: 'bug', message: `This build ships no ${what}.` });

async function modelOf(files: Files): Promise<Result<Opened>> {
  if (files.kind === 'hub') return ok({ source: files, title: files.model });
  if (files.kind === 'input') return chosenFiles(files);
  const list = await loadModelList(fetchJson);
  if (!list.ok) return list;
  const [first] = list.value;
  return first === undefined
    ? noneShipped('model')
    : ok({
        source: modelSource(first, locate),
        title: first.title,
        origin: { hubId: null, revision: null, licence: first.licence },
      });
}

async function imagesOf(files: Files): Promise<Result<Opened>> {
  if (files.kind === 'hub') {
    const { model: dataSet, address, token } = files;
    const offer = await client.call('offerDataSet', { dataSet, address, token });
    if (!offer.ok) return offer;
    const { id, subset, pinned } = offer.value;
    return ok({ source: { ...files, model: pinned }, title: subset === null ? id : `${id}, ${subset}` });
  }
  if (files.kind === 'input') return chosenFiles(files);
  const list = await loadDataList(fetchJson);
  if (!list.ok) return list;
  const [first] = list.value;
  return first === undefined
    ? noneShipped('images')
    : ok({ source: dataSource(first, locate), title: first.title });
}

function exportedBlob(path: string): Blob {
  const blob = exported.get(path);
  if (blob === undefined) throw new Error(`${path} was not exported`);
  return blob;
}

window.graft = {
  async hello() {
    return outcome(await client.call('hello', { protocol: protocolVersion, build: __BUILD__ }));
  },

  recipe: (json) => outcome(readRecipe(json)),

  async openModel(files, imageSize = null, weights = null, adapter = null, adapterAs = 'merged') {
    const opened = await modelOf(files);
    if (!opened.ok) return outcome(opened);
    const beside = adapter === null ? null : chosenFiles(adapter);
    if (beside !== null && !beside.ok) return outcome(beside);
    const asked = {
      ...opened.value,
      ...(beside?.value.source.kind === 'files'
        ? { adapter: { files: beside.value.source.files, as: adapterAs } }
        : {}),
      ...(imageSize === null ? {} : { imageSize }),
      ...(weights === null ? {} : { weights }),
    };
    const answer = await client.call('openModel', asked);
    const rule = !answer.ok && answer.fault.kind === 'which-model' ? answer.fault.byRule : null;
    return outcome(rule === null ? answer : await client.call('openModel', { ...asked, weights: rule }));
  },

  async openData(files, role, { split, seed }, reading = {}) {
    const opened = await imagesOf(files);
    return outcome(
      opened.ok ? await client.call('openData', { ...opened.value, role, reading, split, seed }) : opened,
    );
  },

  async call(name, input) {
    return outcome(await client.call(name, input));
  },

  async exportModel(choice) {
    const answer = await client.call('exportModel', choice);
    if (!answer.ok) return outcome(answer);
    exported.clear();
    const { formats, result, temperature } = answer.value;
    const named = formats.map(({ files, ...format }) => {
      for (const { name, blob } of files) exported.set(`${format.format}/${name}`, blob);
      return { ...format, files: files.map(({ name, blob }) => ({ name, bytes: blob.size })) };
    });
    return outcome(ok({ formats: named, result, temperature }));
  },

  async proofFile() {
    const proof = await client.call('proofFile', null);
    if (proof.ok) exported.set('proof.safetensors', proof.value);
    return outcome(proof.ok ? ok({ bytes: proof.value.size }) : proof);
  },

  async read(path) {
    const bytes = new Uint8Array(await exportedBlob(path).arrayBuffer());
    return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  },

  download(path) {
    const blob = exportedBlob(path);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = path.replaceAll('/', '-');
    link.click();
  },

  events: (from) => events.slice(from),
  sentence: faultSentence,
};
