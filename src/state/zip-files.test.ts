// The zip that an export leaves in: every file under its path, byte for byte, as another program unpacks it.
import { expect, test } from 'vitest';
import { unzipSync } from 'fflate';
import { zipBlob, zipLength, type ZipEntry } from './zip-files.ts';

test('holds every file under its folder, unchanged and as long as foretold', async () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 31) % 251);
  const files: ZipEntry[] = [
    { name: 'hf/model.safetensors', blob: new Blob([bytes]) },
    { name: 'onnx/onnx/model.onnx', blob: new Blob([bytes.slice(0, 7)]) },
    { name: 'hf/README.md', blob: new Blob(['# قطة']) },
  ];
  const zip = await zipBlob(files);
  expect(zip.type).toBe('application/zip');
  expect(zip.size).toBe(zipLength(files));
  const unpacked = unzipSync(new Uint8Array(await zip.arrayBuffer()));
  expect(Object.keys(unpacked).sort()).toEqual(files.map(({ name }) => name).sort());
  for (const { name, blob } of files)
    expect(unpacked[name]).toEqual(new Uint8Array(await blob.arrayBuffer()));
});
