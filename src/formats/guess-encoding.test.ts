// The guess at an encoding, on names of things as people call their class folders, written by Python's own
// codecs.
import { describe, expect, test } from 'vitest';
import { decodeName, nameReader, storedName } from './name-encoding.ts';
import { guessEncoding } from './guess-encoding.ts';

/** Bytes from hexadecimal digits. */
const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

// `' '.join(name.encode(encoding).hex() for name in names)` in Python 3.11.
const sets: readonly [string, readonly string[], string][] = [
  ['gb18030', ['猫', '狗'], 'c3a8 b9b7'],
  ['gb18030', ['合格', '不合格'], 'bacfb8f1 b2bbbacfb8f1'],
  ['gb18030', ['划痕', '凹陷', '良品'], 'bbaebadb b0bccfdd c1bcc6b7'],
  ['big5', ['蘋果', '香蕉', '橘子'], 'c4abaa47 adbbbfbc beefa46c'],
  ['big5', ['刮痕', '凹陷', '良品'], 'a8edb2aa a557b3b4 a87dab7e'],
  ['big5', ['白菜', '蘿蔔', '小黃瓜'], 'a5d5b5e6 c5dabdb3 a470b6c0a5ca'],
  ['shift_jis', ['ネコ', 'イヌ'], '836c8352 8343836b'],
  ['shift_jis', ['猫', '犬'], '944c 8ca2'],
  ['shift_jis', ['ラーメン', 'すし', '天ぷら'], '8389815b83818393 82b782b5 935682d582e7'],
  ['euc-kr', ['고양이', '강아지'], 'b0edbee7c0cc b0adbec6c1f6'],
  ['euc-kr', ['정상', '불량'], 'c1a4bbf3 bad2b7ae'],
  ['ibm866', ['кошки', 'собаки'], 'aaaee8aaa8 e1aea1a0aaa8'],
  ['ibm866', ['Норма', 'Дефект'], '8daee0aca0 84a5e4a5aae2'],
  ['windows-1251', ['Кошка', 'Собака'], 'caeef8eae0 d1eee1e0eae0'],
  ['windows-1251', ['кішка', 'собака'], 'eab3f8eae0 f1eee1e0eae0'],
  ['koi8-r', ['роза', 'тюльпан', 'ромашка'], 'd2cfdac1 d4c0ccd8d0c1ce d2cfcdc1dbcbc1'],
  ['cp437', ['Käse', 'Übung'], '4b847365 9a62756e67'],
  ['cp437', ['chat', 'chèvre'], '63686174 63688a767265'],
  ['cp437', ['café', 'thé'], '63616682 746882'],
  ['cp850', ['coração', 'cão'], '636f726187c66f 63c66f'],
  ['windows-1252', ['Käse', 'Übung'], '4be47365 dc62756e67'],
  ['cp852', ['kočka', 'pes', 'kůň'], '6b6f9f6b61 706573 6b85e5'],
  ['windows-1253', ['γάτα', 'σκύλος'], 'e3dcf4e1 f3eafdebeff2'],
  ['windows-1256', ['قطة', 'كلب'], 'ded8c9 dfe1c8'],
  ['euc-jp', ['りんご', 'バナナ', 'みかん'], 'a4eaa4f3a4b4 a5d0a5caa5ca a4dfa4aba4f3'],
];

describe('a guess', () => {
  test.each(sets)('reads %s: %s', (_, names, bytes) => {
    const raws = bytes.split(' ').map(hex);
    const guessed = guessEncoding(raws);
    expect(raws.map((raw) => decodeName(raw, guessed))).toEqual(names);
  });

  test('is the same with the folders around, plain files beside and every name twice', () => {
    const raws = ['636174732f', 'c3a8', 'b9b7', 'c3a8'].map(hex);
    const inside = raws
      .slice(1)
      .map((raw) => Uint8Array.of(...hex('646174612f'), ...raw, ...hex('2f612e6a7067')));
    expect(guessEncoding([...raws, ...inside])).toBe('gb18030');
  });

  test('of any bytes is an encoding', () => {
    for (let lead = 0; lead < 256; lead++) {
      const raw = Uint8Array.of(lead, 255 - lead, 0x81);
      expect(decodeName(raw, guessEncoding([raw])).length).toBeGreaterThan(0);
    }
    expect(guessEncoding([])).toBe('cp437');
  });
});

describe('names of one pile', () => {
  const name = (digits: string, saysUtf8 = false): ReturnType<typeof storedName> =>
    storedName(hex(digits), saysUtf8, null);

  test('that are valid UTF-8 by chance go with their neighbours in an encoding of two bytes', () => {
    const names = [name('c3a8'), name('b9b7')];
    expect(names.map(({ kind }) => kind)).toEqual(['utf-8', 'foreign']);
    expect(names.map(nameReader(names, 'gb18030'))).toEqual(['猫', '狗']);
    expect(names.map(nameReader(names, 'cp437'))).toEqual(['è', '╣╖']);
  });

  test('that are known stay what they are', () => {
    const field = storedName(hex('c3a8'), false, '犬');
    const names = [name('c3a8', true), field, name('61'), name('b9b7')];
    expect(names.map(nameReader(names, 'gb18030'))).toEqual(['è', '犬', 'a', '狗']);
  });

  test('that are all UTF-8 can be read otherwise all the same', () => {
    const names = [name('c3a8')];
    expect(names.map(nameReader(names, 'utf-8'))).toEqual(['è']);
    expect(names.map(nameReader(names, 'cp437'))).toEqual(['├¿']);
  });

  test('in code pages of DOS are those of Python', () => {
    const raw = hex('809ab5e1');
    expect([decodeName(raw, 'cp437'), decodeName(raw, 'cp850'), decodeName(raw, 'cp852')]).toEqual([
      'ÇÜ╡ß',
      'ÇÜÁß',
      'ÇÜÁß',
    ]);
  });
});
