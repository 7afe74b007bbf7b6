// The weights among the files that a user gave: one safetensors file, or the shards of an index; what is there instead is
// named.
import { openShards, openTensorFile, type TensorFile } from '../formats/tensor-files.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { SourceFile } from './protocol.ts';

/** The name of a file without its folders. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Opens the weights; `name` is that of their file or of their index. */
export async function openWeights(
  files: readonly SourceFile[],
  title: string,
): Promise<Result<TensorFile & { readonly name: string }>> {
  const named = (name: string): SourceFile | undefined => files.find(({ path }) => baseName(path) === name);
  const withName = (
    name: string,
    opened: Result<TensorFile>,
  ): Result<TensorFile & { readonly name: string }> => (opened.ok ? ok({ ...opened.value, name }) : opened);
  const one = named('model.safetensors');
  const index = files.find(({ path }) => path.endsWith('.safetensors.index.json'));
  if (one === undefined && index !== undefined) {
    const name = baseName(index.path);
    return withName(name, await openShards(index.blob, name, (shard) => named(shard)?.blob));
  }
  const all = files.filter(({ path }) => path.endsWith('.safetensors'));
  const weights = one ?? all[0];
  const isShard = weights !== undefined && /-\d{5}-of-\d{5}\.safetensors$/.test(weights.path);
  if (isShard)
    return fail({
      kind: 'bad-file',
      name: baseName(weights.path),
      why: 'weights-missing',
      detail: 'It is one of several files, and their model.safetensors.index.json is not here.',
    });
  if (weights !== undefined) {
    const name = baseName(weights.path);
    return withName(name, await openTensorFile(weights.blob, name));
  }
  // Another kind of weights file is recognised by its first bytes and named.
  for (const { path, blob } of files.filter(({ path }) =>
    /\.(bin|pt|pth|ckpt|h5|onnx|gguf|pkl|msgpack)$/.test(path),
  )) {
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
