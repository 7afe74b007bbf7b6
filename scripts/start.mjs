// `npm start`: installs what is missing, builds what is old, serves the app on this machine and opens it.
// Runs on a fresh clone, so until the packages are installed it uses nothing but Node.
import './setup/node-version.mjs';
import { spawn } from 'node:child_process';
import { buildApp } from './setup/build.mjs';
import { installPackages } from './setup/install.mjs';

const usage = `npm start -- [--port N] [--no-open]
  --port N    serve on this port, or on the next free one (default 4173)
  --no-open   only print the address`;

/** @param {string} line */
const say = (line) => console.error(line);

async function readArguments() {
  // Imported late: a Node that lacks it must get as far as the check of its version.
  const { parseArgs } = await import('node:util');
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '4173' },
      'no-open': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port ${values.port} is no port.`);
  return { port, open: !values['no-open'], help: values.help };
}

/**
 * Opens an address in the default browser where there is a display; elsewhere the printed address must do.
 * @param {string} url
 */
function openBrowser(url) {
  const { platform, env } = process;
  if (platform === 'linux' && env['DISPLAY'] === undefined && env['WAYLAND_DISPLAY'] === undefined) return;
  /** @type {[string, string[]]} */
  const [program, args] =
    platform === 'darwin'
      ? ['open', [url]]
      : platform === 'win32'
        ? ['cmd.exe', ['/c', 'start', '""', url]]
        : ['xdg-open', [url]];
  const child = spawn(program, args, { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}

try {
  const { port, open, help } = await readArguments();
  if (help) {
    console.log(usage);
    process.exit(0);
  }
  await installPackages(say);
  await buildApp(say);
  const { serveApp } = await import('./setup/serve.mjs');
  const { url } = await serveApp(port);
  console.log(`Graft is running at ${url} (stop it with Ctrl+C)`);
  if (open) openBrowser(url);
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : String(thrown));
  process.exitCode = 1;
}
