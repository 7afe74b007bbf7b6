// `node scripts/icons.mjs`: draws the icons of the installed app, public/icons/*.png, from public/favicon.svg, in a
// headless browser. To be run when the drawing changes.
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { quietFlags } from './setup/browser-flags.mjs';
import { findOrInstallBrowser } from './setup/browser.mjs';
import { root } from './setup/paths.mjs';

/** The paper of the app by day. */
const paper = '#f5f3ec';

/** Side in pixels, share of it that the drawing takes, radius of the paper's corners as a share; null: no paper. */
const icons = [
  { name: '192', side: 192, drawing: 0.74, corner: 0.2 },
  { name: '512', side: 512, drawing: 0.74, corner: 0.2 },
  // Cut to any shape by the system, whose smallest leaves a circle of 80 %.
  { name: 'maskable-512', side: 512, drawing: 0.54, corner: 0 },
  { name: 'apple-touch', side: 180, drawing: 0.66, corner: 0 },
];

const svg = await readFile(join(root, 'public/favicon.svg'), 'utf8');
const folder = join(root, 'public/icons');
await mkdir(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: await findOrInstallBrowser(console.error),
  args: quietFlags,
});
const page = await browser.newPage();
for (const { name, side, drawing, corner } of icons) {
  await page.setViewportSize({ width: side, height: side });
  await page.setContent(
    `<style>html, body { margin: 0; background: none }
     div { display: grid; place-items: center; width: ${side}px; height: ${side}px; background: ${paper}; border-radius: ${corner * side}px }
     svg { width: ${drawing * side}px }</style><div>${svg}</div>`,
  );
  await page.screenshot({ path: join(folder, `${name}.png`), omitBackground: true });
}
await browser.close();
