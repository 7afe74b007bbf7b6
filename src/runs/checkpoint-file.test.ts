// Promises of the file of a run: what is written is read back bit for bit, whatever it holds; a file that is
// not whole, not a run or of a later form is refused with what to do; files of earlier forms keep loading.
import fc from 'fast-check';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { tiny as deitTiny } from '../engine/checks/random-model.ts';
import { initialAdapter, parametersOf, type Adapter } from '../dmlora/adapter.ts';
import { readHeader, writeSafetensors } from '../formats/safetensors.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { describeFault } from '../shared/describe-fault.ts';
import type { Fault } from '../shared/fault.ts';
import { unwrap, type Result } from '../shared/result.ts';
import type { RunState } from '../train/run-state.ts';

import { checkpointVersion, readCheckpoint, readCheckpointHead, writeCheckpoint } from './checkpoint-file.ts';
import type { SavedRun } from './saved-run.ts';
import { anyRun, fixedRun } from './testing/any-run.ts';

const folder = path.resolve(import.meta.dirname, '../../testdata/checkpoints');

/** Everything of a value down to the bits, as text. */
function bits(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (part instanceof Float32Array || part instanceof Int32Array)
      return `${part.constructor.name} ${Buffer.from(part.slice().buffer).toString('hex')}`;
    if (part instanceof Map) return ['Map', ...(part as Map<unknown, unknown>)];
    if (typeof part === 'number') return Object.is(part, -0) ? '-0' : String(part);
    if (typeof part === 'object' && part !== null && !Array.isArray(part))
      return ['fields', ...Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))];
    return part;
  });
}

const fileOf = async (run: SavedRun): Promise<Blob> => new Blob([await writeCheckpoint(run)]);
const read = async (bytes: BlobPart): Promise<Result<SavedRun>> =>
  readCheckpoint(new Blob([bytes]), 'run.safetensors');

function faultOf(result: Result<unknown>): Extract<Fault, { kind: 'bad-file' }> {
  if (result.ok) throw new Error('it was taken');
  const { fault } = result;
  if (fault.kind !== 'bad-file') throw new Error(`a fault of kind ${fault.kind}`);
  const { title, detail, advice } = describeFault(fault);
  for (const words of [title, detail, advice]) expect(words.length).toBeGreaterThan(5);
  return fault;
}

describe('a run as a file', () => {
  test('comes back bit for bit', async () => {
    await fc.assert(
      fc.asyncProperty(anyRun, async (run) => {
        const back = await readCheckpoint(await fileOf(run), 'run.safetensors');
        expect(bits(unwrap(back))).toBe(bits(run));
      }),
      { numRuns: 200 },
    );
  });

  test('is an ordinary safetensors file', async () => {
    const header = unwrap(await readHeader(await fileOf(fixedRun), 'run.safetensors'));
    expect(header.metadata.get('format')).toBe('pt');
    expect([...header.tensors.keys()]).toContain('adapter/m/blocks.0.q.A.0');
  });

  test('holds an adapter once that is in two places of the state', async () => {
    const { best } = fixedRun.state;
    const back = unwrap(await readCheckpoint(await fileOf(fixedRun), 'run.safetensors')).state;
    expect(back.stage1End?.adapter.modules).toBe(back.best?.adapter.modules);
    const twice = { ...fixedRun, state: { ...fixedRun.state, stage1End: structuredClone(best) } };
    expect((await fileOf(twice)).size).toBeGreaterThan((await fileOf(fixedRun)).size);
  });

  test('tells what a list shows without its tensors', async () => {
    const file = await fileOf(fixedRun);
    const header = new DataView(await file.slice(0, 8).arrayBuffer()).getBigUint64(0, true);
    let reads = 0;
    const counted = new Proxy(file, {
      get(target, key) {
        if (key === 'size') return target.size;
        if (key !== 'slice') throw new Error(`${String(key)} is read`);
        return (begin: number, end: number) => {
          reads = Math.max(reads, end);
          return target.slice(begin, end);
        };
      },
    });
    const head = unwrap(await readCheckpointHead(counted, 'run.safetensors'));
    expect(head.facts.name).toBe(fixedRun.facts.name);
    expect(head.state.step).toBe(3);
    expect(reads).toBeLessThanOrEqual(Number(header) + 8);
  });

  test('of DeiT-Tiny with the branches of the default is below 12 MB, in any state', async () => {
    const fresh = initialAdapter(deitTiny, 5, recipeDefaults.dmlora, 1);
    const moments = new Map(
      [...parametersOf(fresh)].map(([key, { data }]) => [key, { m: data, v: data, steps: 1 }]),
    );
    // The best state is another one, as large; where stage 2 begins, half of the branches have gone.
    const copy = (adapter: Adapter): Adapter => structuredClone({ ...adapter, moments: new Map() });
    const half: Adapter = {
      ...fresh,
      modules: fresh.modules.map((module) => ({ ...module, branches: module.branches.slice(0, 2) })),
    };
    const validation = { loss: 1, accuracy: 0.5 };
    const best = { step: 1, validation, answers: null, drops: [], adapter: copy(fresh) };
    const first: RunState = { ...fixedRun.state, adapter: { ...fresh, moments }, best, stage1End: null };
    const kept = new Set([...parametersOf(half).keys()]);
    const second: RunState = {
      ...first,
      adapter: { ...half, moments: new Map([...moments].filter(([key]) => kept.has(key))) },
      stage1End: { ...best, adapter: copy(half) },
      dropped: fresh.modules.flatMap(({ name, branches }) =>
        branches.slice(2).map((branch) => ({
          ...{ step: 100, module: name, branch, rankBefore: 15.123456789012345 },
          ...{
            rankAfter: 7.123456789012345,
            closeness: 0.123456789012345,
            closenessOfAll: 0.123456789012345,
          },
        })),
      ),
    };
    for (const state of [first, second])
      expect((await fileOf({ ...fixedRun, state })).size).toBeLessThan(12e6);
  });
});

