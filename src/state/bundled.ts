// What ships with the app: the lists models/index.json and datasets/index.json, checked field by field, and
// the sources that the worker opens them by.
import * as v from 'valibot';
import { fail, ok, type Result } from '../shared/result.ts';
import type { Source } from '../worker/protocol.ts';

const modelSchema = v.object({
  id: v.string(),
  title: v.string(),
  folder: v.string(),
  files: v.array(v.string()),
  bytes: v.number(),
  parameters: v.number(),
  imageSize: v.number(),
  licence: v.string(),
  goodFor: v.string(),
  description: v.string(),
});
const dataSchema = v.object({
  id: v.string(),
  title: v.string(),
  file: v.string(),
  bytes: v.number(),
  classes: v.array(v.string()),
  trainImages: v.number(),
  testImages: v.number(),
  imageSize: v.number(),
  licence: v.string(),
  origin: v.string(),
  description: v.string(),
});

export type BundledModel = Readonly<v.InferOutput<typeof modelSchema>>;
export type BundledData = Readonly<v.InferOutput<typeof dataSchema>>;

/** Fetches and reads JSON from the app's own origin. */
export type FetchJson = (url: string) => Promise<Result<unknown>>;

export const fetchJson: FetchJson = async (url) => {
  try {
    const response = await fetch(url);
    if (!response.ok) return fail({ kind: 'network', url, detail: `the server answered ${response.status}` });
    const json: unknown = await response.json();
    return ok(json);
  } catch (thrown) {
    return fail({ kind: 'network', url, detail: thrown instanceof Error ? thrown.message : String(thrown) });
  }
};

async function readList<T>(fetchList: FetchJson, url: string, schema: v.GenericSchema<unknown, T[]>) {
  const json = await fetchList(url);
  if (!json.ok) return json;
  const parsed = v.safeParse(schema, json.value);
  if (parsed.success) return ok(parsed.output);
  const [issue] = parsed.issues;
  return fail({
    kind: 'bad-file' as const,
    name: url,
    why: 'unreadable' as const,
    detail: `${v.getDotPath(issue) ?? 'The list'}: ${issue.message}.`,
  });
}

export function loadModelList(fetchList: FetchJson): Promise<Result<BundledModel[]>> {
  return readList(fetchList, 'models/index.json', v.array(modelSchema));
}

export function loadDataList(fetchList: FetchJson): Promise<Result<BundledData[]>> {
  return readList(fetchList, 'datasets/index.json', v.array(dataSchema));
}

/** Absolute address of a file below the page: the worker's own address is another one. */
type Locate = (path: string) => string;

export function modelSource(model: BundledModel, locate: Locate): Source {
  const folder = model.folder.replace(/^(?:\.\/)?(?:models\/)?/, 'models/').replace(/\/$/, '');
  return {
    kind: 'bundled',
    files: model.files.map((path) => ({ path, url: locate(`${folder}/${path}`) })),
  };
}

export function dataSource(data: BundledData, locate: Locate): Source {
  const file = data.file.replace(/^(?:\.\/)?(?:datasets\/)?/, 'datasets/');
  return { kind: 'bundled', files: [{ path: data.file, url: locate(file) }] };
}
