// The result of an ablation in words: verdicts as sentences, tables as Markdown, runs as rows. Accuracies are in
// percent, differences in points of it.
import { bytesInWords } from '../shared/bytes-in-words.ts';
import type { Interval } from '../understand/interval.ts';
import { fewestPairs, type Analysis, type Comparison, type Difference, type Mean } from './analysis.ts';
import { probeArm, taskOf } from './arms.ts';
import type { TrialRecord } from './trial-record.ts';

/** "+1.2", "−0.5", "0.0" of a share as points. */
export function pointsText(share: number, digits = 1): string {
  const text = Math.abs(100 * share).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${share > 0 ? '+' : '−'}${text}`;
}

/** Whether an interval tells anything: not of one value, nor of values that are all the same. */
const tells = ([low, high]: Interval): boolean => Number.isFinite(low) && high - low > 1e-9;

/** A bound of an interval: one that is near nought keeps its side of it, as "+0.03". */
function boundText(share: number): string {
  const points = 100 * share;
  if (points === 0 || Number(points.toFixed(1)) !== 0) return pointsText(share);
  return pointsText(share, Math.min(9, -Math.floor(Math.log10(Math.abs(points)))));
}

/** "+0.4 to +2.0"; null where the interval tells nothing. */
export function rangeText(interval: Interval): string | null {
  return tells(interval) ? `${boundText(interval[0])} to ${boundText(interval[1])}` : null;
}

const percentText = (share: number): string => (100 * share).toFixed(1);

/** "0.012", and "< 0.001". */
export function pText(p: number | null): string {
  if (p === null) return '–';
  return p < 0.001 ? '< 0.001' : p.toFixed(3);
}

const pairsText = (pairs: number): string => `${pairs} ${pairs === 1 ? 'pair' : 'pairs'}`;

/** What a comparison says, as a sentence; the corrected p decides. */
export function verdictSentence({ arm, all }: Comparison, reference: string): string {
  const { pairs, mean, interval, holm, verdict } = all;
  const range = rangeText(interval);
  const figures = `${range === null ? '' : `95 %: ${range}; `}${pairsText(pairs)}${holm === null ? '' : `, p by Holm ${pText(holm)}`}`;
  const by = `${Math.abs(100 * mean).toFixed(1)} points`;
  const beside = `"${arm}" beside "${reference}"`;
  switch (verdict) {
    case 'better':
      return `"${arm}" is better than "${reference}" by ${by} (${figures}).`;
    case 'worse':
      return `"${arm}" is worse than "${reference}" by ${by} (${figures}).`;
    case 'same':
      return `${beside}: no difference in any of ${pairsText(pairs)}.`;
    case 'no-spread':
      return `${beside}: inconclusive. All ${pairsText(pairs)} differ by the same ${pointsText(mean)} points, which leaves no spread to judge that by.`;
    case 'too-few':
      return pairs === 0
        ? `${beside}: inconclusive. There is no pair of runs.`
        : `${beside}: inconclusive. ${pointsText(mean)} points in ${pairsText(pairs)}, and ${fewestPairs} are the fewest that anything is said of.`;
    case 'inconclusive':
      return `${beside}: inconclusive. ${pointsText(mean)} points (${figures}); with so many pairs a difference below about ${percentText((interval[1] - interval[0]) / 2)} points is not seen.`;
    default:
      return verdict satisfies never;
  }
}

const row = (cells: readonly (string | number)[]): string =>
  `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;

const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] => [
  row(head),
  row(head.map(() => '---')),
  ...rows.map(row),
];

function meanText({ runs, mean, interval }: Mean): string {
  const [low, high] = interval;
  if (tells(interval)) return `${percentText(mean)} (${percentText(low)} to ${percentText(high)})`;
  return runs > 1 ? `${percentText(mean)} (each)` : percentText(mean);
}

function differenceCells(one: Difference): (string | number)[] {
  const { pairs, mean, interval, test, holm, wins, ties, losses } = one;
  return [
    pairs,
    pairs === 0 ? '–' : pointsText(mean),
    rangeText(interval) ?? '–',
    `${wins}-${ties}-${losses}`,
    pText(test?.p ?? null),
    pText(holm),
  ];
}

/** What stands above the tables. */
export interface Setting {
  readonly model: string;
  readonly devices: readonly string[];
  readonly builds: readonly string[];
  /** Runs that are done, and all that were asked for. */
  readonly done: number;
  readonly wanted: number;
  readonly notes: readonly string[];
}

