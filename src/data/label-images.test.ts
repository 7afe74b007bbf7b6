// Labels from tables and from the names of files: which are found, how rows and images meet, and what is left
// alone.
import { describe, expect, test } from 'vitest';
import { importImages } from './import-images.ts';
import type { ImportReport } from './import-report.ts';
import { autoReading, type ReadingOptions } from './reading-options.ts';
import type { SourceFile } from './source-file.ts';
import { countsOf, fileOf, folderFiles, makePng } from './testing/images.ts';

async function read(
  files: readonly SourceFile[],
  reading: Partial<ReadingOptions> = {},
): Promise<ImportReport> {
  const report = await importImages(files, { reading: { ...autoReading, ...reading } });
  if (!report.ok) throw new Error(JSON.stringify(report.fault));
  return report.value;
}

const faultOf = ({ fault }: ImportReport): string | null =>
  fault?.kind === 'bad-dataset' ? fault.why : null;

const detailOf = ({ fault }: ImportReport): string => (fault?.kind === 'bad-dataset' ? fault.detail : '');

const codesOf = ({ warnings }: ImportReport): string[] => warnings.map(({ code }) => code);

describe('tables', () => {
  const images = folderFiles(['images'], 6);
  const table = (path: string, rows: readonly string[]): SourceFile => fileOf(path, rows.join('\n'));

  test.each([
    [
      'CSV with quotes and a mark of byte order',
      [
        '\ufefffile_name,label',
        ...[0, 1, 2].map((i) => `"${i}.png","a, b"`),
        ...[3, 4, 5].map((i) => `${i}.png,c`),
      ],
      'a, b',
    ],
    [
      'semicolons, windows paths',
      [
        'img;breed',
        ...[0, 1, 2].map((i) => `images\\${i}.png;x`),
        ...[3, 4, 5].map((i) => `images\\${i}.png;c`),
      ],
      'x',
    ],
    [
      'names without endings, numbers and names of classes',
      ['id,class_id,class_name', ...[0, 1, 2].map((i) => `${i},0,x`), ...[3, 4, 5].map((i) => `${i},1,c`)],
      'x',
    ],
  ])('%s', async (_, rows, label) => {
    const report = await read([...images, table('labels.csv', rows)]);
    expect(countsOf(report)).toEqual({ [`any ${label}`]: 3, 'any c': 3 });
  });

  test('metadata.jsonl, with rows and images that have no counterpart', async () => {
    const rows = [
      ...[0, 1].map((i) => JSON.stringify({ file_name: `${i}.png`, label: 0 })),
      ...[2, 3].map((i) => JSON.stringify({ file_name: `${i}.png`, label: 1 })),
      JSON.stringify({ file_name: 'gone.png', label: 1 }),
      JSON.stringify({ file_name: '4.png', label: null }),
      '{ broken',
    ];
    const report = await read([...images, table('images/metadata.jsonl', rows)]);
    expect(countsOf(report)).toEqual({ 'any 0': 2, 'any 1': 2 });
    expect(report.rejected.map(({ path, reason }) => [path, reason])).toEqual([
      ['images/4.png', 'images/metadata.jsonl names no class for it.'],
      ['images/5.png', 'images/metadata.jsonl has no row for it.'],
    ]);
    expect(codesOf(report)).toEqual(['table-rows']);
  });

  test('of two splits, or with a column of splits, split', async () => {
    const csv = (from: number) => [
      'file,label',
      ...[0, 1, 2].map((i) => `${from + i}.png,${i % 2 === 0 ? 'a' : 'b'}`),
    ];
    const two = await read([...images, table('train.csv', csv(0)), table('val.csv', csv(3))]);
    expect(countsOf(two)).toEqual({ 'train a': 2, 'train b': 1, 'validation a': 2, 'validation b': 1 });
    expect(two.reading.sentence).toBe('2 classes from train.csv and val.csv, column label.');
    const rows = [
      'file,label,split',
      ...[0, 1, 2, 3, 4, 5].map((i) => `${i}.png,${'ab'[i % 2]},${i < 4 ? 'train' : 'test'}`),
    ];
    const one = await read([...images, table('all.csv', rows)]);
    expect(countsOf(one)).toEqual({ 'train a': 2, 'train b': 2, 'test a': 1, 'test b': 1 });
  });

  test('never silently take the place of class folders', async () => {
    const files = folderFiles(['cats', 'dogs'], 3);
    const rows = ['file_name,label', 'cats/0.png,x', 'cats/1.png,y', 'dogs/0.png,x', 'dogs/1.png,y'];
    const report = await read([...files, table('metadata.csv', rows)]);
    expect(report.classes).toEqual(['cats', 'dogs']);
    expect(codesOf(report)).toEqual(['two-labels']);
    expect(report.reading.choices).toMatchObject([
      { option: 'labels', value: 'folders', offered: [{ value: 'folders' }, { value: 'column:label' }] },
    ]);
    for (const asked of ['table', 'column:label'] as const)
      expect((await read([...files, table('metadata.csv', rows)], { labels: asked })).classes).toEqual([
        'x',
        'y',
      ]);
    const agreeing = [
      'file_name,label',
      'cats/0.png,cats',
      'cats/1.png,cats',
      'dogs/0.png,dogs',
      'dogs/1.png,dogs',
    ];
    const same = await read([...files, table('metadata.csv', agreeing)]);
    expect([same.warnings, same.reading.choices]).toEqual([[], []]);
  });

  test('without a column of classes, or made to hand in, are left alone', async () => {
    const files = folderFiles(['cats', 'dogs'], 3);
    const sizes = ['file,width', 'cats/0.png,20', 'cats/1.png,20', 'dogs/0.png,20'];
    expect((await read([...files, table('sizes.csv', sizes)])).reading.choices).toEqual([]);
    const answer = ['id,label', ...[0, 1, 2, 3, 4, 5].map((i) => `${i}.png,${i % 2}`)];
    expect(faultOf(await read([...images, table('sample_submission.csv', answer)]))).toBe('one-class');
  });
});

