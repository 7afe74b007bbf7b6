// Archives among the files of a model, opened by the reader that opens images: their weights and the small
// files beside them, as if the folder had been given. Nothing is held in memory that is stored without
// packing.
import { openArchive } from '../formats/archive.ts';
import { zipLimits } from '../formats/zip-directory.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { SourceFile } from './protocol.ts';

const archive = /\.(?:zip|tar|tar\.gz|tgz)$/i;
const ofModels = /\.(?:safetensors|json|txt|md)$/i;
/** Known to be weights, though not to be opened: the fault names them. */
const foreignWeights = /\.(?:bin|pt|pth|ckpt|h5|onnx|msgpack|gguf|pkl)$/i;

/** The files with every archive replaced by what a model needs of it, under its name as a folder. */
export async function unpackArchives(files: readonly SourceFile[]): Promise<Result<readonly SourceFile[]>> {
  const found: SourceFile[] = [];
  for (const file of files) {
    if (!archive.test(file.path)) {
      found.push(file);
      continue;
    }
    const opened = await openArchive(file.blob, file.path);
    if (!opened.ok) return opened;
    const folder = file.path.replace(archive, '');
    for (const { name, isDirectory, blob } of opened.value.entries) {
      const path = name.text.replaceAll('\\', '/').replace(/^(\.?\/+)+/, '');
      const isWanted = ofModels.test(path) || foreignWeights.test(path);
      if (isDirectory || !isWanted || path.split('/').some((part) => part === '..' || part === '__MACOSX'))
        continue;
      const unpacked = await blob(zipLimits.totalBytes);
      if (!unpacked.ok)
        return fail({
          kind: 'bad-file',
          name: file.path,
          why: 'unreadable',
          detail: `${path}: ${unpacked.fault.reason}`,
        });
      found.push({ path: `${folder}/${path}`, blob: unpacked.value });
    }
  }
  return ok(found);
}

/**
 * Whether a pile is a model in an archive: told by names, which cost no unpacking, so of a tar.gz only with
 * `packed`. With it loose weights count as well: it is for a pile that holds no image.
 */
export async function holdsModel(files: readonly SourceFile[], packed = false): Promise<boolean> {
  for (const { path, blob } of files) {
    if (packed && (isWeights(path) || foreignWeights.test(path))) return true;
    if (!(packed ? archive : /\.(?:zip|tar)$/i).test(path)) continue;
    const opened = await openArchive(blob, path);
    if (opened.ok && opened.value.entries.some(({ name }) => isWeights(name.text))) return true;
  }
  return false;
}

const isWeights = (path: string): boolean => /\.safetensors$/i.test(path);
