// Error scopes around work that is enqueued and not awaited.

/** Runs work whose scopes close before anything else can run; resolves to the first error that the device reports. */
export function scoped(device: GPUDevice, work: () => void): Promise<GPUError | null> {
  const filters = ['internal', 'out-of-memory', 'validation'] as const;
  for (const filter of filters) device.pushErrorScope(filter);
  const close = async (): Promise<GPUError | null> => {
    const errors = await Promise.all(filters.map(() => device.popErrorScope().catch(() => null)));
    return errors.find((error) => error !== null) ?? null;
  };
  try {
    work();
  } catch (thrown) {
    void close();
    throw thrown;
  }
  return close();
}
