// What the page does with images: opens a set or its validation set, reads it in another way, splits it
// again, shows some of it. Images that cannot be trained on never replace images that can.
import { recipeDefaults } from '../recipe/recipe.ts';
import { isCancelled, isToldHere } from '../shared/fault.ts';
import type { TrainerClient } from '../worker/client.ts';
import type { Commands, PixelStorage, ReadingOptions, SortedHandles, Source } from '../worker/protocol.ts';
import { dataSource, type BundledData } from './bundled.ts';
import { dataStore, type DataState } from './data-store.ts';
import { deviceStore } from './device-store.ts';
import { recipeStore } from './recipe-store.ts';
import { runStore } from './run-store.ts';

export interface ImageActions {
  openBundledData(data: BundledData): Promise<void>;
  /** Stops opening images; those that were open stay. */
  cancelOpening(): void;
  /** Takes away why images could not be opened; those that are open stay. */
  closeImageFault(): void;
  /** Removes the pixels of images that are kept on this machine. */
  deletePixels(): Promise<void>;
  /**
   * What lies in folders that were dropped, to be opened as what it is; null where it was stopped, where something
   * else was opened meanwhile, or where it met a fault, which is told.
   */
  sortDropped(handles: readonly FileSystemHandle[]): Promise<SortedHandles | null>;
  openData(source: Source, title: string, role: 'all' | 'validation'): Promise<void>;
  /** Opens the folder that is open from where it is now, read as before. */
  openMoved(source: Source, title: string): Promise<void>;
  /** Reads the images that are open, or those last refused, in another way. */
  reread(which: 'open' | 'refused', change: Partial<ReadingOptions>): Promise<void>;
  /** Splits the open images as the recipe says now. */
  resplit(): Promise<void>;
  loadThumbnails(images: readonly number[]): Promise<void>;
  /** Looks for near copies and odd pictures among the open images. */
  checkImages(): Promise<void>;
  /** Looks for labels of theirs that the open model's features contradict. */
  checkLabels(): Promise<void>;
  /** Stops either. */
  cancelCheck(): void;
}

interface OpenedData {
  readonly source: Source;
  readonly title: string;
  readonly reading: Partial<ReadingOptions>;
}

/** The actions, and what other parts of the page need of them. */
export interface Images {
  readonly actions: ImageActions;
  /** Opens the last images again, for a new worker. */
  reopen(): Promise<void>;
  /** Other images are open, which were not opened here. */
  forget(): void;
  /** Asks how much the pixels that are kept on this machine take. */
  loadStored(): Promise<void>;
}

const stored = ({ bytes, isFull }: PixelStorage): Pick<DataState, 'storedBytes' | 'isStoreFull'> => ({
  storedBytes: bytes,
  isStoreFull: isFull,
});

/**
 * @param inTurn runs commands that open something one after another.
 * @param locate gives the absolute address of a file below the page.
 */
