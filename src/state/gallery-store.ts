// All open images as the gallery shows them: where each is, what is asked for, what is selected, and the small
// pictures of those in sight. Filled by gallery-actions.ts.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { Fault, Gallery, ImagePlace } from '../worker/protocol.ts';

/** Which images are shown; null for any. */
export interface GalleryFilter {
  readonly name: string | null;
  readonly place: ImagePlace | null;
  /** Code of a finding, or what was done or answered. */
  readonly finding: string | null;
}

export interface GalleryState {
  readonly gallery: Gallery | null;
  /** [images]; empty until they are here. */
  readonly paths: readonly string[];
  readonly filter: GalleryFilter;
  /** URLs by the number of the image; null for one that has no picture. */
  readonly thumbnails: ReadonlyMap<number, string | null>;
  readonly isEditing: boolean;
  readonly isWriting: boolean;
  readonly fault: Fault | null;
}

export const anyImage: GalleryFilter = { name: null, place: null, finding: null };

export const galleryStore = createStore<GalleryState>(() => ({
  gallery: null,
  paths: [],
  filter: anyImage,
  thumbnails: new Map(),
  isEditing: false,
  isWriting: false,
  fault: null,
}));

export function useGallery<T>(selector: (state: GalleryState) => T): T {
  return useStore(galleryStore, selector);
}
