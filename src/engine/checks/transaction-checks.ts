// A step is a transaction, also on a GPU that fails: an error inside a step, an error outside any, a lost
// device. After each the adapter is what it was, the fault is named, and where the device lives the step can
// be run again.
import { allOpen, parametersOf, type Adapter } from '../../dmlora/adapter.ts';
import type { Fault } from '../../shared/fault.ts';
import type { Engine, StepControl } from '../engine.ts';
import type { Gpu } from '../gpu.ts';
import {
  adapterFrom,
  batchFrom,
  identityNormalisation,
  readMicroModel,
  readTensors,
  type ReadFile,
} from './reference.ts';
import { unwrap } from '../../shared/result.ts';

export interface GpuEngine {
  readonly engine: Engine;
  readonly gpu: Gpu;
}

const control: StepControl = {
  step: 0,
  trains: { branches: true, scalars: false, head: true },
  learningRate: 1e-2,
  headRate: 1e-2,
  scalarRate: 1e-2,
  weightDecay: 0,
  clipNorm: 1,
  scalarLimit: 10,
  gates: allOpen,
};

const bytesOf = (adapter: Adapter): string =>
  [...parametersOf(adapter)].map(([name, { data }]) => `${name}:${data.join()}`).join('|');

function assertEqual(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected)
    throw new Error(`${what}: ${String(actual).slice(0, 200)} instead of ${String(expected).slice(0, 200)}`);
}

/** Asks the device for something that it must refuse; what is asked of it otherwise is computed. */
function offend({ device }: Gpu): void {
  device.createBuffer({ size: device.limits.maxBufferSize + 4, usage: GPUBufferUsage.STORAGE });
}

/** Spoils the next commands that are encoded: the device must refuse them whole. */
function spoilCommands({ device }: Gpu): void {
  const create = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = (descriptor): GPUCommandEncoder => {
    device.createCommandEncoder = create;
    const encoder = create(descriptor);
    const buffer = device.createBuffer({ size: 4, usage: GPUBufferUsage.COPY_SRC });
    encoder.copyBufferToBuffer(buffer, 0, buffer, 0, 4);
    return encoder;
  };
}

/** Offends beside the next commands that are submitted. */
function offendBeside(gpu: Gpu): void {
  const { queue } = gpu.device;
  const submit = queue.submit.bind(queue);
  queue.submit = (buffers): undefined => {
    queue.submit = submit;
    offend(gpu);
    submit(buffers);
  };
}

export async function checkTransaction(
  makeEngine: () => Promise<GpuEngine>,
  read: ReadFile,
): Promise<string[]> {
  const run = await readTensors(read, 'train_zero.safetensors');
  const data = await readTensors(read, 'train_data.safetensors');
  const batch = batchFrom(data, Float32Array.of(0, 1, 2, 3));
  const ready = async (): Promise<GpuEngine> => {
    const made = await makeEngine();
    const adapter = adapterFrom(run, 'after00.');
    const shapes = { batch: 4, classes: adapter.head.bias.data.length };
    unwrap(await made.engine.prepare(await readMicroModel(read), adapter, identityNormalisation, shapes));
    return made;
  };
  const step = async (engine: Engine, index: number): Promise<Fault | null> => {
    engine.step(batch, { ...control, step: index });
    return (await engine.report()).fault;
  };
  const passed: string[] = [];

  // One engine for all that leaves its device alive: an emulated one compiles everything for each device.
  const { engine, gpu } = await ready();
  const start = unwrap(await engine.readAdapter());
  for (const index of [0, 1]) assertEqual('an undisturbed step', await step(engine, index), null);
  const expected = bytesOf(unwrap(await engine.readAdapter()));
  for (const [what, harm] of [
    ['commands that are refused', spoilCommands],
    ['an error beside the commands', offendBeside],
  ] as const) {
    unwrap(await engine.writeAdapter(start));
    assertEqual('the first step', await step(engine, 0), null);
    const before = unwrap(await engine.readAdapter());
    harm(gpu);
    assertEqual(what, (await step(engine, 1))?.kind, 'gpu-error');
    const after = await engine.readAdapter();
    if (after.ok) assertEqual(`the adapter after ${what}`, bytesOf(after.value), bytesOf(before));
    else {
      // An error that left the commands valid: the device had applied the step when it was told.
      const unreadable = `${what}: ${after.fault.kind}`;
      assertEqual('what cannot be read', unreadable, 'an error beside the commands: gpu-error');
      assertEqual('a step before an adapter is written', (await step(engine, 1))?.kind, 'gpu-error');
      unwrap(await engine.writeAdapter(before));
    }
    assertEqual('the same step again', await step(engine, 1), null);
    assertEqual('the adapter after that', bytesOf(unwrap(await engine.readAdapter())), expected);
  }
  engine.dispose();
  passed.push(
    'an error inside a step leaves the adapter or says that it cannot be read, and the step can be repeated',
  );

  const outside = await ready();
  offend(outside.gpu);
  await outside.gpu.device.queue.onSubmittedWorkDone();
  assertEqual('a step after an uncaptured error', (await step(outside.engine, 0))?.kind, 'gpu-error');
  outside.engine.dispose();
  passed.push('an uncaptured error is fatal to the next step');

  const lost = await ready();
  assertEqual('a step before the loss', await step(lost.engine, 0), null);
  lost.gpu.device.destroy(); // not through close(): as if the browser took it away
  await lost.gpu.device.lost;
  assertEqual('a step on a lost device', (await step(lost.engine, 1))?.kind, 'device-lost');
  lost.engine.dispose();
  passed.push('a lost device is named, and nothing counts as a step');

  for (const inFlight of [1, 2]) {
    const falling = await ready();
    assertEqual('a step before the loss', await step(falling.engine, 0), null);
    for (let index = 1; index <= inFlight; index++) falling.engine.step(batch, { ...control, step: index });
    const reported = falling.engine.report();
    falling.gpu.device.destroy(); // the reads fail before anybody says why
    const { steps, fault } = await reported;
    const confirmed = `${steps.length} of ${inFlight} steps confirmed, then`;
    assertEqual(`${confirmed} with steps in flight`, fault?.kind, 'device-lost');
    falling.engine.dispose();
  }
  const evaluating = await ready();
  const logits = evaluating.engine.evaluate(batch.pixels, allOpen);
  evaluating.gpu.device.destroy();
  const answer = await logits;
  assertEqual('an evaluation under way', answer.ok ? 'ok' : answer.fault.kind, 'device-lost');
  evaluating.engine.dispose();
  passed.push('a loss with work in flight is told as one');
  return passed;
}
