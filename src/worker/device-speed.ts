// What this worker remembers of how fast its device is, from run to run: a small file of the page's own
// file system beside that of the tiles. What is not there, or damaged, is measured again.
import { noTimes, type DeviceTimes, type ModelTimes } from '../train/estimate.ts';
import type { TextFile } from './text-file.ts';

/** Models and devices that are remembered; the oldest go first. */
const [mostModels, mostDevices] = [40, 8];

/** Times of devices by their names. */
type Speeds = Readonly<Record<string, DeviceTimes>>;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const positive = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : null;

function modelTimes(value: unknown): ModelTimes {
  const read = isRecord(value) ? value : {};
  return { forward: positive(read['forward']), step: positive(read['step']) };
}

function deviceTimes(value: unknown): DeviceTimes {
  const read = isRecord(value) ? value : {};
  const models = isRecord(read['models']) ? read['models'] : {};
  return {
    engineSeconds: positive(read['engineSeconds']),
    decodeSeconds: positive(read['decodeSeconds']),
    probeSeconds: positive(read['probeSeconds']),
    models: Object.fromEntries(Object.entries(models).map(([key, times]) => [key, modelTimes(times)])),
  };
}

/** Everything in the text that has the right form; a damaged or foreign text counts as empty. */
export function readSpeeds(text: string | null): Speeds {
  try {
    const read: unknown = JSON.parse(text ?? 'null');
    if (!isRecord(read)) return {};
    return Object.fromEntries(Object.entries(read).map(([name, value]) => [name, deviceTimes(value)]));
  } catch {
    return {};
  }
}

/** With newer times, which go last: the oldest are forgotten. */
export function withTimes(speeds: Speeds, device: string, times: DeviceTimes): Speeds {
  const others = Object.entries(speeds).filter(([name]) => name !== device);
  const models = Object.fromEntries(Object.entries(times.models).slice(-mostModels));
  return Object.fromEntries([...others.slice(1 - mostDevices), [device, { ...times, models }]]);
}

/** A model's times with newer ones, as the newest. */
export function withModelTimes(times: DeviceTimes, key: string, newer: Partial<ModelTimes>): DeviceTimes {
  const { [key]: known = { forward: null, step: null }, ...others } = times.models;
  return { ...times, models: { ...others, [key]: { ...known, ...newer } } };
}

export class DeviceSpeed {
  #speeds: Promise<Speeds> | null = null;

  constructor(private readonly file: TextFile) {}

  async of(device: string): Promise<DeviceTimes> {
    return (await this.#read())[device] ?? noTimes;
  }

  async learn(device: string, learned: (times: DeviceTimes) => DeviceTimes): Promise<void> {
    const speeds = await this.#read();
    const next = withTimes(speeds, device, learned(speeds[device] ?? noTimes));
    this.#speeds = Promise.resolve(next);
    await this.file.write(JSON.stringify(next));
  }

  #read(): Promise<Speeds> {
    this.#speeds ??= this.file.read().then(readSpeeds);
    return this.#speeds;
  }
}
