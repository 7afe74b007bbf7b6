// Runs on the bare page: the worker without a user interface, for the promises about training itself.
import type { Page } from '@playwright/test';
import type { TrainerEvent } from '../src/worker/protocol.ts';
import { collectImages, collectModel, type Collected } from '../scripts/finetune/collect.mjs';
import type { FileInput, Files, Outcome } from '../src/headless.ts';

export const microModel = 'testdata/reference/micro_vit_hf';

function valueOf<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Error(outcome.sentence);
  return outcome.value;
}

async function hand(page: Page, input: FileInput, { title, disk, paths }: Collected): Promise<Files> {
  await page.locator(`#${input}`).setInputFiles(disk);
  return { kind: 'input', input, title, paths };
}

export interface HeadlessRun {
  readonly model: string;
  readonly data: string;
  readonly recipe: object;
  readonly backend: 'webgpu' | 'wasm' | 'cpu';
}

/** Trains from start to end and returns every event; fails where the run fails or took another backend. */
export async function train(page: Page, run: HeadlessRun): Promise<readonly TrainerEvent[]> {
  await page.goto('headless.html');
  valueOf(await page.evaluate(() => window.graft.hello()));
  const recipe = valueOf(await page.evaluate((json) => window.graft.recipe(json), run.recipe));
  const model = await hand(page, 'model', await collectModel(run.model));
  valueOf(await page.evaluate((files) => window.graft.openModel(files), model));
  const data = await hand(page, 'data', await collectImages('data', run.data));
  valueOf(
    await page.evaluate(([files, settings]) => window.graft.openData(files, 'all', settings), [
      data,
      recipe,
    ] as const),
  );
  const { engine } = valueOf(
    await page.evaluate((input) => window.graft.call('start', input), {
      recipe,
      backend: run.backend,
      engine: 'auto' as const,
    }),
  );
  if (engine.backend !== run.backend) throw new Error(`it runs on ${engine.backend}`);
  await page.waitForFunction(
    () =>
      window.graft
        .events(0)
        .some((event) => event.kind === 'phase' && ['finished', 'failed'].includes(event.phase.kind)),
    undefined,
    { timeout: 0, polling: 200 },
  );
  const events = await page.evaluate(() => window.graft.events(0));
  for (const event of events) {
    if (event.kind === 'phase' && event.phase.kind === 'failed')
      throw new Error(JSON.stringify(event.phase.fault));
  }
  return events;
}
