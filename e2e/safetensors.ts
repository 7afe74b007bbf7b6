// Just enough of safetensors to look at a downloaded file from outside: names, shapes and types of its
// tensors.
import { readFile } from 'node:fs/promises';

/** The header of a file: name -> "F32 [3, 4]", sorted by name. */
export async function tensorsOf(path: string): Promise<Record<string, string>> {
  const file = await readFile(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype: string; shape: number[] }
  >;
  const named = Object.entries(header).filter(([name]) => name !== '__metadata__');
  return Object.fromEntries(
    named
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { dtype, shape }]) => [name, `${dtype} [${shape.join(', ')}]`]),
  );
}
