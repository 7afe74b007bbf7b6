// What is written about the options in other files, from their table: the table in README.md and the head of
// continue.py. `npm run options` writes it there, a test compares.
import type { Option } from '../../src/recipe/option-kinds.ts';
import { optionOf, paths, type Path, type Value } from '../../src/recipe/options.ts';
import { limitsText } from '../../src/recipe/read-recipe.ts';

interface Part {
  /** From the repository's root. */
  readonly file: string;
  /** Lines around what is written. */
  readonly begin: string;
  readonly end: string;
  readonly text: () => string;
}

export const parts: readonly Part[] = [
  {
    file: 'README.md',
    begin: '<!-- options: written by `npm run options` from src/recipe/options.ts -->',
    end: '<!-- end of options -->',
    text: markdownTable,
  },
  {
    file: 'src/export/continue.py',
    begin:
      '# what a value may be: a list of choices, the most characters of a text, or the limits of a number.',
    end: '# End of options.',
    text: pythonTable,
  },
];

/** A file's text with a part of it written anew; throws where the file has no place for it. */
export function written(text: string, { begin, end, text: made, file }: Part): string {
  const [from, to] = [text.indexOf(`${begin}\n`), text.indexOf(`\n${end}`)];
  if (from < 0 || to < from) throw new Error(`${file} has no lines "${begin}" and "${end}"`);
  return `${text.slice(0, from + begin.length + 1)}${made()}${text.slice(to + 1)}`;
}

/** The path as people write it: the ends of a pair are positions in its list. */
const shownPath = (path: Path): string => `\`${path.replace(/\.(\d)$/, '[$1]')}\``;

function valuesText(option: Option): string {
  if (option.kind === 'choice') return option.choices.map(([value]) => `\`${value}\``).join(', ');
  if (option.kind === 'text') return `a text of at most ${option.most} characters; empty: ${option.empty}`;
  const number = `${option.whole === true ? 'whole, ' : ''}${limitsText(option, false)}`;
  return option.empty === undefined ? number : `${number}; \`null\`: ${option.empty}`;
}

function whenText(option: Option): string {
  const named = (values: readonly unknown[]): string =>
    values.map((value) => `\`${String(value)}\``).join(' or ');
  return paths
    .map((path) => {
      const [values, other] = [option.when?.[path], optionOf(path)];
      if (values === undefined) return '';
      const lacking =
        other.kind === 'choice' ? other.choices.filter(([value]) => !values.includes(value)) : [];
      return lacking.length > 0 && lacking.length < values.length
        ? ` Not with \`${path}\` = ${named(lacking.map(([value]) => value))}.`
        : ` Only with \`${path}\` = ${named(values)}.`;
    })
    .join('');
}

function markdownTable(): string {
  const rows = paths.map((path) => {
    const option = optionOf(path);
    const unit = option.kind === 'number' && option.unit !== undefined ? ` (${option.unit})` : '';
    return `| ${shownPath(path)} | \`${option.default}\` | ${valuesText(option)}${unit} | **${option.label}**: ${option.help}${whenText(option)} |`;
  });
  return ['', '| Option | Default | Values | What it does |', '|---|---|---|---|', ...rows, '', ''].join(
    '\n',
  );
}

const python = (value: Value | undefined): string =>
  value === null || value === undefined ? 'None' : JSON.stringify(value);

/** What a value of an option may be, as continue.py checks it. */
function pythonKind(option: Option): string {
  if (option.kind === 'choice') return `[${option.choices.map(([value]) => python(value)).join(', ')}]`;
  if (option.kind === 'text') return String(option.most);
  const { least, above, most, below } = option;
  const limits = Object.entries({ least, above, most, below }).flatMap(([name, limit]) =>
    limit === undefined ? [] : [`"${name}": ${limit}`],
  );
  const whole = option.whole === true ? ['"whole": True'] : [];
  const empty = option.empty === undefined ? [] : ['"empty": True'];
  return `{${[...limits, ...whole, ...empty].join(', ')}}`;
}

function pythonTable(): string {
  const rows = paths.map((path) => {
    const option = optionOf(path);
    const { default: value, notInPython, inPython = [] } = option;
    const followed = `[${inPython.map(python).join(', ')}]`;
    return `    "${path}": (${python(value)}, ${python(notInPython)}, ${followed}, ${pythonKind(option)}),`;
  });
  return ['OPTIONS = {', ...rows, '}', ''].join('\n');
}
