// Where a model looks (engine.ts, Look) against PyTorch's numbers on the micro ViT with gated branches, and that a
// look changes nothing: the same bodies on every engine, in Node and in a browser.
import { type Gates } from '../../dmlora/adapter.ts';
import { assert } from '../../shared/assert.ts';
import { unwrap } from '../../shared/result.ts';
import type { Engine, Look } from '../engine.ts';
import { sliceOf } from '../pixels.ts';
import { assertClose, largestDifference, type Tolerance } from './close.ts';
import {
  micro,
  plainNormalisation,
  randomAdapter,
  randomBatch,
  randomModel,
  stage1,
} from './random-model.ts';
import {
  adapterFrom,
  batchFrom,
  identityNormalisation,
  readMicroModel,
  readTensors,
  tensorOf,
  type ReadFile,
  type Tensors,
} from './reference.ts';
import type { Figures } from './setting.ts';

/** The class that the vectors are of. */
export const lookedClass = 1;

/** Beside what was promised, 1e-3: float32 against float64 at these sizes. */
const close: Tolerance = { abs: 1e-6, rel: 1e-4 };

/** Throws with the map that is off; the largest difference of each. */
export function assertLook(what: string, look: Look, expected: Look | Tensors): Figures {
  const figures: Figures = {};
  for (const map of ['attention', 'rollout', 'relevance'] as const) {
    const wanted = expected instanceof Map ? tensorOf(expected, map) : (expected as Look)[map];
    assert(
      look[map].shape.join() === wanted.shape.join(),
      () => `${what}: ${map} is [${look[map].shape.join()}]`,
    );
    figures[map] = assertClose(`${what}: ${map}`, look[map].data, wanted.data, close);
  }
  return figures;
}

/** @param read of the folder testdata. */
export async function checkLook(makeEngine: () => Promise<Engine>, read: ReadFile): Promise<Figures> {
  const reference: ReadFile = (name) => read(`reference/${name}`);
  const given = await readTensors(reference, 'grads_all.safetensors');
  const expected = await readTensors(read, 'look/reference.safetensors');
  const adapter = adapterFrom(given, 'param.');
  const gates: Gates = new Map(adapter.modules.map(({ name }) => [name, [1, 0.5, 0]]));
  const { pixels } = batchFrom(given, Float32Array.of(0, 1, 2));
  const classes = adapter.head.bias.data.length;
  const engine = await makeEngine();
  const model = await readMicroModel(reference);
  unwrap(await engine.prepare(model, adapter, identityNormalisation, { batch: 2, classes }));
  const look = unwrap(await engine.look(pixels, lookedClass, gates));
  engine.dispose();
  return assertLook('look', look, expected);
}

/**
 * A run of two steps, with looks between them and without: the same bits, and as much of the device's memory. Only
 * the last block is adapted, so that the gradient goes where the run has none.
 */
export async function checkLookChangesNothing(makeEngine: () => Promise<Engine>): Promise<void> {
  const adapter = randomAdapter(micro, 3, { firstBlock: 1, rank: 2, branches: 2 });
  const batch = randomBatch(micro, 4, 3);
  const size = 3 * micro.imageSize ** 2;
  const run = async (looks: boolean): Promise<Float32Array> => {
    const engine = await makeEngine();
    unwrap(await engine.prepare(randomModel(micro), adapter, plainNormalisation, { batch: 4, classes: 3 }));
    const look = async (): Promise<void> => {
      if (!looks) return;
      const { bufferBytes, count } = engine.memory();
      unwrap(await engine.look(sliceOf(batch.pixels, 0, size), 0, new Map()));
      const after = engine.memory();
      // tfjs's pools keep what they took.
      const isSame =
        after.count === count && (after.bufferBytes === bufferBytes || engine.memoryPlan() === null);
      assert(
        isSame,
        () => `a look left ${after.count - count} buffers, ${after.bufferBytes - bufferBytes} bytes`,
      );
    };
    for (let step = 0; step < 2; step++) {
      engine.step(batch, { ...stage1, step });
      const { fault } = await engine.report();
      assert(fault === null, () => JSON.stringify(fault));
      await look();
    }
    const logits = unwrap(await engine.evaluate(batch.pixels, new Map()));
    engine.dispose();
    return logits.data;
  };
  const [plain, looked] = [await run(false), await run(true)];
  assert(largestDifference(looked, plain) === 0, 'a run with looks gives other logits');
}
