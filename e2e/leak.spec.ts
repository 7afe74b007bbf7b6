// Promise: memory does not grow with the steps (G7). Branches stay, so that every step works on the same
// tensors.
import { expect, test } from './graft-test.ts';
import { microModel, train } from './headless.ts';
import { writePictures } from './pictures.ts';

test('as many tensors and bytes after step 200 as after step 10', async ({ page }, info) => {
  const data = await writePictures(info.outputPath('pictures'), 10);
  const recipe = { seed: 3, steps: 201, batch: 8, dmlora: { dropMode: 'none', scalars: 'off' } };
  const events = await train(page, { model: microModel, data, recipe, backend: 'wasm' });
  const measured = events.flatMap((event) =>
    event.kind === 'steps' ? [{ step: event.rows.at(-1)?.step ?? -1, ...event.memory }] : [],
  );
  const early = measured.find(({ step }) => step >= 10);
  const late = measured.find(({ step }) => step >= 200);
  expect(early?.step).toBeLessThan(100);
  expect(late?.count).toBe(early?.count);
  expect(late?.bufferBytes).toBe(early?.bufferBytes);
});
