// What the page does in the gallery: asks where every image is, for pictures of those in sight, and edits them.
import type { TrainerClient } from '../worker/client.ts';
import type { EditStep, ImageEdit } from '../worker/protocol.ts';
import { isCancelled } from '../shared/fault.ts';
import { dataStore } from './data-store.ts';
import { deviceStore } from './device-store.ts';
import { anyImage, galleryStore } from './gallery-store.ts';
import { galleryThumbnails } from './gallery-thumbnails.ts';

/** Side of the pictures in pixels: sharp on a screen with two to a unit of CSS. */
const side = 200;
/** The worker is told that often at most that the images are being scrolled; it rests for longer. */
const tellScrollMs = 100;

export interface GalleryActions {
  /** Asks where every image is, after each change of the images or their split. */
  loadGallery(): Promise<void>;
  /** Says which images are in sight; none when the gallery is not. */
  showImages(images: readonly number[]): void;
  /** They are being scrolled, for which all cores are wanted. */
  scrolling(): void;
  /** Changes the open images, or takes the last change back, or does it again. */
  editImages(change: ImageEdit | EditStep): Promise<void>;
  /** The images as they are after edits, as a file; null where that was stopped or failed, which then is told. */
  writeSet(as: 'csv' | 'zip'): Promise<Blob | null>;
  stopWriting(): void;
}

export function createGallery(client: TrainerClient): GalleryActions {
  const thumbnails = galleryThumbnails({
    async ask(images, signal) {
      const reply = await client.call('galleryPictures', { images, side }, signal);
      // What cannot be had has no picture; what was given up may be asked for again.
      return reply.ok ? reply.value : signal.aborted ? null : [];
    },
    show: (held) => galleryStore.setState({ thumbnails: held }),
  });
  /** Only the answer to the last question is of the images as they are. */
  let asked = 0;
  let writing: AbortController | null = null;
  let toldScroll = -Infinity;

  return {
    async loadGallery() {
      const turn = ++asked;
      const reply = await client.call('gallery', null);
      if (turn !== asked) return;
      if (!reply.ok) {
        galleryStore.setState({ fault: reply.fault });
        return;
      }
      const gallery = reply.value;
      if (gallery.set === galleryStore.getState().gallery?.set) {
        galleryStore.setState({ gallery });
        return;
      }
      const paths = await client.call('imagePaths', null);
      if (turn !== asked) return;
      thumbnails.clear();
      galleryStore.setState({ gallery, paths: paths.ok ? paths.value : [], filter: anyImage, fault: null });
    },
    showImages: (images) => thumbnails.want(images),
    scrolling() {
      const { pixels } = dataStore.getState();
      const isPreparing = pixels !== null && pixels.ready + pixels.failed < pixels.total;
      if (!isPreparing || performance.now() - toldScroll < tellScrollMs) return;
      toldScroll = performance.now();
      void client.call('restAhead', null);
    },
    async editImages(change) {
      const { data } = dataStore.getState();
      if (data === null || galleryStore.getState().isEditing) return;
      galleryStore.setState({ isEditing: true, fault: null });
      const reply = await client.call('editImages', { set: data.edits.set, change });
      galleryStore.setState({ isEditing: false, fault: reply.ok ? null : reply.fault });
      // Others may have been opened meanwhile.
      if (reply.ok && dataStore.getState().data?.edits.set === data.edits.set)
        dataStore.setState({ data: reply.value });
    },
    async writeSet(as) {
      if (writing !== null) return null;
      writing = new AbortController();
      galleryStore.setState({ isWriting: true, fault: null });
      const reply = await client.call('writeSet', { as }, writing.signal);
      writing = null;
      deviceStore.setState({ progress: null });
      const fault = reply.ok || isCancelled(reply.fault) ? null : reply.fault;
      galleryStore.setState({ isWriting: false, fault });
      return reply.ok ? reply.value : null;
    },
    stopWriting: () => writing?.abort(),
  };
}