export function createImages(
  client: TrainerClient,
  inTurn: (work: () => Promise<void>) => Promise<void>,
  locate: (path: string) => string,
): Images {
  /** What was opened last, to be opened again when the worker had to be replaced. */
  let openedData: OpenedData | null = null;
  let openedValidation: OpenedData | null = null;
  /** What was refused last, while other images stay open. */
  let refusedData: (OpenedData & { readonly role: 'all' | 'validation' }) | null = null;
  const requested = new Set<number>();
  /** Counts what was asked to be opened. */
  let wishes = 0;
  /** Stops the images that are being opened. */
  let opening: AbortController | null = null;
  /** Stops the check of the images that are open. */
  let checking: AbortController | null = null;

  function sendData(opened: OpenedData, role: 'all' | 'validation', bundledId: string | null): Promise<void> {
    wishes += 1;
    return inTurn(async () => {
      dataStore.setState({ status: 'opening', fault: null, refused: null });
      const { split, seed } = recipeStore.getState().recipe ?? recipeDefaults;
      const { source, title, reading } = opened;
      opening = new AbortController();
      const input = { source, title, role, reading, split, seed };
      const reply = await client.call('openData', input, opening.signal);
      opening = null;
      if (!reply.ok) {
        const { data } = dataStore.getState();
        const fault = isCancelled(reply.fault) ? null : reply.fault;
        dataStore.setState({ status: data === null ? 'none' : 'ready', fault });
        return;
      }
      const former = dataStore.getState();
      const usable = reply.value.fault === null;
      if (!usable && former.data !== null && former.data.fault === null) {
        // The worker lets go of usable images only for usable ones, and so does the page.
        refusedData = { ...opened, role };
        dataStore.setState({ status: 'ready', refused: reply.value });
        return;
      }
      refusedData = null;
      if (role === 'all') [openedData, openedValidation] = [opened, null];
      else openedValidation = opened;
      forgetThumbnails();
      if (runStore.getState().fault?.kind === 'images-changed') runStore.setState({ fault: null });
      dataStore.setState({
        status: 'ready',
        data: reply.value,
        pixels: null,
        check: 'none',
        labelCheck: 'none',
        bundledId: role === 'all' ? bundledId : former.bundledId,
        ofRun: role === 'validation' && former.ofRun,
        validationTitle: role === 'all' ? null : opened.title,
      });
    });
  }

  function forgetThumbnails(): void {
    for (const url of dataStore.getState().thumbnails.values()) URL.revokeObjectURL(url);
    requested.clear();
    dataStore.setState({ thumbnails: new Map() });
  }

  async function loadStored(): Promise<void> {
    const reply = await client.call('storedPixels', null);
    if (reply.ok) dataStore.setState(stored(reply.value));
  }

  /** Null where it was stopped, or met a fault, which is told. */
  async function looking<K extends 'checkImages' | 'checkLabels'>(
    name: K,
    input: Commands[K]['input'],
  ): Promise<Commands[K]['output'] | null> {
    checking?.abort();
    const own = new AbortController();
    checking = own;
    const reply = await client.call(name, input, own.signal);
    if (checking === own) checking = null;
    deviceStore.setState({ progress: null });
    if (reply.ok) return reply.value;
    if (!isCancelled(reply.fault)) dataStore.setState({ fault: reply.fault });
    return null;
  }

  const actions: ImageActions = {
    openBundledData: (data) =>
      sendData({ source: dataSource(data, locate), title: data.title, reading: {} }, 'all', data.id),
    cancelOpening: () => opening?.abort(),
    closeImageFault: () => dataStore.setState({ fault: null, refused: null }),
    async deletePixels() {
      const reply = await client.call('deletePixels', null);
      dataStore.setState(reply.ok ? { ...stored(reply.value), pixels: null } : { fault: reply.fault });
    },
    async sortDropped(handles) {
      const wish = ++wishes;
      let sorted: SortedHandles | null = null;
      await inTurn(async () => {
        dataStore.setState({ status: 'opening', fault: null, refused: null });
        opening = new AbortController();
        const reply = await client.call('sortHandles', { handles }, opening.signal);
        opening = null;
        const { data } = dataStore.getState();
        const fault = reply.ok || isCancelled(reply.fault) ? null : reply.fault;
        dataStore.setState({ status: data === null ? 'none' : 'ready', fault });
        if (reply.ok) sorted = reply.value;
      });
      // What was asked for meanwhile is newer, and stays.
      return wish === wishes ? sorted : null;
    },
    openData(source, title, role) {
      // A validation set is read as the images that it belongs to.
      const reading = (role === 'validation' ? openedData?.reading : undefined) ?? {};
      return sendData({ source, title, reading }, role, null);
    },
    openMoved: (source, title) =>
      sendData({ source, title, reading: openedData?.reading ?? {} }, 'all', null),
    async reread(which, change) {
      const [data, validation, refused] = [openedData, openedValidation, refusedData];
      const changed = (opened: OpenedData): OpenedData => ({
        ...opened,
        reading: { ...opened.reading, ...change },
      });
      if (which === 'refused') {
        if (refused !== null) await sendData(changed(refused), refused.role, null);
        return;
      }
      if (data === null) return;
      await sendData(changed(data), 'all', dataStore.getState().bundledId);
      if (validation !== null && dataStore.getState().refused === null)
        await sendData(changed(validation), 'validation', null);
    },
    resplit: () =>
      inTurn(async () => {
        const { recipe } = recipeStore.getState();
        if (recipe === null || dataStore.getState().data === null) return;
        const reply = await client.call('splitData', { split: recipe.split, seed: recipe.seed });
        if (reply.ok) dataStore.setState({ data: reply.value, fault: null });
        else if (isToldHere(reply.fault)) dataStore.setState({ fault: reply.fault });
      }),
    async loadThumbnails(images) {
      const wanted = images.filter((image) => !requested.has(image));
      if (wanted.length === 0) return;
      for (const image of wanted) requested.add(image);
      const { data } = dataStore.getState();
      const reply = await client.call('thumbnails', { images: wanted });
      // Of images that were open when they were asked for.
      if (!reply.ok || dataStore.getState().data?.edits.set !== data?.edits.set) return;
      dataStore.setState(({ thumbnails }) => ({
        thumbnails: new Map([
          ...thumbnails,
          ...reply.value.map(({ image, blob }) => [image, URL.createObjectURL(blob)] as const),
        ]),
      }));
    },
    async checkImages() {
      dataStore.setState({ check: 'looking' });
      const reply = await looking('checkImages', null);
      dataStore.setState({ check: reply ?? 'none' });
    },
    async checkLabels() {
      dataStore.setState({ labelCheck: 'looking' });
      const reply = await looking('checkLabels', { backend: recipeStore.getState().backend });
      dataStore.setState({ labelCheck: reply ?? 'none' });
    },
    cancelCheck: () => checking?.abort(),
  };
  return {
    actions,
    loadStored,
    forget() {
      [openedData, openedValidation, refusedData] = [null, null, null];
      forgetThumbnails();
    },
    async reopen() {
      const [data, validation] = [openedData, openedValidation];
      if (data !== null) await sendData(data, 'all', dataStore.getState().bundledId);
      if (validation !== null) await sendData(validation, 'validation', null);
    },
  };
}
