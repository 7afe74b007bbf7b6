// What still holds of findings once images were edited: each image with the class and the part of the split that it
// has now, without those that are left out, and without findings that an edit has settled.
import type { DoubtedLabel, FoundImage, Gallery, ImageCheck } from '../../worker/protocol.ts';

type Finding = ImageCheck['findings'][number];

/**
 * @param gallery where every image is now; null: as it was when it was looked at.
 */
export function liveFindings(findings: readonly Finding[], gallery: Gallery | null): Finding[] {
  return findings.flatMap(({ kind, groups }) => {
    const live = groups
      .map((group) => group.flatMap((found) => liveImage(found, gallery) ?? []))
      .filter((group) => stillHolds(kind, group));
    return live.length === 0 ? [] : [{ kind, groups: live }];
  });
}

/** Doubts about labels that are as they were. */
export function liveDoubts(doubts: readonly DoubtedLabel[], gallery: Gallery | null): DoubtedLabel[] {
  return doubts.filter((doubt) => liveImage(doubt, gallery)?.class === doubt.class);
}

function stillHolds(kind: Finding['kind'], group: readonly FoundImage[]): boolean {
  switch (kind) {
    case 'near-leak': {
      const isTrained = group.some(({ split }) => split === 'train');
      return isTrained && group.some(({ split }) => split === 'validation' || split === 'test');
    }
    case 'near-conflict':
      return new Set(group.map((found) => found.class)).size > 1;
    case 'near-copies':
      return group.length > 1;
    case 'one-shade':
    case 'blurred':
      return group.length > 0;
    default:
      return kind satisfies never;
  }
}

/** Null for an image that is left out. */
function liveImage(found: FoundImage, gallery: Gallery | null): FoundImage | null {
  if (gallery === null) return found;
  const place = gallery.places[gallery.placeOf[found.image] ?? -1] ?? 'excluded';
  if (place === 'excluded') return null;
  return {
    ...found,
    class: gallery.names[gallery.classOf[found.image] ?? -1] ?? found.class,
    split: place === 'unused' ? null : place,
  };
}