describe('rows and files that are named otherwise', () => {
  const rowsOf = (name: (i: number) => string): string[] => [
    'image,label',
    ...[0, 1, 2, 3, 4, 5].map((i) => `${name(i)},${'ab'[i % 2]}`),
  ];
  const files = (folder: string, name: (i: number) => string, rows: readonly string[]): SourceFile[] => [
    ...[0, 1, 2, 3, 4, 5].map((i) => fileOf(`${folder}/${name(i)}`, makePng(1 + i))),
    fileOf('table.csv', rows.join('\n')),
  ];
  const half = { 'any a': 3, 'any b': 3 };

  test.each([
    ['another ending', (i: number) => `x${i}.png`, (i: number) => `x${i}.jpg`],
    ['another case', (i: number) => `IMG_${i}.PNG`, (i: number) => `img_${i}.png`],
    ['other folders', (i: number) => `x${i}.png`, (i: number) => `/data/set/images/x${i}.png`],
    ['another ending in other folders', (i: number) => `x${i}.png`, (i: number) => `old/x${i}.jpeg`],
    ['lost zeros', (i: number) => `000${i}.png`, (i: number) => `${i}`],
  ])('meet by %s', async (_, name, row) => {
    const report = await read(files('pics', name, rowsOf(row)));
    expect(countsOf(report)).toEqual(half);
    expect(codesOf(report)).toEqual([]);
  });

  test('do not meet where several could be meant, or another row means the image', async () => {
    const both = [
      ...files(
        'pics',
        (i) => `x${i}.png`,
        rowsOf((i) => `x${i}.jpeg`),
      ),
      fileOf('pics/x0.PNG', makePng(50)),
    ];
    const one = await read(both);
    expect(countsOf(one)).toEqual({ 'any a': 2, 'any b': 3 });
    const rows = [...rowsOf((i) => `x${i}.png`), 'X0.png,b', 'val/x1.jpg,a'];
    const strict = await read(files('pics', (i) => `x${i}.png`, rows));
    expect(countsOf(strict)).toEqual(half);
    expect(codesOf(strict)).toEqual(['table-rows']);
  });

  test('that never meet are a fault with one of each', async () => {
    const report = await read(
      files(
        'pics',
        (i) => `x${i}.png`,
        rowsOf((i) => `y${i}.png`),
      ),
    );
    expect(faultOf(report)).toBe('one-class');
    expect(detailOf(report)).toContain(
      'No row of table.csv meets an image: it names files like y0.png, and the images are named like pics/x0.png.',
    );
  });
});

