// What a pile of files is: a model, images, or both at once; and the name to show for it. Pure: collecting
// the files from a drop or a picker is the page's work.
import type { SourceFile } from '../worker/protocol.ts';

export interface SortedPile {
  readonly model: readonly SourceFile[];
  readonly images: readonly SourceFile[];
}

const weights = /\.(?:safetensors|bin|pt|pth|ckpt|h5|onnx|msgpack|gguf|npz)$/i;
const besideWeights = /\.(?:json|txt|md)$/i;

/** Weights with the small files beside them are a model; everything else counts as images. */
export function sortPile(files: readonly SourceFile[]): SortedPile {
  const hasWeights = files.some(({ path }) => weights.test(path));
  const configOnly = files.length > 0 && files.every(({ path }) => /\.json$/i.test(path));
  if (!hasWeights && !configOnly) return { model: [], images: files };
  const isModel = ({ path }: SourceFile): boolean => weights.test(path) || besideWeights.test(path);
  return { model: files.filter(isModel), images: files.filter((file) => !isModel(file)) };
}

/** A name for people: the common first folder, the only file (an archive without its ending), or a count. */
export function pileTitle(files: readonly SourceFile[]): string {
  const paths = files.map(({ path }) => path.replace(/^\.?\/+/, ''));
  const [first = ''] = paths;
  const folder = first.includes('/') ? first.slice(0, first.indexOf('/')) : null;
  if (folder !== null && paths.every((path) => path.startsWith(`${folder}/`))) return folder;
  if (paths.length === 1) return first.replace(/\.(?:zip|tar|tgz|tar\.[^./]+|parquet|safetensors)$/i, '');
  return `${paths.length} files`;
}
