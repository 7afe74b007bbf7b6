// Kernels for tfjs's wasm backend where its own are slow. They reach into the backend, whose version is
// pinned.
import * as tf from '@tensorflow/tfjs-core';

interface TensorData {
  readonly id: number;
  readonly memoryOffset: number;
}

/** The parts of tfjs's BackendWasm that are used here; its own types leave out the module. */
interface WasmBackend {
  readonly wasm: {
    readonly HEAPU8: Uint8Array;
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

// Many small matrix products [n, k] x [k, m] over one buffer each. The backend's own batched product is a
// plain loop (3 GFLOP/s), its product of two matrices is XNNPACK (40): this one calls the latter on views of
// the slices, without copying them.
const sliceProducts = 'SliceProducts';
let matMul: ((...args: unknown[]) => void) | null = null;

tf.registerKernel({
  kernelName: sliceProducts,
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
  return tf.engine().runKernel<tf.Tensor3D>(sliceProducts, { a, b });
}

// The values from `begin` on. The backend's own slice first copies the whole of its input out of the heap: a
// step that cuts its parameters into 72 tensors so copied all of them 72 times.
const heapSlice = 'HeapSlice';

tf.registerKernel({
  kernelName: heapSlice,
  backendName: 'wasm',
  kernelFunc({ inputs, attrs, backend }) {
    const { x } = inputs as { x: tf.TensorInfo };
    const { begin, size } = attrs as unknown as { begin: number; size: number };
    const wasm = backend as unknown as WasmBackend;
    const out = wasm.makeOutput([size], 'float32');
    const from = wasm.dataIdMap.get(x.dataId).memoryOffset + 4 * begin;
    wasm.wasm.HEAPU8.copyWithin(wasm.dataIdMap.get(out.dataId).memoryOffset, from, from + 4 * size);
    return out;
  },
});

/** The `size` values of x [n] from `begin` on, on the wasm backend; without a gradient. */
export function wasmSlice(x: tf.Tensor1D, begin: number, size: number): tf.Tensor1D {
  return tf.engine().runKernel<tf.Tensor1D>(heapSlice, { x }, { begin, size });
}