describe('forms of tables', () => {
  const images = folderFiles(['images'], 6);
  const table = (rows: readonly string[], name = 'table.csv'): SourceFile[] => [
    ...images,
    fileOf(name, rows.join('\n')),
  ];
  const six = (row: (i: number) => string): string[] => [0, 1, 2, 3, 4, 5].map(row);

  test('without a header: every row is one', async () => {
    const report = await read(table(six((i) => `${i}.png,${i < 3 ? 'cat' : 'dog'}`)));
    expect(countsOf(report)).toEqual({ 'any cat': 3, 'any dog': 3 });
    expect(report.reading.sentence).toBe('2 classes from table.csv, column 2.');
    expect(codesOf(report)).toEqual([]);
  });

  test('with a header that could be an image, or that pandas made up, lose none', async () => {
    const named = [...images, fileOf('images/image.png', makePng(99))];
    const rows = ['image,label', ...six((i) => `${i}.png,${i < 3 ? 'cat' : 'dog'}`)];
    expect(countsOf(await read([...named, fileOf('t.csv', rows.join('\n'))]))).toEqual({
      'any cat': 3,
      'any dog': 3,
    });
    const pandas = ['0,1', ...six((i) => `${i},${i < 3 ? 'cat' : 'dog'}`)];
    expect(countsOf(await read(table(pandas)))).toEqual({ 'any cat': 3, 'any dog': 3 });
  });

  test.each([
    ['1,0,0', '0,1,0', '0,0,1'],
    ['1.0,0.0,0.0', '0.0,1.0,0.0', '0.0,0.0,1.0'],
  ])('one column a class: %s', async (...rows) => {
    const report = await read(table(['id,ash,elm,oak', ...six((i) => `${i},${rows[i % 3]}`)]));
    expect(countsOf(report)).toEqual({ 'any ash': 2, 'any elm': 2, 'any oak': 2 });
    expect(report.reading.sentence).toBe('3 classes from table.csv, column ash … oak.');
  });

  test('several columns marked for an image are no classes', async () => {
    const report = await read(table(['id,ash,elm,oak', ...six((i) => `${i},1,${i % 2},1`)]));
    expect(detailOf(report)).toContain('several of its columns ash, elm, oak');
  });

  test.each([
    ['a list of paths and classes', 'train.txt', six((i) => `images/${i}.png ${'ab'[i % 2]}`)],
    [
      'an object of names and classes',
      'labels.json',
      [`{${six((i) => `"${i}.png":"${'ab'[i % 2]}"`).join()}}`],
    ],
    ['a list of objects', 'labels.json', [`[${six((i) => `{"id":${i},"label":"${'ab'[i % 2]}"}`).join()}]`]],
    ["Excel's word on the delimiter", 't.csv', ['sep=;', 'id;label', ...six((i) => `${i};${'ab'[i % 2]}`)]],
    ['a comment first', 't.csv', ['# by me, today', 'id,label', ...six((i) => `${i},${'ab'[i % 2]}`)]],
    ['addresses', 't.csv', ['url,label', ...six((i) => `https://e.org/p/${i}.png?w=1/2,${'ab'[i % 2]}`)]],
    ['lists of one', 't.csv', ['id,labels', ...six((i) => `${i},"['${'ab'[i % 2]}']"`)]],
    ['marks in words', 't.csv', ['id,a,b', ...six((i) => `${i},${i % 2 === 0},${i % 2 === 1}`)]],
  ])('%s', async (_, name, rows) => {
    expect(countsOf(await read(table(rows, name)))).toEqual({ 'any a': 3, 'any b': 3 });
  });

  test('in UTF-16', async () => {
    const text = ['\ufeffid,label', ...six((i) => `${i},${'ab'[i % 2]}`)].join('\n');
    const units = Uint16Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
    const report = await read([...images, fileOf('t.csv', new Uint8Array(units.buffer))]);
    expect(countsOf(report)).toEqual({ 'any a': 3, 'any b': 3 });
  });

  test('other texts are no tables: class maps, notes, boxes', async () => {
    for (const [name, text] of [
      ['id2label.json', '{"0":"cat","1":"dog","2":"cat","3":"dog"}'],
      ['README.txt', 'These are images\nof two things'],
      ['0.txt', '0 0.5 0.5 0.2 0.2\n1 0.5 0.5 0.2 0.2'],
    ] as const)
      expect(detailOf(await read(table([text], name)))).toBe('All usable images are of the class "images".');
  });

  test('beside images whose names other folders have too: those of its own folder', async () => {
    const files = ['train', 'val'].flatMap((split, s) => [
      ...six((i) => `${split}/images/${i}.png`).map((path, i) => fileOf(path, makePng(1 + 10 * s + i))),
      fileOf(
        `${split}/labels.csv`,
        ['image,label', ...six((i) => `${i}.png,${'ab'[(i + s) % 2]}`)].join('\n'),
      ),
    ]);
    expect(countsOf(await read(files))).toEqual({
      'train a': 3,
      'train b': 3,
      'validation a': 3,
      'validation b': 3,
    });
  });

  test('two columns of unknown names are seen, and can be chosen', async () => {
    const files = table(['id,make,colour', ...six((i) => `${i},${'ab'[i % 2]},${'xyz'[i % 3]}`)]);
    const report = await read(files);
    expect(detailOf(report)).toContain('make, colour');
    expect(report.reading.choices[0]?.offered.map(({ value }) => value)).toEqual([
      'folders',
      'column:make',
      'column:colour',
    ]);
    expect((await read(files, { labels: 'column:colour' })).classes).toEqual(['x', 'y', 'z']);
  });

  test('whole numbers with a point are those numbers, others stay text', async () => {
    expect((await read(table(['id,label', ...six((i) => `${i},${i % 2}.0`)]))).classes).toEqual(['0', '1']);
    const lost = ['id,label', ...six((i) => `${i},${i === 0 ? 'nan' : `${i % 2}.0`}`)];
    expect((await read(table(lost))).classes).toEqual(['0', '1']);
    const versions = ['id,label', ...six((i) => `${i},${i % 2 === 0 ? 'v1' : '2.0'}`)];
    expect((await read(table(versions))).classes).toEqual(['2.0', 'v1']);
  });

  test('classes asked for from what is not there are a fault that names what is', async () => {
    const files = table(['id,label', ...six((i) => `${i},${'ab'[i % 2]}`)]);
    const report = await read(files, { labels: 'column:breed' });
    expect(report.fault).toMatchObject({
      why: 'no-reading',
      detail:
        'No table beside the images has a column "breed" that names their classes. Classes can come from folders, column:label here.',
    });
    expect((await read(files, { labels: 'column:label' })).fault).toBeNull();
    expect(faultOf(await read(folderFiles(['a', 'b'], 2), { labels: 'names' }))).toBe('no-reading');
    expect(faultOf(await read(folderFiles(['a', 'b'], 2), { labels: 'table' }))).toBe('no-reading');
  });
});

