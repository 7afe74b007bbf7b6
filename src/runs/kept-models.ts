// Copies of the models that runs train, so that a run goes on without the files that the user opened: what was
// read of them, by the digest of all of it. A model of the Hub needs none, since the model cache has it.
//
//   kept-models/<digest>/0, 1, ...       the files
//   kept-models/<digest>/contents.json   their paths and what they are for; written last
import * as v from 'valibot';
import type { AdapterBeside, ModelSources } from '../checkpoints/open-model.ts';
import type { SourceFile } from '../data/source-file.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { digestOf } from '../shared/sha256.ts';
import { storageFault, type OriginFiles } from '../storage/origin-files.ts';
import { writeWhole } from '../storage/write-whole.ts';

const top = 'kept-models';
const dayMs = 24 * 3600 * 1000;

const contentsSchema = v.object({
  files: v.array(
    v.object({ path: v.string(), bytes: v.number(), of: v.picklist(['model', 'merged', 'branches']) }),
  ),
});

export class KeptModels {
  constructor(private readonly files: OriginFiles) {}

  /** Copies a model, unless it is here already; its digest names it. */
  async keep(sources: ModelSources): Promise<Result<string>> {
    const { files, adapter } = sources;
    const listed = [
      ...files.map((file) => ({ ...file, of: 'model' as const })),
      ...(adapter?.files ?? []).map((file) => ({ ...file, of: adapter?.as ?? 'merged' })),
    ];
    return this.#guarded(async () => {
      const digest = await digestOfAll(listed);
      const folder = `${top}/${digest}`;
      const contents = { files: listed.map(({ path, blob, of }) => ({ path, bytes: blob.size, of })) };
      if ((await this.#contents(digest)) !== null) return ok(digest);
      for (const [i, { blob }] of listed.entries()) {
        const written = await writeWhole(this.files, `${folder}/${i}`, blob);
        if (!written.ok) {
          await this.files.remove(folder).catch(() => undefined);
          return written;
        }
      }
      const text = new TextEncoder().encode(JSON.stringify(contents));
      const written = await writeWhole(this.files, `${folder}/contents.json`, text);
      return written.ok ? ok(digest) : written;
    });
  }

  /** The files of a model; null where they are not here, or not whole. */
  async open(digest: string): Promise<Result<ModelSources | null>> {
    return this.#guarded(async () => {
      const contents = await this.#contents(digest);
      if (contents === null) return ok(null);
      const files: SourceFile[] = [];
      const beside: SourceFile[] = [];
      let as: AdapterBeside['as'] | null = null;
      for (const [i, { path, bytes, of }] of contents.files.entries()) {
        const blob = await this.files.read(`${top}/${digest}/${i}`);
        if (blob?.size !== bytes) return ok(null);
        if (of !== 'model') as = of;
        (of === 'model' ? files : beside).push({ path, blob });
      }
      return ok({ files, adapter: as === null ? null : { files: beside, as } });
    });
  }

  /** Removes what no run needs; not what is of today, whose run may be about to be saved by another tab. */
  async prune(needed: ReadonlySet<string>, now: number): Promise<Result<null>> {
    return this.#guarded(async () => {
      for (const { path, modified } of await this.files.list(top)) {
        const digest = path.split('/')[1] ?? '';
        if (!needed.has(digest) && now - modified > dayMs) await this.files.remove(`${top}/${digest}`);
      }
      return ok(null);
    });
  }

  /** Bytes of all copies. */
  async bytes(): Promise<Result<number>> {
    return this.#guarded(async () =>
      ok((await this.files.list(top)).reduce((sum, { bytes }) => sum + bytes, 0)),
    );
  }

  async #contents(digest: string): Promise<v.InferOutput<typeof contentsSchema> | null> {
    const text = await (await this.files.read(`${top}/${digest}/contents.json`))?.text();
    if (text === undefined) return null;
    try {
      const parsed = v.safeParse(contentsSchema, JSON.parse(text));
      return parsed.success ? parsed.output : null;
    } catch {
      return null;
    }
  }

  async #guarded<T>(work: () => Promise<Result<T>>): Promise<Result<T>> {
    try {
      return await work();
    } catch (thrown) {
      return fail(await storageFault(thrown, this.files));
    }
  }
}

/** SHA-256 over the files: their paths, use and digests. */
async function digestOfAll(
  files: readonly (SourceFile & { readonly of: 'model' | AdapterBeside['as'] })[],
): Promise<string> {
  const parts = [];
  for (const { path, blob, of } of files) parts.push([path, of, await digestOf(blob)]);
  return digestOf(new Blob([JSON.stringify(parts)]));
}
