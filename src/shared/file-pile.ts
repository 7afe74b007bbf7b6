// What a pile of files is: a model, images, or both at once; and the name to show for it. Pure: collecting
// the files from a drop or a picker is the work of others, and their paths are enough.

interface Pathed {
  readonly path: string;
}

export interface SortedPile<F extends Pathed> {
  readonly model: readonly F[];
  readonly images: readonly F[];
}

const weights = /\.(?:safetensors|bin|pt|pth|ckpt|h5|onnx|msgpack|gguf|npz)$/i;
/** Endings that nothing else has. */
const onlyWeights = /\.(?:safetensors|onnx|gguf)$/i;
const besideWeights = /\.(?:json|txt|md)$/i;
/** What tools write beside weights, and no table of labels is called. */
const besideModels = /(?:config|\.index|tokenizer|special_tokens_map|vocab)\.json$|(?:^|\/)README\.md$/i;
const configs = /config\.json$/i;
/** In a file or a folder that people do not see, as `.git`; what was dropped itself may be called so. */
const hidden = /\/\.[^./]/;
/** What images are, lie in, or are labelled by: without any of it there is nothing to open beside a model. */
const ofImages =
  /\.(?:jpe?g|jfif|png|webp|gif|bmp|avif|tiff?|hei[cf]|dcm|dng|nef|cr[23]|arw|zip|tar|tgz|gz|parquet|csv|tsv|jsonl|ndjson|xml)$/i;
const picture = /\.(?:jpe?g|jfif|png|webp|gif|bmp|avif|tiff?|hei[cf])$/i;

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1);

/**
 * Weights with the small files of their folder are a model, and configurations in the folders around them;
 * everything else counts as images. Where there are such, a table of labels is among them though it lies
 * beside weights with pictures, and a file that may be weights is a model only with a configuration.
 */
export function sortPile<F extends Pathed>(files: readonly F[]): SortedPile<F> {
  const paths = files.map(({ path }) => path);
  const isAlone = !paths.some((path) => ofImages.test(path) && !hidden.test(path));
  const configured = new Set(paths.filter((path) => configs.test(path)).map(folderOf));
  const isWeights = (path: string): boolean =>
    weights.test(path) && (isAlone || onlyWeights.test(path) || configured.has(folderOf(path)));
  const homes = new Set(paths.filter(isWeights).map(folderOf));
  if (isAlone)
    return homes.size > 0 || configured.size > 0
      ? { model: files, images: [] }
      : { model: [], images: files };
  if (homes.size === 0) return { model: [], images: files };
  const pictured = new Set(paths.filter((path) => picture.test(path)).map(folderOf));
  const isAround = (folder: string): boolean => [...homes].some((home) => home.startsWith(folder));
  const isBeside = (path: string): boolean =>
    besideWeights.test(path) &&
    (homes.has(folderOf(path)) || (besideModels.test(path) && isAround(folderOf(path))));
  const hasPictures = (path: string): boolean =>
    !besideModels.test(path) && [...pictured].some((folder) => folder.startsWith(folderOf(path)));
  return {
    model: files.filter(({ path }) => isWeights(path) || isBeside(path)),
    images: files.filter(({ path }) => !isWeights(path) && (!isBeside(path) || hasPictures(path))),
  };
}

/**
 * Names for folders that were picked or dropped at once, as beginnings of paths: what a path may not begin
 * with is left out, and of several with one name the second is "name (2)".
 */
export function rootNames(names: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    const plain = name.replace(/[\\/:]/g, '').replace(/^\.+/, '') || 'folder';
    let root = plain;
    for (let n = 2; taken.has(root); n++) root = `${plain} (${n})`;
    taken.add(root);
    return root;
  });
}

/** A name for people: the common first folder, the only file (an archive without its ending), or a count. */
export function pileTitle(files: readonly Pathed[]): string {
  const paths = files.map(({ path }) => path.replace(/^\.?\/+/, ''));
  const [first = ''] = paths;
  const folder = first.includes('/') ? first.slice(0, first.indexOf('/')) : null;
  if (folder !== null && paths.every((path) => path.startsWith(`${folder}/`))) return folder;
  if (paths.length === 1) return first.replace(/\.(?:zip|tar|tgz|tar\.[^./]+|parquet|safetensors)$/i, '');
  return `${paths.length} files`;
}
