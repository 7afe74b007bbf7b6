// The oldest Node that the tools run on. Imported first by every command, before anything that an old Node
// cannot even load; ends the process with one sentence where Node is too old.

/**
 * Whether a version of Node can run the tools: 20.19 or newer, and of the 22 line 22.12 or newer, since
 * earlier ones cannot `require` ES modules, which Vite needs.
 * @param {string} version "20.19.0"
 */
export function nodeIsSupported(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major === 20) return minor >= 19;
  if (major === 22) return minor >= 12;
  return major > 22;
}

if (!nodeIsSupported(process.versions.node)) {
  console.error(
    `Graft needs Node 20.19 or newer (of Node 22: 22.12 or newer); this is Node ${process.versions.node}. ` +
      'Install a current version from https://nodejs.org and start again.',
  );
  process.exit(1);
}