/** The whole result as Markdown. */
export function reportOf(
  analysis: Analysis,
  { model, devices, builds, done, wanted, notes }: Setting,
): string {
  const { arms, tasks, judge, cells, overall, comparisons, reference } = analysis;
  const accuracies = arms.map((arm) => {
    const own = cells.filter((cell) => cell.arm === arm);
    const whole = overall.find((one) => one.arm === arm);
    const runs = own.filter(({ seconds }) => seconds !== null);
    const seconds = runs.reduce((sum, cell) => sum + (cell.seconds ?? 0) * cell.runs, 0);
    const count = runs.reduce((sum, cell) => sum + cell.runs, 0);
    const diverged = own.reduce((sum, cell) => sum + cell.diverged, 0);
    return [
      arm,
      ...tasks.map((task) => {
        const cell = own.find((one) => one.task === task);
        return cell === undefined ? '–' : meanText(cell);
      }),
      ...(tasks.length > 1 ? [whole === undefined ? '–' : meanText(whole)] : []),
      own.reduce((sum, cell) => sum + cell.runs, 0),
      count === 0 ? '–' : (seconds / count).toFixed(1),
      count === 0 ? '–' : bytesInWords(Math.max(...runs.map(({ peakBytes }) => peakBytes ?? 0))),
      arm === probeArm ? '–' : diverged,
    ];
  });
  const differences = comparisons.flatMap(({ arm, all, tasks: single }) => [
    [arm, tasks.length > 1 ? 'all' : (tasks[0] ?? ''), ...differenceCells(all)],
    ...(tasks.length > 1 ? single.map((one) => [arm, one.task, ...differenceCells(one)]) : []),
  ]);
  const of = judge === 'test' ? 'images kept apart, asked once at the end of a run' : 'validation images';
  const all = [...notes, ...analysis.notes];
  return [
    `# Ablation: ${arms.filter((arm) => arm !== probeArm).join(', ')}`,
    '',
    `${done} of ${wanted} runs are done. Model: ${model}. Computed on ${devices.join('; ')}. Build of Graft: ${builds.join(', ')}.`,
    `Accuracies are of ${of}. Arms of one set and one seed have the same split, order of images and initial values.`,
    ...(judge === 'validation'
      ? [
          '',
          '**No images were kept apart.** Validation images judge here, and chose the states that are the best ones: accuracies flatter.',
        ]
      : []),
    '',
    '## What it says',
    '',
    ...comparisons.map((one) => `- ${verdictSentence(one, reference)}`),
    '',
    '## Accuracies in percent',
    '',
    'Mean over the seeds, in brackets its 95 % interval (Student’s t).',
    '',
    ...table(
      [
        'Arm',
        ...tasks,
        ...(tasks.length > 1 ? ['All'] : []),
        'Runs',
        'Seconds a run',
        'Most memory',
        'Diverged',
      ],
      accuracies,
    ),
    '',
    `## Paired differences to "${reference}" in points`,
    '',
    ...table(
      ['Arm', 'Set', 'Pairs', 'Difference', '95 %', 'Better-equal-worse', 'p', 'p by Holm'],
      differences,
    ),
    ...(all.length === 0 ? [] : ['', '## To know', '', ...all.map((note) => `- ${note}`)]),
    '',
  ].join('\n');
}

/** The runs as rows of a table, and the names of its columns. */
export function runRows(records: readonly TrialRecord[]): {
  fields: readonly string[];
  rows: readonly (readonly (string | number)[])[];
} {
  const columns: readonly (readonly [string, (record: TrialRecord) => string | number | null])[] = [
    ['arm', ({ arm }) => arm],
    ['set', ({ set }) => set],
    ['images_a_class', ({ shots }) => shots],
    ['seed', ({ seed }) => seed],
    ['task', taskOf],
    ['test_accuracy', ({ result }) => result.test?.accuracy ?? null],
    ['test_loss', ({ result }) => result.test?.loss ?? null],
    ['validation_accuracy', ({ result }) => result.validation.accuracy],
    ['validation_loss', ({ result }) => result.validation.loss],
    ['probe_test_accuracy', ({ result }) => result.probe?.test?.accuracy ?? null],
    ['probe_validation_accuracy', ({ result }) => result.probe?.validation.accuracy ?? null],
    ['steps', ({ result }) => result.steps],
    ['kept_step', ({ result }) => result.keptStep],
    [
      'scalars_kept',
      ({ result: { scalarsKept = null } }) => (scalarsKept === null ? null : Number(scalarsKept)),
    ],
    ['diverged', ({ result }) => (result.diverged ? 1 : 0)],
    ['train_images', ({ result }) => result.images.train],
    ['validation_images', ({ result }) => result.images.validation],
    ['test_images', ({ result }) => result.images.test],
    ['seconds', ({ result }) => result.seconds],
    ['seconds_a_step', ({ result }) => result.secondsPerStep],
    ['peak_bytes', ({ result }) => result.peakBytes],
    ['split', ({ split }) => split.slice(0, 12)],
    ['key', ({ key }) => key.slice(0, 12)],
    ['device', ({ device }) => device],
    ['build', ({ build }) => build],
    ['ended_at', ({ endedAt }) => endedAt],
  ];
  return {
    fields: columns.map(([name]) => name),
    rows: records.map((record) => columns.map(([, value]) => value(record) ?? '')),
  };
}
