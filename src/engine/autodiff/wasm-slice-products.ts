// A kernel for tfjs's wasm backend: many small matrix products [n, k] x [k, m] over one buffer each. The
// backend's own batched product is a plain loop (3 GFLOP/s), its product of two matrices is XNNPACK (40);
// this one calls the latter on views of the slices, without copying them. It reaches into the backend, whose
// version is pinned.
import * as tf from '@tensorflow/tfjs-core';

interface TensorData {
  readonly id: number;
  readonly memoryOffset: number;
}

/** The parts of tfjs's BackendWasm that are used here; its own types leave out the module. */
interface WasmBackend {
  readonly wasm: {
    cwrap(name: string, result: null, parameters: readonly string[]): (...args: unknown[]) => void;
    readonly tfjs: {
      registerTensor(id: number, size: number, offset: number): void;
      disposeData(id: number): void;
    };
  };
  readonly dataIdMap: { get(dataId: object): TensorData };
  dataIdNextNumber: number;
  makeOutput(shape: number[], dtype: 'float32'): tf.TensorInfo;
}

const kernelName = 'SliceProducts';
let matMul: ((...args: unknown[]) => void) | null = null;

tf.registerKernel({
  kernelName,
  backendName: 'wasm',
  setupFunc(backend) {
    const [number, array] = ['number', 'array'];
    matMul = (backend as unknown as WasmBackend).wasm.cwrap('BatchMatMul', null, [
      ...[number, array, number], // a: id, shape, rank
      ...[number, array, number], // b
      ...[number, number, number], // transpose a, transpose b, id of the output
    ]);
  },
  kernelFunc({ inputs, backend }) {
    const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    const wasm = backend as unknown as WasmBackend;
    const [slices = 0, n = 0, k = 0] = a.shape;
    const m = b.shape[2] ?? 0;
    const out = wasm.makeOutput([slices, n, m], 'float32');
    const [left, right] = [bytesOfShape([1, n, k]), bytesOfShape([1, k, m])];
    for (let i = 0; i < slices; i++) {
      const ids = [a, b, out].map((tensor, position) => {
        const size = [n * k, k * m, n * m][position] ?? 0;
        const id = wasm.dataIdNextNumber++;
        wasm.wasm.tfjs.registerTensor(
          id,
          size,
          wasm.dataIdMap.get(tensor.dataId).memoryOffset + 4 * size * i,
        );
        return id;
      });
      matMul?.(ids[0], left, 3, ids[1], right, 3, 0, 0, ids[2]);
      for (const id of ids) wasm.wasm.tfjs.disposeData(id); // forgets the view; the memory is the tensors'
    }
    return out;
  },
});

const bytesOfShape = (shape: readonly number[]): Uint8Array => new Uint8Array(Int32Array.from(shape).buffer);

/** A B for a [s, n, k], b [s, k, m] -> [s, n, m], on the wasm backend. */
export function wasmSliceProducts(a: tf.Tensor3D, b: tf.Tensor3D): tf.Tensor3D {
  return tf.engine().runKernel<tf.Tensor3D>(kernelName, { a, b });
}
