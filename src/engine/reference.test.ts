// The reference vectors on the autodiff engine in Node; `npm run test:reference` runs this file on any folder
// that GRAFT_REFERENCE names. The same checks run on webgpu in the browser (e2e/engine.spec.ts).
import { describe, expect, test } from 'vitest';
import { checkMixes } from './checks/plan-checks.ts';
import { referenceChecks } from './checks/reference-checks.ts';
import { tunedChecks } from './checks/tuned-checks.ts';
import { autodiffOn, readReference, referenceFolder } from './checks/node-backends.ts';

describe.each(['cpu', 'wasm'] as const)(
  `reference vectors of ${referenceFolder} on autodiff, %s`,
  (backend) => {
    test.each(Object.entries({ ...referenceChecks, ...tunedChecks }))('%s', async (name, check) => {
      const figures = await check({ makeEngine: autodiffOn(backend), read: readReference, slack: 1 });
      console.info(`${backend} ${name}:`, figures);
      expect(Object.values(figures).every(Number.isFinite)).toBe(true);
    });

    test('targets in micro-batches', async () => {
      const shapes = { microBatch: 3 };
      await referenceChecks.targets({
        makeEngine: autodiffOn(backend),
        read: readReference,
        slack: 1,
        shapes,
      });
    });

    test('steps that leave something out, in micro-batches', async () => {
      const setting = { makeEngine: autodiffOn(backend), read: readReference, slack: 1 };
      await referenceChecks['trajectory of steps that leave something out']({
        ...setting,
        shapes: { microBatch: 3 },
      });
    });

    test('full fine-tuning in micro-batches', async () => {
      const setting = { makeEngine: autodiffOn(backend), read: readReference, slack: 1 };
      await tunedChecks['full fine-tuning']({ ...setting, shapes: { microBatch: 3 } });
    });

    test('images that are mixed in pairs', async () => {
      await checkMixes(autodiffOn(backend));
    });
  },
);
