// A program ready to run: pipelines compiled, tensors placed, bind groups made. Encoding it is a loop over dispatches.
import { present } from '../../../shared/assert.ts';
import { wholeOf, type DeviceMemory, type PlannedBuffer, type Region } from './device-memory.ts';
import type { Grid } from '../shaders/kernel.ts';
import type { Placement } from '../memory/arena.ts';
import type { Pipelines } from './pipelines.ts';
import {
  isTensor,
  type Dispatch,
  type Operand,
  type Phase,
  type Recorder,
  type Tensor,
} from '../step/recorder.ts';

interface Ready {
  readonly phase: Phase;
  readonly pipeline: GPUComputePipeline;
  /** One, or one for each micro-batch where an operand differs. */
  readonly bindings: readonly GPUBindGroup[];
  readonly grid: Grid;
}

/** A program whose tensors have their places in planned slots. */
export interface PlacedProgram {
  readonly recorder: Recorder;
  readonly placement: Placement;
}

/** Where a tensor of a placed program lies. */
export function placeOf(
  { placement }: PlacedProgram,
  slots: readonly PlannedBuffer[],
  tensor: Tensor,
): Region {
  const slot = present(placement.slotOf.get(tensor), tensor.label);
  return wholeOf(present(slots[slot], tensor.label), tensor.bytes);
}

export class Program {
  private constructor(private readonly ready: readonly Ready[]) {}

  /** Compiles what is not compiled yet, all at once: the browser does it on several threads. Slots must be allocated. */
  static async make(
    memory: DeviceMemory,
    pipelines: Pipelines,
    placed: PlacedProgram,
    slots: readonly PlannedBuffer[],
  ): Promise<Program> {
    const { dispatches } = placed.recorder;
    const compiled = await Promise.all(dispatches.map(({ kernel }) => pipelines.get(kernel)));
    const regionOf = (operand: Operand, part: number): Region =>
      isTensor(operand)
        ? placeOf(placed, slots, operand)
        : 'ofPart' in operand
          ? present(operand.ofPart[part], 'part')
          : operand;
    const bind = ({ kernel, operands }: Dispatch, layout: GPUBindGroupLayout, part: number): GPUBindGroup =>
      memory.device.createBindGroup({
        label: kernel.name,
        layout,
        entries: operands.map((operand, binding) => ({
          binding,
          resource: memory.bind(regionOf(operand, part)),
        })),
      });
    return new Program(
      dispatches.map((dispatch, i): Ready => {
        const { phase, kernel, grid, operands } = dispatch;
        const { pipeline, layout } = present(compiled[i], kernel.name);
        const parts = Math.max(...operands.map((one) => ('ofPart' in one ? one.ofPart.length : 1)));
        const bindings = Array.from({ length: parts }, (_, part) => bind(dispatch, layout, part));
        return { phase, pipeline, bindings, grid };
      }),
    );
  }

  /** Encodes the dispatches of these phases for one micro-batch. */
  encode(pass: GPUComputePassEncoder, phases: ReadonlySet<Phase>, part = 0): void {
    let current: GPUComputePipeline | null = null;
    for (const { phase, pipeline, bindings, grid } of this.ready) {
      if (!phases.has(phase)) continue;
      if (pipeline !== current) pass.setPipeline(pipeline);
      current = pipeline;
      pass.setBindGroup(0, bindings[part] ?? present(bindings[0], 'bindings'));
      pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
    }
  }
}
