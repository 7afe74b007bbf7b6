// A program ready to run: pipelines compiled, tensors placed, bind groups made. Encoding it is a loop over dispatches.
import { present } from '../../../shared/assert.ts';
import type { Region } from '../device-memory.ts';
import type { Grid } from '../kernel.ts';
import type { Placement } from './arena.ts';
import type { Pipelines } from './pipelines.ts';
import { isRegion, type Dispatch, type Operand, type Phase, type Recorder } from './recorder.ts';

interface Ready {
  readonly phase: Phase;
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  readonly grid: Grid;
  readonly scalarsOnly: Dispatch['scalarsOnly'];
}

export class Program {
  private constructor(
    private readonly ready: readonly Ready[],
    private readonly regions: (operand: Operand) => Region,
  ) {}

  static async make(
    device: GPUDevice,
    pipelines: Pipelines,
    recorder: Recorder,
    placement: Placement,
    slots: readonly GPUBuffer[],
  ): Promise<Program> {
    const regionOf = (operand: Operand): Region => {
      if (isRegion(operand)) return operand;
      const slot = present(placement.slotOf.get(operand), operand.label);
      return { buffer: present(slots[slot], operand.label), offset: 0, bytes: operand.bytes };
    };
    // All at once: the browser compiles on several threads.
    const compiled = await Promise.all(recorder.dispatches.map(({ kernel }) => pipelines.get(kernel)));
    const ready = recorder.dispatches.map(({ phase, kernel, grid, scalarsOnly, operands }, i): Ready => {
      const { pipeline, layout } = present(compiled[i], kernel.name);
      const bindings = device.createBindGroup({
        label: kernel.name,
        layout,
        entries: operands.map((operand, binding) => {
          const { buffer, offset, bytes } = regionOf(operand);
          return { binding, resource: { buffer, offset, size: bytes } };
        }),
      });
      return { phase, pipeline, bindings, grid, scalarsOnly };
    });
    return new Program(ready, regionOf);
  }

  /** Where a tensor of this program lies. */
  regionOf(operand: Operand): Region {
    return this.regions(operand);
  }

  /** Encodes the dispatches of these phases; without `branches`, what only their gradients need is left out. */
  encode(pass: GPUComputePassEncoder, phases: ReadonlySet<Phase>, branches: boolean): void {
    let current: GPUComputePipeline | null = null;
    for (const { phase, pipeline, bindings, grid, scalarsOnly } of this.ready) {
      if (!phases.has(phase)) continue;
      const size = branches ? grid : (scalarsOnly ?? grid);
      if (size === 'none') continue;
      if (pipeline !== current) pass.setPipeline(pipeline);
      current = pipeline;
      pass.setBindGroup(0, bindings);
      pass.dispatchWorkgroups(size[0], size[1], size[2]);
    }
  }
}
