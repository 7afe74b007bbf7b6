// Patterns from other people's files match as JavaScript's own do, and what cannot be followed is no pattern.
import { describe, expect, test } from 'vitest';
import { namePattern } from './name-pattern.ts';

const names = [
  ...[
    '',
    'a',
    'ab',
    'abab',
    'aab',
    'b',
    'fc1',
    'fc2',
    'fc12',
    'qkv',
    'blocks.0.attn.qkv',
    'blocks.11.mlp.fc1',
  ],
  ...['vit.layers.3.attention.q_proj', 'model.vit.layers.10.mlp.fc2', 'a.b', 'a-b', 'x]y', 'aaa', 'aaaa'],
];

describe('a pattern', () => {
  test.each([
    ['.*\\.(q_proj|fc[12])'],
    ['(.*\\.)?(fc1)'],
    ['(.*\\.)?(^blocks.0.attn.qkv$)'],
    ['(?:.*?(?:attn|attention).*?(?:qkv|q_proj)).*?'],
    ['blocks\\.(\\d+)\\..*'],
    ['blocks\\.1?[0-9]\\.(attn|mlp)\\.\\w+'],
    ['a{2,3}'],
    ['a{2}|a{4,}'],
    ['(ab){0,2}'],
    ['a{0}b'],
    ['a+?b*'],
    ['[^.]+'],
    ['[a\\-.]*b'],
    ['x[]]y'.replace('[]]', '[\\]]')],
    ['(|a)b'],
    [''],
    ['a|'],
    ['((a)|b)+'],
    ['.{3}'],
  ])('%s', (pattern) => {
    const own = new RegExp(`^(?:${pattern})$`);
    const ours = namePattern(pattern);
    expect(names.map((name) => ours?.(name))).toEqual(names.map((name) => own.test(name)));
  });

  test.each([
    ['(a'],
    ['a)'],
    ['*a'],
    ['a**'],
    ['[a'],
    ['(?!a)b'],
    ['(?=a)a'],
    ['(a)\\1'],
    ['\\bq'],
    ['a{3,1}'],
  ])('%s is none', (pattern) => expect(namePattern(pattern)).toBeNull());

  test('that is too long, or would be written out, is none', () => {
    expect(namePattern('a'.repeat(501))).toBeNull();
    expect(namePattern('(a{99}){99}')).toBeNull();
    const whole = namePattern('a'.repeat(500));
    expect([whole?.('a'.repeat(500)), namePattern('a*')?.('a'.repeat(300))]).toEqual([false, true]);
  });
});
