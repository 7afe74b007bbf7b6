// What a run tuned of the backbone, where the model is tried or proved and not trained.
import { expect, test, vi } from 'vitest';
import { randomAdapter } from '../engine/checks/random-model.ts';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import { identityNormalisation } from '../engine/checks/reference.ts';
import type { OpenModel } from '../checkpoints/open-model.ts';
import { allOpen, type Adapter } from '../dmlora/adapter.ts';
import { tunedStart } from '../dmlora/tuned.ts';
import type { Engine } from '../engine/engine.ts';
import { makeEngine } from '../engine/make-engine.ts';
import { ProofEngine } from '../export/proof-engine.ts';
import { ndArray } from '../shared/array.ts';
import { ok, unwrap } from '../shared/result.ts';
import { makeData, model } from '../train/testing/micro-run.ts';
import type { EngineParts } from './launch.ts';
import { TriedModel } from './tried-model.ts';

vi.mock('../engine/make-engine.ts', () => ({ makeEngine: vi.fn() }));

const classes = 3;
const images = makeData(6, classes).validation;

const adapter: Adapter = {
  ...randomAdapter(model.config, classes),
  backbone: new Map(
    [...(tunedStart(model, 'all').backbone ?? [])].map(([name, { shape, data }]) => [
      name,
      ndArray(
        shape,
        data.map((value) => 1.05 * value),
      ),
    ]),
  ),
};

/** What engines were prepared with. */
const prepared: Adapter[] = [];

async function watched(): Promise<Engine> {
  const engine = await autodiffOn('cpu')();
  const prepare = engine.prepare.bind(engine);
  engine.prepare = (of, given, ...rest) => {
    prepared.push(given);
    return prepare(of, given, ...rest);
  };
  return engine;
}

const going = new AbortController().signal;

test.each([
  [
    'tried',
    async () => {
      vi.mocked(makeEngine).mockImplementation(async () => ok(await watched()));
      const open = { model, preprocessing: identityNormalisation } as unknown as OpenModel;
      const tried = new TriedModel(open, adapter, ['a', 'b', 'c'], 'auto', {} as EngineParts);
      const { result } = unwrap(await tried.answer(images, going));
      tried.dispose();
      return result;
    },
  ],
  [
    'proved',
    async () => {
      const prover = new ProofEngine(async () => ok(await watched()));
      const pause = (): Promise<void> => Promise.resolve();
      const of = [model, adapter, identityNormalisation, images, 4, pause] as const;
      const result = unwrap(await prover.logits(...of));
      prover.dispose();
      return result;
    },
  ],
])(
  'a model whose backbone was tuned is %s with its values, and without a plan to train them',
  async (_, of) => {
    const trained = await autodiffOn('cpu')();
    const { labels } = images;
    unwrap(await trained.prepare(model, adapter, identityNormalisation, { batch: 4, classes }));
    const own = unwrap(await trained.evaluate(images.slice(0, labels.length), allOpen));
    trained.dispose();
    prepared.length = 0;
    const result = await of();
    expect(prepared.map(({ backbone, moments }) => [backbone, moments.size])).toEqual([[undefined, 0]]);
    result.data.forEach((value, i) => expect(value).toBeCloseTo(own.data[i] ?? NaN, 5));
  },
);
