// What the checks found: judged by their tolerances, printed as one table, written as JSON.

/**
 * @typedef {object} Check
 * @property {string} family
 * @property {string} check
 * @property {number | null} difference null where nothing was compared
 * @property {number} tolerance
 * @property {string | null} error why there is no difference, or what is wrong besides it
 */

/**
 * The largest logit difference that a check may show: 1e-4 in float32, 2e-2 where weights are float16, 1e-1
 * where they are bfloat16 (eight times as coarse). An export of type `source` has the type of its family's
 * file. Scores of a pipeline against its own logits: float32's rounding. ONNX in few bits: a share of the
 * largest logit, after what was measured on fine-tuned models (docs/interop.md: 8 bits up to 0.09, 4 bits up
 * to 0.24, more than a quarter is not offered).
 * @param {string} family
 * @param {string} check
 */
export function toleranceOf(family, check) {
  const stored = /-(b?f16)$/.exec(family)?.[1];
  if (check.startsWith('source') && stored !== undefined) return stored === 'f16' ? 2e-2 : 1e-1;
  if (check.endsWith('-pipeline') || check.endsWith('-scores')) return 1e-5;
  if (check.startsWith('onnx-q8')) return 0.1;
  if (check.startsWith('onnx-q4')) return 0.25;
  if (check.endsWith('-quantised')) return 0.25;
  if (check.includes('BF16')) return 1e-1;
  return check.includes('F16') ? 2e-2 : 1e-4;
}

/** @param {Check} check */
export const passes = ({ difference, tolerance, error }) =>
  error === null && difference !== null && difference <= tolerance;

/** @param {number} difference */
const short = (difference) => (difference === 0 ? '0' : difference.toExponential(1).replace('e-', 'e-'));

/** Column titles of the checks; a check that is not here stands under its own name. */
const order = [
  ...['read', 'bits', 'source', 'hf-F32', 'hf-F16', 'hf-BF16', 'hf-v5-F32', 'timm-F32', 'timm-F16'],
  ...['peft-F32', 'peft-F32-merged', 'onnx-F32', 'onnx-F16', 'onnx-F32-web', 'onnx-F16-web'],
  ...['onnx-F32-js', 'onnx-F16-js', 'onnx-F32-pipeline', 'onnx-F16-pipeline'],
  ...['onnx-q8-F32', 'onnx-q8-F32-web', 'onnx-q8-F32-js', 'onnx-q4-F32', 'onnx-q4-F32-web', 'onnx-q4-F32-js'],
];

/**
 * The table: a row for each family, a column for each check, the largest difference in each cell; `-` where
 * an export does not exist for the family. Then every failure in words.
 * @param {readonly Check[]} checks
 * @returns {string}
 */
export function table(checks) {
  const families = [...new Set(checks.map(({ family }) => family))];
  const rank = (/** @type {string} */ name) => (order.includes(name) ? order.indexOf(name) : order.length);
  const columns = [...new Set(checks.map(({ check }) => check))].sort((a, b) => rank(a) - rank(b));
  /** @param {string} family @param {string} column */
  const cell = (family, column) => {
    const found = checks.find(({ family: f, check }) => f === family && check === column);
    if (found === undefined) return '-';
    if (found.difference === null) return 'FAILED';
    return passes(found) ? short(found.difference) : `${short(found.difference)} FAILED`;
  };
  const rows = [
    ['family', ...columns],
    ['---', ...columns.map(() => '---')],
    ...families.map((family) => [family, ...columns.map((column) => cell(family, column))]),
  ];
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? [];
  const lines = rows.map((row) => `| ${row.map((text, i) => text.padEnd(widths[i] ?? 0)).join(' | ')} |`);
  const failures = checks
    .filter((check) => !passes(check))
    .map(({ family, check, difference, tolerance, error }) =>
      error === null
        ? `FAILED ${family}, ${check}: ${difference ?? 'nothing'} is more than ${tolerance}`
        : `FAILED ${family}, ${check}: ${error}`,
    );
  return [...lines, ...failures].join('\n');
}
