// What tuning remembers: for each adapter and version of the tile set, the tile of each shape by name. The
// text lies wherever the caller keeps it; without a place it lasts as long as the worker.

/** Where the text of all choices lies. Neither call throws: a memory that fails is an empty one. */
export interface TuningMemory {
  read(): Promise<string | null>;
  write(text: string): Promise<void>;
}

/** Tile names by shape. */
export type Remembered = ReadonlyMap<string, string>;

/** Lasts as long as the worker. */
export function sessionMemory(): TuningMemory {
  let kept: string | null = null;
  return {
    read: () => Promise.resolve(kept),
    write(text) {
      kept = text;
      return Promise.resolve();
    },
  };
}

/** Everything in the text that has the right form; a damaged or foreign text counts as empty. */
function parse(text: string | null): Map<string, Map<string, string>> {
  const result = new Map<string, Map<string, string>>();
  for (const [device, tiles] of entries(safeJson(text))) {
    const names = entries(tiles).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    result.set(device, new Map(names));
  }
  return result;
}

function safeJson(text: string | null): unknown {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return null;
  }
}

function entries(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

export async function recall(memory: TuningMemory, device: string): Promise<Remembered> {
  return parse(await memory.read()).get(device) ?? new Map<string, string>();
}

/** Adds choices to those remembered for the device. */
export async function remember(memory: TuningMemory, device: string, choices: Remembered): Promise<void> {
  if (choices.size === 0) return;
  const all = parse(await memory.read());
  all.set(device, new Map([...(all.get(device) ?? []), ...choices]));
  await memory.write(
    JSON.stringify(Object.fromEntries([...all].map(([name, tiles]) => [name, Object.fromEntries(tiles)]))),
  );
}
