// The answers as CSV: a row an image with its path, its class, what was answered and how sure, and the
// probability of every class.
import { probabilitiesOf, rowOf } from '../../understand/answers.ts';
import { csvOf } from '../parts/csv.ts';
import type { Seen } from './seen.ts';

export function answersCsv({ answers, asked, given }: Seen): Blob {
  const { classes, labels, paths, set } = answers;
  const fields = [
    'image',
    'set',
    'class',
    'answer',
    'right',
    'confidence',
    ...classes.map((name) => `p(${name})`),
  ];
  const rows = Array.from(labels, (label, i) => [
    paths[i] ?? '',
    set,
    classes[label] ?? '',
    classes[given.answer[i] ?? 0] ?? '',
    given.answer[i] === label ? 1 : 0,
    given.confidence[i] ?? NaN,
    ...probabilitiesOf(rowOf(asked, i)),
  ]);
  return csvOf(fields, rows);
}
