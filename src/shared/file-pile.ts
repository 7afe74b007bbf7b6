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
const besideWeights = /\.(?:json|txt|md)$/i;

/** Weights with the small files beside them are a model; everything else counts as images. */
export function sortPile<F extends Pathed>(files: readonly F[]): SortedPile<F> {
  const hasWeights = files.some(({ path }) => weights.test(path));
  const configOnly = files.length > 0 && files.every(({ path }) => /\.json$/i.test(path));
  if (!hasWeights && !configOnly) return { model: [], images: files };
  const isModel = ({ path }: Pathed): boolean => weights.test(path) || besideWeights.test(path);
  return { model: files.filter(isModel), images: files.filter((file) => !isModel(file)) };
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
