// The messy archive of the shared test data: every entry gets the verdict that its description asks for.
// Skipped where that folder is absent.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { importImages } from './import-images.ts';
import type { ImportReport } from './import-report.ts';

interface Expected {
  readonly path: string;
  readonly status: string;
  readonly also_ok?: readonly string[];
  readonly code?: string;
  readonly class?: string;
  readonly split?: string;
  readonly decoded_size?: readonly [number, number];
}

const folder = new URL('../../../shared/data/datasets/', import.meta.url);
const absent = !existsSync(new URL('messy.zip', folder));
if (absent) console.warn('messy.test.ts is skipped: ../shared/data/datasets is not there.');

async function imported(name: string): Promise<ImportReport> {
  const blob = new Blob([readFileSync(new URL(name, folder))]);
  const report = await importImages([{ path: name, blob }]);
  if (!report.ok) throw new Error(JSON.stringify(report.fault));
  return report.value;
}

describe.skipIf(absent)('messy.zip', async () => {
  const entries: readonly Expected[] = absent
    ? []
    : (JSON.parse(readFileSync(new URL('messy.expected.json', folder), 'utf8')) as { entries: Expected[] })
        .entries;
  const report = absent ? null : await imported('messy.zip');

  test.each(entries.map((entry) => [entry.path, entry] as const))('%s', (path, entry) => {
    const image = report!.images.find((one) => one.path === path);
    const rejected = report!.rejected.find((one) => one.path === path);
    const ignored = report!.ignored.find((one) => one.path === path);
    expect([image, rejected, ignored].filter((verdict) => verdict !== undefined)).toHaveLength(1);
    const status =
      image === undefined
        ? rejected === undefined
          ? 'ignored'
          : 'rejected'
        : image.warnings.length > 0
          ? 'warning'
          : 'accepted';
    expect([entry.status, ...(entry.also_ok ?? [])]).toContain(status);
    if (status === entry.status && entry.code !== undefined) {
      const given = [
        rejected?.code,
        ignored?.code,
        ...(image?.warnings ?? []).map((warning) => warning.code),
      ];
      // HEIC is read since the list was made; the one in it is a head without a picture.
      expect(given).toContain(path.endsWith('.heic') ? 'undecodable' : entry.code);
    }
    if (image === undefined) return;
    expect(report!.classes[image.classIndex]).toBe(entry.class!.normalize('NFC'));
    expect(image.split).toBe(entry.split === 'val' ? 'validation' : entry.split);
    expect([image.width, image.height]).toEqual(entry.decoded_size);
  });

  test('opens as a whole, with classes by code point and what is worth a warning', () => {
    expect(report!.fault).toBeNull();
    expect(report!.classes).toEqual([
      '__proto__',
      'café',
      'lonely',
      'one',
      'three',
      'two',
      '🖐 five fingers',
    ]);
    expect(report!.emptyClasses).toEqual(['empty class']);
    expect(new Set(report!.warnings.map((warning) => warning.code))).toEqual(
      new Set([
        'empty-class',
        'class-not-in-train',
        'small-class',
        'imbalanced',
        'duplicates',
        'label-conflict',
        'split-leak',
      ]),
    );
  });
});

describe.skipIf(absent)('the orderly archives', () => {
  test('sign-language-digits.zip is taken whole', async () => {
    const report = await imported('sign-language-digits.zip');
    expect(report.fault).toBeNull();
    expect(report.rejected).toEqual([]);
    expect(report.classes).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    const counts = report.classes.map(
      (_, i) => report.images.filter((image) => image.classIndex === i).length,
    );
    expect(counts).toEqual([205, 206, 206, 206, 207, 207, 207, 206, 208, 204]);
    expect(report.images.every((image) => image.warnings.length === 0)).toBe(true);
  });

  test('textures10.zip has no folder around its classes', async () => {
    const report = await imported('textures10.zip');
    expect([report.classes.length, report.images.length, report.rejected.length]).toEqual([10, 600, 0]);
  });
});
