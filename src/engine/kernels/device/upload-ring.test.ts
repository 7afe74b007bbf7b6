// The ring of mapped buffers, on buffers that only remember: what is mapped carries pixels, everything else is
// left to writeBuffer.
import { describe, expect, test } from 'vitest';
import { countingGpu, type Counts } from '../../checks/counting-device.ts';
import { DeviceMemory, plannedBuffer, wholeOf } from './device-memory.ts';
import { planUploads, UploadRing } from './upload-ring.ts';

/** A ring of `count` buffers, how often each way was taken, and whether the device is there. */
async function ringOf(count: number) {
  const counts: Counts = {};
  const { device } = countingGpu(counts);
  const [made, copies]: [{ mapState: string }[], number[]] = [[], []];
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    const state = buffer as unknown as { mapState: string };
    made.push(state);
    buffer.mapAsync = () => {
      state.mapState = 'pending';
      return Promise.resolve().then(() => void (state.mapState = 'mapped'));
    };
    buffer.getMappedRange = () => new ArrayBuffer(64);
    buffer.unmap = () => void (state.mapState = 'unmapped');
    return buffer;
  };
  const memory = new DeviceMemory(device);
  const target = plannedBuffer('pixels', 64);
  const uploads = planUploads(64, count);
  for (const planned of [target, ...uploads]) memory.allocate(planned);
  const ring = new UploadRing(memory, uploads);
  await mapped();
  const encoder = { copyBufferToBuffer: () => copies.push(1) } as unknown as GPUCommandEncoder;
  return {
    ring,
    write: () => ring.write(encoder, wholeOf(target), new Uint8Array(64)),
    /** Copies that were encoded, and calls of writeBuffer. */
    ways: () => [copies.length, counts['writeBuffer'] ?? 0],
    lose: () => made.forEach((buffer) => (buffer.mapState = 'unmapped')),
  };
}

/** Everything that waits only for itself has happened. */
const mapped = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

describe('the ring', () => {
  test('carries as many batches as it has buffers, leaves the others, and goes on when they come back', async () => {
    const { ring, write, ways } = await ringOf(2);
    for (let i = 0; i < 3; i++) write();
    expect(ways()).toEqual([2, 1]);
    ring.submitted();
    await mapped();
    write();
    expect(ways()).toEqual([3, 1]);
  });

  test('on a device that was lost throws nothing: writeBuffer is told, and the fault is found where it is looked for', async () => {
    const { write, ways, lose } = await ringOf(2);
    lose();
    write();
    expect(ways()).toEqual([0, 1]);
  });

  test('takes 32 MB at most, and no buffer that has no room', () => {
    expect(planUploads(4.8e6, 8)).toHaveLength(6);
    expect(planUploads(1e6, 8)).toHaveLength(8);
    expect(planUploads(1e9, 8)).toEqual([]);
    expect(planUploads(1e6, 0)).toEqual([]);
  });
});
