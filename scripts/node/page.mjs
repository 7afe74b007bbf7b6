// A browser of one page in this process, as far as scripts/finetune/drive.mjs drives one: the bare page of
// the built app, whose module finds a document with the file inputs that it asks for and the links that it
// clicks.
import { resolveObjectURL } from 'node:buffer';
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../finetune/user-error.mjs';
import { endThreads, installPlatform } from './platform.mjs';

/** @typedef {import('@playwright/test').Page} Page */
/** @typedef {Pick<Page, 'evaluate' | 'exposeFunction' | 'goto' | 'locator' | 'on' | 'waitForEvent'>} DrivenPage */

class Input {
  /** @type {File[]} */
  files = [];
}

/** A link that is clicked gives what it leads to. */
class Link {
  href = '';
  download = '';
  // Modules load when they are asked for, and nothing ahead of that.
  relList = { supports: () => true };

  /** @param {(link: Link) => void} onClick */
  constructor(onClick) {
    this.click = () => onClick(this);
  }
}

class NodePage {
  /** @type {Record<string, Input>} */
  #inputs = {};
  /** @type {(link: Link) => void} */
  #clicked = () => undefined;

  /** @param {string} address of the page, a file */
  async goto(address) {
    await installPlatform(address);
    const document = {
      baseURI: address,
      getElementById: (/** @type {string} */ id) => this.#input(id),
      createElement: () => new Link((link) => this.#clicked(link)),
    };
    // A clock of the page does not keep the process when its threads have ended.
    const repeat = globalThis.setInterval;
    const setInterval = (/** @type {Parameters<typeof repeat>} */ ...given) => repeat(...given).unref();
    Object.assign(globalThis, { window: globalThis, document, HTMLInputElement: Input, setInterval });
    const html = await readFile(fileURLToPath(address), 'utf8');
    const [, script = ''] = /<script[^>]*\ssrc="([^"]+)"/.exec(html) ?? [];
    await import(new URL(script, address).href);
  }

  /** @param {string} id */
  #input(id) {
    return (this.#inputs[id] ??= new Input());
  }

  /**
   * @template A, R
   * @param {(argument: A) => R} run
   * @param {A} argument
   */
  async evaluate(run, argument) {
    return run(argument);
  }

  /**
   * @param {string} name
   * @param {(...given: never[]) => unknown} work
   */
  async exposeFunction(name, work) {
    Object.assign(globalThis, { [name]: work });
  }

  /** @param {string} selector of an input by its id */
  locator(selector) {
    return {
      /** @param {readonly string[]} disk */
      setInputFiles: async (disk) => {
        // In memory: a thread can be handed nothing that Node reads from a file only when it is asked for.
        this.#input(selector.slice(1)).files = await Promise.all(
          disk.map(async (path) => new File([await readFile(path)], basename(path))),
        );
      },
    };
  }

  /** The next download. */
  waitForEvent() {
    return new Promise((resolve) => {
      this.#clicked = ({ href }) =>
        resolve({
          /** @param {string} path */
          async saveAs(path) {
            const blob = resolveObjectURL(href);
            if (blob === undefined) throw new Error(`The page gave nothing for ${path}.`);
            await writeFile(path, Buffer.from(await blob.arrayBuffer()));
            URL.revokeObjectURL(href);
          },
        });
    });
  }

  /** This page cannot crash by itself: what ends it ends this process. */
  on() {
    return this;
  }
}

/**
 * What stands in for a browser.
 * @returns {Promise<{ newPage(): Promise<Page>, close(): Promise<void> }>} of one page: it takes this process
 * @throws {UserError} where nothing decodes images
 */
export async function startNodeBrowser() {
  await import('sharp').catch((thrown) => {
    const why = thrown instanceof Error ? thrown.message.split('\n')[0] : String(thrown);
    throw new UserError(
      `Without a browser images are decoded by sharp, which does not load here (${why}): in the repository run npm ci or take --runtime browser; a packed folder has to be made anew, by npm run pack on this kind of system.`,
    );
  });
  const page = /** @type {DrivenPage} */ (/** @type {unknown} */ (new NodePage()));
  return { newPage: async () => /** @type {Page} */ (page), close: endThreads };
}
