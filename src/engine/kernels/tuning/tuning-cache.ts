// What tuning remembers: for each adapter and version of the tile set, the tile of each shape by name. The
// text lies wherever the caller keeps it; without a place it lasts as long as the worker.

/** Where the text of all choices lies. Neither call throws: a cache that fails is an empty one. */
export interface TuningCache {
  read(): Promise<string | null>;
  write(text: string): Promise<void>;
}

/** Tile names by shape. */
export type TileChoices = ReadonlyMap<string, string>;

/** Lasts as long as the worker. */
export function sessionCache(): TuningCache {
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

export async function readChoices(cache: TuningCache, device: string): Promise<TileChoices> {
  return parse(await cache.read()).get(device) ?? new Map<string, string>();
}

/** Adds choices to those remembered for the device. */
export async function writeChoices(cache: TuningCache, device: string, choices: TileChoices): Promise<void> {
  if (choices.size === 0) return;
  const all = parse(await cache.read());
  all.set(device, new Map([...(all.get(device) ?? []), ...choices]));
  await cache.write(
    JSON.stringify(Object.fromEntries([...all].map(([name, tiles]) => [name, Object.fromEntries(tiles)]))),
  );
}
