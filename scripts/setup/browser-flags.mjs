// How Chromium is started without a window: one place for the tests and for the headless command.

/** Needed wherever it runs: no sandbox for root and containers, no network of the browser's own. */
export const quietFlags = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * WebGPU on whatever adapter the machine has: its GPU, or SwiftShader (on the processor) without one. Linux
 * reaches either through Vulkan; other systems have their own way.
 */
export const webgpuFlags = [
  ...quietFlags,
  '--enable-unsafe-webgpu',
  ...(process.platform === 'linux' ? ['--enable-features=Vulkan'] : []),
];

/** WebGPU on SwiftShader even where there is a GPU: the same arithmetic on every machine, for the tests. */
export const softwareWebgpuFlags = [...webgpuFlags, '--use-webgpu-adapter=swiftshader'];
