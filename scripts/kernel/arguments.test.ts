import { describe, expect, test } from 'vitest';
import { parseKernelArguments } from './arguments.mjs';

const refused = (...argv: string[]): string => {
  try {
    parseKernelArguments(argv);
    return 'taken';
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
};

describe('the command line of npm run kernel', () => {
  test('name, shape, tile, seed and where', () => {
    const argv = ['matmul', '--shape', 'rows=197, inner=384', '--shape', 'parts=1', '--tile', '2'];
    expect(parseKernelArguments([...argv, '--seed', '7', '--print', '--chromium'])).toEqual({
      request: { name: 'matmul', shape: { rows: '197', inner: '384', parts: '1' }, seed: 7, tile: '2' },
      list: false,
      table: false,
      print: true,
      where: 'chromium',
      help: false,
    });
  });

  test('what is left out has its default', () => {
    const { request, where } = parseKernelArguments(['adamw']);
    expect(request).toEqual({ name: 'adamw', shape: {}, seed: 1, tile: null });
    expect(where).toBe('either');
    expect(parseKernelArguments(['--list']).request).toBeNull();
  });

  test('what cannot be is told with what to do', () => {
    expect(refused()).toContain('--list lists them');
    expect(refused('matmul', 'adamw')).toContain('"adamw" is a second name');
    expect(refused('matmul', '--shape', 'rows')).toContain('"rows" is no KEY=VALUE');
    expect(refused('matmul', '--shape', 'rows=')).toContain('"rows=" is no KEY=VALUE');
    expect(refused('matmul', '--seed', '0.5')).toContain('--seed is');
    expect(refused('matmul', '--dawn', '--chromium')).toContain('exclude each other');
    expect(refused('matmul', '--bogus')).toContain('--help tells the flags');
  });
});
