// Branches as one stock LoRA: the stacked pair gives the update of the branches, equals the pair of the
// reference vectors (which PEFT itself has loaded), and fused rows keep apart what belongs to q, k and v.
import { beforeAll, describe, expect, test } from 'vitest';
import { assertClose } from '../engine/checks/close.ts';
import { readReference } from '../engine/checks/node-backends.ts';
import { adapterFrom, readTensors, tensorOf, type Tensors } from '../engine/checks/reference.ts';
import { ndArray, zeros } from '../shared/array.ts';
import { dropBranches } from './drop-plan.ts';
import { moduleUpdate } from './merge.ts';
import { fusedLora, stackedLora, withLora } from './stacked-lora.ts';
import type { AdaptedModule, Adapter } from './adapter.ts';

let trained: Adapter;
let merged: Tensors;
beforeAll(async () => {
  trained = adapterFrom(await readTensors(readReference, 'train_zero.safetensors'), 'after30.');
  merged = await readTensors(readReference, 'merged_zero.safetensors');
});

describe('the stacked pair', () => {
  test('is that of the reference: survivors stacked, the scalar in B', () => {
    expect(trained.modules).toHaveLength(12);
    for (const module of trained.modules) {
      const { A, B } = stackedLora(module);
      expect(A.shape[0]).toBe(4);
      assertClose(module.name, A.data, tensorOf(merged, `lora.A.${module.name}`).data, { abs: 1e-7, rel: 0 });
      assertClose(module.name, B.data, tensorOf(merged, `lora.B.${module.name}`).data, { abs: 1e-7, rel: 0 });
    }
  });

  test('gives the update of the branches, gates included; a fixed factor is its scale', () => {
    for (const plain of trained.modules) {
      const module: AdaptedModule = { ...plain, scaling: { by: 'rslora', alpha: 3 } };
      const factor = 3 / Math.sqrt(2);
      expect(stackedLora(module)).toEqual(stackedLora(plain));
      const gates = new Map([[module.name, [0.5, 1]]]);
      const weight = zeros([module.branches[0]!.B.shape[0]!, module.branches[0]!.A.shape[1]!]);
      const applied = withLora(weight, stackedLora(module, gates), factor);
      assertClose(module.name, applied.data, moduleUpdate(module, gates), { abs: 1e-7, rel: 1e-6 });
    }
  });
});

test('what a weight absorbed is more of the rank of the pair, with the scalar that it had', () => {
  for (const module of trained.modules) {
    const [gone] = module.branches;
    const absorbing = dropBranches(trained, new Map([[module.name, gone!.index]]), 'absorb').modules.find(
      ({ name }) => name === module.name,
    )!;
    const later = { ...absorbing, scalar: 2 * module.scalar };
    const pair = stackedLora(later);
    expect(pair.A.shape[0]).toBe(4);
    const weight = zeros([pair.B.shape[0]!, pair.A.shape[1]!]);
    const expected = moduleUpdate(
      { ...module, scalar: 1 },
      new Map([[module.name, [module.scalar, 2 * module.scalar]]]),
    );
    assertClose(module.name, withLora(weight, pair, 1).data, expected, { abs: 1e-7, rel: 1e-6 });
    assertClose(module.name, moduleUpdate(later), expected, { abs: 1e-7, rel: 1e-6 });
  }
});

test('a fused pair has the ranks of each part in its own rows, and zeros for a part without branches', () => {
  const module = (name: string): AdaptedModule => trained.modules.find((m) => m.name === name)!;
  const [q, v] = [stackedLora(module('blocks.0.q')), stackedLora(module('blocks.0.v'))];
  const fused = fusedLora([q, null, v], 32);
  expect([fused.A.shape, fused.B.shape]).toEqual([
    [8, 32],
    [96, 8],
  ]);
  const update = withLora(zeros([96, 32]), fused, 1);
  const part = (third: number) => ndArray([32, 32], update.data.slice(third * 1024, (third + 1) * 1024));
  assertClose('q', part(0).data, moduleUpdate(module('blocks.0.q')), { abs: 1e-7, rel: 1e-6 });
  expect(part(1).data.every((value) => value === 0)).toBe(true);
  assertClose('v', part(2).data, moduleUpdate(module('blocks.0.v')), { abs: 1e-7, rel: 1e-6 });
});