const whole = await writeCheckpoint(fixedRun);

describe('a file that is none', () => {
  test('is refused wherever it is cut', async () => {
    for (let length = 0; length < whole.length; length += length < 32 ? 1 : 97)
      faultOf(await read(whole.slice(0, length)));
  });

  test('is refused whichever byte is another', async () => {
    for (let at = 0; at < whole.length; at += at < 300 ? 1 : 31) {
      const broken = whole.slice();
      broken[at] = (broken[at] ?? 0) ^ 1;
      faultOf(await read(broken));
    }
  });

  test('says where it is from and what to do', async () => {
    const model = writeSafetensors(new Map([['x', { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) }]]));
    expect(faultOf(await read(model)).why).toBe('no-checkpoint');
    expect(faultOf(await read('not a run')).why).toBe('no-checkpoint');
    expect(faultOf(await read(whole.slice(0, -1))).why).toBe('checkpoint-damaged');
    const text = new TextDecoder('latin1').decode(whole);
    const later = text.replace(
      `"graft_checkpoint":"${checkpointVersion}"`,
      `"graft_checkpoint":"${checkpointVersion + 1}"`,
    );
    const fault = faultOf(await read(Uint8Array.from(later, (char) => char.charCodeAt(0))));
    expect(fault.why).toBe('checkpoint-version');
    expect(fault.detail).toContain(String(checkpointVersion));
  });

  test('of any bytes is refused, and nothing is thrown', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        faultOf(await read(Uint8Array.from(bytes)));
      }),
      { numRuns: 300 },
    );
  });

  test('with a digest that fits and content that does not is refused', async () => {
    const { state, facts } = fixedRun;
    const short = new Float32Array(1);
    const wrong: SavedRun[] = [
      { facts, state: { ...state, losses: short } },
      { facts, state: { ...state, step: -1 } },
      { facts, state: { ...state, answers: { answer: Int32Array.of(0, 1), loss: new Float32Array(2) } } },
      { facts, state: { ...state, answers: { answer: Int32Array.of(2), loss: new Float32Array(1) } } },
      { facts: { ...facts, images: { ...facts.images, labels: Int32Array.of(0, 1, 0, 7) } }, state },
      { facts: { ...facts, images: { ...facts.images, ids: facts.images.ids.slice(1) } }, state },
      { facts: { ...facts, recipe: { ...facts.recipe, learningRate: -1 } }, state },
      { facts: { ...facts, model: { ...facts.model, sha256: '../..' } }, state },
    ];
    for (const run of wrong)
      expect(faultOf(await readCheckpoint(await fileOf(run), 'run.safetensors')).why).toBe(
        'checkpoint-damaged',
      );
  });

  test('of a newer Graft with the same form says so, and not that it is damaged', async () => {
    const { state, facts } = fixedRun;
    const later = <T extends object>(value: T, more: object): T => ({ ...value, ...more });
    const newer: SavedRun[] = [
      { facts: { ...facts, recipe: later(facts.recipe, { gentleness: 3 }) }, state },
      { facts: { ...facts, recipe: later(facts.recipe, { classBalance: 'by-mood' }) }, state },
      { facts: { ...facts, device: later(facts.device, { backend: 'webnn' }) }, state },
    ];
    for (const run of newer) {
      const file = await fileOf(run);
      for (const fault of [
        faultOf(await readCheckpoint(file, 'run.safetensors')),
        faultOf(await readCheckpointHead(file, 'run.safetensors')),
      ]) {
        expect(fault.why).toBe('checkpoint-version');
        expect(fault.detail).toMatch(/newer version of Graft .*(gentleness|classBalance|backend)/);
        expect(describeFault(fault).advice).toMatch(/newest version of Graft/);
      }
    }
  });

  test('nested beyond all measure is refused', async () => {
    const metadata = new Map([
      ['sha256', '0'.repeat(64)],
      ['graft_checkpoint', '1'],
      ['run', '['.repeat(500_000)],
    ]);
    const file = writeSafetensors(new Map(), metadata);
    expect(faultOf(await readCheckpointHead(file, 'run.safetensors')).why).toBe('checkpoint-damaged');
  });
});

test('files of every version that was written keep loading', async () => {
  // To make the file of a new version: GRAFT_WRITE_FIXTURES=1 npx vitest run src/runs/checkpoint-file.test.ts
  const own = path.join(folder, `version-${checkpointVersion}-answers.safetensors`);
  if (process.env['GRAFT_WRITE_FIXTURES'] !== undefined)
    await writeFile(own, await writeCheckpoint(fixedRun));
  const names = (await readdir(folder)).filter((name) => name.endsWith('.safetensors'));
  expect(names).toContain(path.basename(own));
  for (const name of names) {
    const run = unwrap(await readCheckpoint(new Blob([await readFile(path.join(folder, name))]), name));
    // Form 1 knew no branches that were dropped, and the first of form 2 no answers to each image.
    const { facts, state } = fixedRun;
    const best = state.best === null ? null : { ...state.best, answers: null };
    const first: RunState = { ...state, best, stage1End: best };
    const known =
      name === 'version-1.safetensors'
        ? { ...first, dropped: [] }
        : name === 'version-2.safetensors'
          ? first
          : state;
    expect(bits(run)).toBe(bits({ facts, state: known }));
  }
});
