// Edits of the open images, as the page asks for them: images by their numbers, names as they were typed. What
// an edit would leave as it is stands in no history.
import { allUndone, edited, redone, undone, type Edit, type EditedImage } from '../data/edits.ts';
import { labelOf } from '../data/file-path.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { splitData, type OpenData } from './open-data.ts';
import type { Commands, Gallery, GalleryPicture, ImageEdit, ImagePlace, Thumbnail } from './protocol.ts';

const steps = { undo: undone, 'undo-all': allUndone, redo: redone } as const;

/** The open images with one edit more, or without the last, or with it again. */
export function editImages(
  open: OpenData,
  { set, change }: Commands['editImages']['input'],
): Result<OpenData> {
  // Others were opened while the page asked.
  if (set !== open.summary.edits.set)
    return fail({ kind: 'wrong-phase', command: 'edit images', phase: 'with other images' });
  if (typeof change === 'string')
    return ok(splitData({ ...open, history: steps[change](open.history) }, open.draw));
  const edit = named(change, open);
  if (edit === null) return fail({ kind: 'wrong-phase', command: 'name a class', phase: 'without letters' });
  if (isIdle(edit, open)) return ok(open);
  return ok(splitData({ ...open, history: edited(open.history, edit) }, open.draw));
}

/** With digests for numbers, of the images that it changes; null where a name has no letters. */
function named(change: ImageEdit, { images }: OpenData): Edit | null {
  const idsOf = (numbers: readonly number[], isChanged: (image: EditedImage) => boolean): string[] =>
    numbers.flatMap((at) => {
      const image = images[at];
      return image !== undefined && isChanged(image) ? image.id : [];
    });
  switch (change.kind) {
    case 'relabel': {
      const to = labelOf(change.to);
      return to === null
        ? null
        : { ...change, to, images: idsOf(change.images, ({ label }) => label !== to) };
    }
    case 'exclude':
    case 'include': {
      const isOut = change.kind === 'exclude';
      return { ...change, images: idsOf(change.images, ({ excluded }) => excluded !== isOut) };
    }
    case 'move':
      return { ...change, images: idsOf(change.images, ({ hand }) => hand !== change.to) };
    case 'together':
      return { ...change, groups: change.groups.map((group) => idsOf(group, () => true)) };
    case 'rename':
    case 'merge': {
      const to = labelOf(change.to);
      return to === null ? null : { ...change, to };
    }
    case 'make': {
      const name = labelOf(change.name);
      return name === null ? null : { ...change, name };
    }
    default:
      return change satisfies never;
  }
}

/** Whether all is as before with it. */
function isIdle(edit: Edit, { names, images }: OpenData): boolean {
  switch (edit.kind) {
    case 'relabel':
    case 'exclude':
    case 'include':
    case 'move':
      return edit.images.length === 0;
    case 'together': {
      const ties = new Map(images.map(({ id, tied }) => [id, tied]));
      return edit.groups.every((group) => {
        const [first = -1, ...others] = group.map((id) => ties.get(id));
        return group.length < 2 || (first >= 0 && others.every((other) => other === first));
      });
    }
    case 'rename':
      return edit.from === edit.to || !names.includes(edit.from);
    case 'merge':
      return !edit.from.some((name) => name !== edit.to && names.includes(name));
    case 'make':
      return names.includes(edit.name);
    default:
      return edit satisfies never;
  }
}

const places: readonly ImagePlace[] = ['train', 'validation', 'test', 'unused', 'excluded'];

/** What is shown of every image; `run` are the images of the run that is there. */
export function galleryOf(open: OpenData, run: OpenData | null): Gallery {
  const { images, names, split, report, summary } = open;
  const { set, version } = summary.edits;
  const idOf = new Map(names.map((name, id) => [name, id]));
  const placeOf = new Uint8Array(images.length).fill(places.indexOf('unused'));
  for (const name of ['train', 'validation', 'test'] as const)
    for (const at of split[name]) placeOf[at] = places.indexOf(name);
  const changed = new Uint8Array(images.length);
  const found = new Map<string, number[]>();
  images.forEach(({ excluded, hand, label, readClass, warnings }, at) => {
    if (excluded) placeOf[at] = places.indexOf('excluded');
    if (excluded || hand !== null || label !== report.classes[readClass]) changed[at] = 1;
    for (const code of new Set(warnings.map((warning) => warning.code))) {
      const list = found.get(code);
      if (list === undefined) found.set(code, [at]);
      else list.push(at);
    }
  });
  const runNumbers = run === null ? null : new Map(run.images.map(({ id }, at) => [id, at]));
  return {
    ...{ set, version, names, places, placeOf, changed },
    classOf: Int32Array.from(images, ({ label }) => idOf.get(label) ?? -1),
    findings: [...found].map(([code, list]) => ({ code, images: Int32Array.from(list) })),
    inRun: runNumbers === null ? null : Int32Array.from(images, ({ id }) => runNumbers.get(id) ?? -1),
  };
}

/** Thumbnails as data URLs. */
export function picturesOf(thumbnails: readonly Thumbnail[]): Promise<readonly GalleryPicture[]> {
  return Promise.all(
    thumbnails.map(async ({ image, blob }) => ({
      image,
      url: `data:${blob.type};base64,${base64Of(new Uint8Array(await blob.arrayBuffer()))}`,
    })),
  );
}

function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096)
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return btoa(text);
}
