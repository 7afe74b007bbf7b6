// `npm run test:reference`: the reference vectors on every backend, cpu and wasm in Node, webgpu in the
// browser. GRAFT_REFERENCE names a folder of vectors made by testdata/reference/make_reference.py with other
// options.
import './setup/node-version.mjs';
import { installPackages } from './setup/install.mjs';
import { runTool } from './setup/run-tool.mjs';

await installPackages((line) => console.log(line));
const inNode = await runTool('vitest/vitest.mjs', ['run', 'src/engine/reference.test.ts']);
const inBrowser = await runTool('@playwright/test/cli.js', ['test', 'e2e/engine.spec.ts']);
process.exitCode = inNode === 0 && inBrowser === 0 ? 0 : 1;
