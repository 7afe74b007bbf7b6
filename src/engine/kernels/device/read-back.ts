// Reads buffers outside the steady step: parameters and moments for checkpoints, gradients, logits.
import { plannedBuffer, type DeviceMemory, type Region } from './device-memory.ts';

/** Copies regions into one mappable buffer with one submit and one map; the values as float32. */
export async function readRegions(memory: DeviceMemory, regions: readonly Region[]): Promise<Float32Array[]> {
  const { device } = memory;
  const planned = plannedBuffer(
    'read back',
    regions.reduce((sum, region) => sum + region.bytes, 0),
    'read-back',
  );
  const staging = memory.allocate(planned);
  try {
    const encoder = device.createCommandEncoder({ label: 'read back' });
    let at = 0;
    for (const { buffer, offset, bytes } of regions) {
      encoder.copyBufferToBuffer(memory.get(buffer), offset, staging, at, bytes);
      at += bytes;
    }
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const all = new Float32Array(staging.getMappedRange().slice(0));
    let begin = 0;
    return regions.map((region) => {
      const part = all.subarray(begin / 4, (begin + region.bytes) / 4);
      begin += region.bytes;
      return part;
    });
  } finally {
    memory.free(planned);
  }
}
