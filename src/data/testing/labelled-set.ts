// Six images in one folder, for tests of the tables beside them: how they were read, as classes and warnings.
import { importImages } from '../import-images.ts';
import type { ImportReport } from '../import-report.ts';
import type { SourceFile } from '../source-file.ts';
import { folderFiles } from './images.ts';

/** set/0.png to set/5.png. */
export const sixImages = folderFiles(['set'], 6);
/** A row for each of them. */
export const six = (row: (i: number) => string): string[] => [0, 1, 2, 3, 4, 5].map(row);

/** What the import says of files; throws where it reads none. */
export async function readFiles(files: readonly SourceFile[]): Promise<ImportReport> {
  const report = await importImages(files);
  if (!report.ok) throw new Error(JSON.stringify(report.fault));
  return report.value;
}

/** The class of each image, in the order of their numbers; '-' for none. */
export function labelsOf({ images, classes }: ImportReport): string[] {
  const labels = new Map(images.map(({ path, classIndex }) => [path, classes[classIndex]]));
  return six((i) => labels.get(`set/${i}.png`) ?? '-');
}

/** What is said of tables that were read. */
export const tableWarnings = ({ warnings }: ImportReport): string[] =>
  warnings.filter(({ code }) => code === 'table-rows').map(({ text }) => text);
