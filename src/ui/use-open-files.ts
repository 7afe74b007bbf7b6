// Opening what the user picked or dropped: as a model, as images, or sorted into both; and showing the place
// where it is told what became of it.
import { useCallback } from 'react';
import { pileTitle, sortPile } from '../shared/file-pile.ts';
import type { SourceFile } from '../worker/protocol.ts';
import { goTo } from './place.ts';
import { useTrainer } from './trainer-context.ts';

type Open = (files: readonly SourceFile[]) => void;
type OpenFolder = (folder: FileSystemDirectoryHandle) => void;

export interface OpenFiles {
  readonly openModel: Open;
  readonly openImages: Open;
  readonly openValidation: Open;
  /** The folder of the open images, which was moved or changed. */
  readonly openMoved: Open;
  /** The same of a folder that the worker lists. */
  readonly openImageFolder: OpenFolder;
  readonly openValidationFolder: OpenFolder;
  readonly openMovedFolder: OpenFolder;
  /** Sorts the pile first: weights are a model, the rest are images. */
  readonly openAny: Open;
  /** The same of folders that the worker lists. */
  readonly openDropped: (handles: readonly FileSystemHandle[]) => Promise<void>;
}

export function useOpenFiles(): OpenFiles {
  const trainer = useTrainer();
  const openModel = useCallback<Open>(
    (files) => {
      goTo('model');
      void trainer.openModel({ kind: 'files', files }, pileTitle(files));
    },
    [trainer],
  );
  const openImages = useCallback<Open>(
    (files) => {
      goTo('images');
      void trainer.openData({ kind: 'files', files }, pileTitle(files), 'all');
    },
    [trainer],
  );
  const openValidation = useCallback<Open>(
    (files) => void trainer.openData({ kind: 'files', files }, pileTitle(files), 'validation'),
    [trainer],
  );
  const openMoved = useCallback<Open>(
    (files) => void trainer.openMoved({ kind: 'files', files }, pileTitle(files)),
    [trainer],
  );
  const openImageFolder = useCallback<OpenFolder>(
    (handle) => {
      goTo('images');
      void trainer.openData({ kind: 'handles', handles: [handle] }, handle.name, 'all');
    },
    [trainer],
  );
  const openValidationFolder = useCallback<OpenFolder>(
    (handle) => void trainer.openData({ kind: 'handles', handles: [handle] }, handle.name, 'validation'),
    [trainer],
  );
  const openMovedFolder = useCallback<OpenFolder>(
    (handle) => void trainer.openMoved({ kind: 'handles', handles: [handle] }, handle.name),
    [trainer],
  );
  const openAny = useCallback<Open>(
    (files) => {
      const { model, images } = sortPile(files);
      if (model.length > 0) openModel(model);
      if (images.length > 0) openImages(images);
    },
    [openModel, openImages],
  );
  const openDropped = useCallback(
    async (handles: readonly FileSystemHandle[]): Promise<void> => {
      // Where it is told how far the list is, and stopped.
      goTo('images');
      const sorted = await trainer.sortDropped(handles);
      if (sorted === null) return;
      const { model, images } = sorted;
      if (model.length > 0) openModel(model);
      if (images === null) return;
      goTo('images');
      void trainer.openData({ kind: 'handles', handles, only: 'images' }, images.title, 'all');
    },
    [trainer, openModel],
  );
  return {
    ...{ openModel, openImages, openValidation, openMoved, openAny, openDropped },
    ...{ openImageFolder, openValidationFolder, openMovedFolder },
  };
}
