// The command line of `npm run kernel`: text to a request, or a sentence that names the flag. Which kernels
// there are and what their shapes hold is the table's to say (src/engine/checks/kernel-table.ts).
import { parseArgs } from 'node:util';
import { UserError } from '../finetune/user-error.mjs';

export const usage = `npm run kernel -- NAME [flags]

Compiles one WGSL kernel, runs it on random numbers, compares it with float64 arithmetic and times it.

  --list               the kernels, what each computes, its file and its shape with the defaults
  --shape KEY=VALUE,…  what of the shape is not the default: --shape rows=197,inner=384
  --tile NAME          of matmul: a tile of tuning's set, by its number or name
  --seed N             of the random numbers                        (default: 1)
  --table              a step's kernels instead, of five models and batches: workgroups, bytes, flops, limits
  --print              prints the kernel's WGSL
  --dawn, --chromium   where it runs                (default: Dawn in Node where it finds a GPU, else Chromium)
  --help               this text

The exit code is 1 where an output is further from float64 than rounding explains.`;

/**
 * @typedef {object} KernelArguments
 * @property {import('../../src/engine/checks/try-kernel.ts').KernelRequest | null} request null without a
 *   name
 * @property {boolean} list
 * @property {boolean} table
 * @property {boolean} print
 * @property {'dawn' | 'chromium' | 'either'} where
 * @property {boolean} help
 */

/**
 * @param {readonly string[]} argv the arguments after the script's name
 * @returns {KernelArguments}
 * @throws {UserError}
 */
export function parseKernelArguments(argv) {
  const { values, positionals } = parse(argv);
  if (values.dawn === true && values.chromium === true)
    throw new UserError('--dawn and --chromium exclude each other: give one of them.');
  const [name, ...more] = positionals;
  if (more.length > 0)
    throw new UserError(`One kernel at a time: "${more[0]}" is a second name. Settings begin with --.`);
  const seed = Number(values.seed ?? '1');
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new UserError(`--seed is "${values.seed}": give a whole number from 0 on.`);
  const list = values.list === true;
  const table = values.table === true;
  const help = values.help === true;
  if (name === undefined && !list && !table && !help)
    throw new UserError('Which kernel? Give its name; --list lists them, --help tells the flags.');
  return {
    request:
      name === undefined
        ? null
        : { name, shape: shapeOf(values.shape ?? []), seed, tile: values.tile ?? null },
    list,
    table,
    print: values.print === true,
    where: values.dawn === true ? 'dawn' : values.chromium === true ? 'chromium' : 'either',
    help,
  };
}

/** @param {readonly string[]} argv */
function parse(argv) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        shape: { type: 'string', multiple: true },
        tile: { type: 'string' },
        seed: { type: 'string' },
        list: { type: 'boolean' },
        table: { type: 'boolean' },
        print: { type: 'boolean' },
        dawn: { type: 'boolean' },
        chromium: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message.split('. ')[0] : String(thrown);
    throw new UserError(`${message}. --help tells the flags.`);
  }
}

/**
 * @param {readonly string[]} texts
 * @returns {Record<string, string>}
 */
function shapeOf(texts) {
  const pairs = texts.flatMap((text) => text.split(',').filter((pair) => pair.trim() !== ''));
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      const [key, value] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
      if (at < 1 || value === '')
        throw new UserError(`--shape "${pair}" is no KEY=VALUE: write it as rows=197,inner=384.`);
      return [key, value];
    }),
  );
}
