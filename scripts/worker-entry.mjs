// Refuses a build in which a part of a worker imports the worker's entry. Bundlers put what an entry and late
// parts share into the entry; WebKit evaluates the entry of a module worker a second time for a module that
// imports it, and what it holds is there twice.

/**
 * @returns {import('vite').Plugin} for `worker.plugins`
 */
export function workerEntryPlugin() {
  return {
    name: 'graft-worker-entry',
    generateBundle(_, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk') continue;
        for (const name of [...chunk.imports, ...chunk.dynamicImports]) {
          const imported = bundle[name];
          if (imported?.type !== 'chunk' || !imported.isEntry) continue;
          this.error(
            `${chunk.fileName} imports ${name}, the entry of a worker, which WebKit then evaluates twice. ` +
              'Move what it needs out of the entry: an entry holds an import() and nothing that is shared.',
          );
        }
      }
    },
  };
}