describe('columns of measures', () => {
  const table = (column: string, values: readonly [string, string]): SourceFile[] => [
    ...folderFiles(['images'], 6),
    fileOf(
      'table.csv',
      `image,${column}\n${Array.from({ length: 6 }, (_, i) => `${i}.png,${values[i % 2]}`).join('\n')}`,
    ),
  ];

  test.each(['width', 'Height', 'image_width', 'xmin', 'file size'])(
    '%s names no classes',
    async (column) => {
      expect((await read(table(column, ['20', '21']))).classes).toEqual(['images']);
    },
  );

  test.each([
    ['size', 'large', 'small'],
    ['level', '0', '1'],
  ] as const)('%s of %s and %s does', async (column, a, b) => {
    expect((await read(table(column, [a, b]))).classes).toEqual([a, b]);
  });
});

describe('names of files', () => {
  const named = (names: readonly string[]): SourceFile[] =>
    names.map((name, i) => fileOf(`train/${name}.png`, makePng(1 + i)));

  test.each([
    [
      ['cat.0', 'cat.1', 'dog.0', 'dog.1'],
      ['cat', 'dog'],
    ],
    [
      ['great_pyrenees_12', 'great_pyrenees_3', 'pug_1', 'pug_2'],
      ['great_pyrenees', 'pug'],
    ],
    [
      ['red (1)', 'red (2)', 'blue (1)', 'blue (2)'],
      ['blue', 'red'],
    ],
    [
      ['001_oak', '002_oak', '003_elm', '004_elm'],
      ['elm', 'oak'],
    ],
  ])('%j', async (names, classes) => {
    const report = await read(named(names));
    expect(report.classes).toEqual(classes);
    expect(codesOf(report)).toContain('names-guessed');
  });

  test('images kept for a test need no class', async () => {
    const tests = [1, 2, 3].map((i) => fileOf(`test/${i}.png`, makePng(100 + i)));
    const report = await read([...named(['cat.0', 'cat.1', 'dog.0', 'dog.1']), ...tests]);
    expect(countsOf(report)).toEqual({ 'train cat': 2, 'train dog': 2 });
    expect(report.rejected.map(({ code }) => code)).toEqual(['no-class', 'no-class', 'no-class']);
  });

  test.each([[['IMG_1', 'IMG_2', 'DSC_1', 'DSC_2']], [['a1', 'a2', 'b1', 'b2']], [['x', 'y', 'z', 'w']]])(
    '%j are no classes',
    async (names) => {
      expect(faultOf(await read(named(names)))).toBe('no-labels');
    },
  );

  test.each([
    [['cat_train_0', 'cat_test_0', 'dog_train_0', 'dog_test_0', 'cat_train_1', 'dog_train_1']],
    [['train_cat_0', 'test_cat_0', 'train_dog_0', 'test_dog_0', 'train_cat_1', 'train_dog_1']],
    [['cat-0-train', 'cat-0-test', 'dog-0-train', 'dog-0-test', 'cat-1-train', 'dog-1-train']],
  ])('%j name splits too', async (names) => {
    const flat = names.map((name, i) => fileOf(`pets/${name}.png`, makePng(1 + i)));
    const counts = { 'train cat': 2, 'train dog': 2, 'test cat': 1, 'test dog': 1 };
    expect(countsOf(await read(flat))).toEqual(counts);
  });

  test('with a split word that belongs to the class keep it', async () => {
    const names = ['bullet_train_0', 'bullet_train_1', 'crash_test_0', 'crash_test_1'];
    const report = await read(names.map((name, i) => fileOf(`d/${name}.png`, makePng(1 + i))));
    expect(countsOf(report)).toEqual({ 'any bullet_train': 2, 'any crash_test': 2 });
  });
});
