// A program ready to run: pipelines compiled, bind groups made. Encoding it is a loop over dispatches. After
// a drop the kernels are the same, so binding again compiles nothing.
import { present } from '../../../shared/assert.ts';
import { type DeviceMemory, type PlannedBuffer, type Region } from './device-memory.ts';
import type { Grid } from '../shaders/kernel.ts';
import { placeOf, type Plan, type Program, type ProgramName } from '../memory/plan.ts';
import type { Pipelines } from './pipelines.ts';
import type { Submission } from './submission.ts';
import { isTensor, type Dispatch, type Operand, type Phase } from '../step/trace.ts';

/** A dispatch as it is encoded. */
interface Ready {
  readonly phase: Phase;
  readonly pipeline: GPUComputePipeline;
  /** One, or one for each micro-batch where an operand differs. */
  readonly bindings: readonly GPUBindGroup[];
  readonly grid: Grid;
}

export class BoundProgram {
  /** By the phases that were asked for: a run asks for the same few in every step. */
  readonly #selections = new Map<string, readonly Ready[]>();

  private constructor(private readonly ready: readonly Ready[]) {}

  /**
   * Compiles what is not compiled yet, all at once: the browser does it on several threads. Slots must be
   * allocated.
   */
  static async make(
    memory: DeviceMemory,
    pipelines: Pipelines,
    { trace, placement }: Pick<Program, 'trace' | 'placement'>,
    slots: readonly PlannedBuffer[],
  ): Promise<BoundProgram> {
    const { dispatches } = trace;
    const compiled = await Promise.all(dispatches.map(({ kernel }) => pipelines.get(kernel)));
    const regionOf = (operand: Operand, part: number): Region =>
      isTensor(operand)
        ? placeOf(placement, slots, operand)
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
    return new BoundProgram(
      dispatches.map((dispatch, i): Ready => {
        const { phase, kernel, grid, operands } = dispatch;
        const { pipeline, layout } = present(compiled[i], kernel.name);
        const parts = Math.max(...operands.map((one) => ('ofPart' in one ? one.ofPart.length : 1)));
        const bindings = Array.from({ length: parts }, (_, part) => bind(dispatch, layout, part));
        return { phase, pipeline, bindings, grid };
      }),
    );
  }

  /** The dispatches of these phases, in the order of the program. */
  select(phases: readonly Phase[]): readonly Ready[] {
    const key = phases.join();
    const selected = this.#selections.get(key) ?? this.ready.filter(({ phase }) => phases.includes(phase));
    this.#selections.set(key, selected);
    return selected;
  }

  /**
   * Encodes selected dispatches for one micro-batch, a pipeline once for those that follow one another with
   * it. An update is one piece: part of it would be half a step.
   */
  encode(submission: Submission, selected: readonly Ready[], part = 0): void {
    let current: GPUComputePipeline | null = null;
    let last: GPUComputePassEncoder | null = null;
    for (const [at, { phase, pipeline, bindings, grid }] of selected.entries()) {
      if (phase === 'update') submission.keepTogether(selected.length - at);
      const pass = submission.passForNext();
      if (pass !== last || pipeline !== current) pass.setPipeline(pipeline);
      [last, current] = [pass, pipeline];
      pass.setBindGroup(0, bindings[part] ?? present(bindings[0], 'bindings'));
      pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
    }
  }
}

export type BoundPrograms = Readonly<Record<ProgramName, BoundProgram>>;

/** Compiles and binds the programs of a plan whose buffers are allocated. */
export async function bindPrograms(
  memory: DeviceMemory,
  pipelines: Pipelines,
  { programs, slots }: Plan,
): Promise<BoundPrograms> {
  const bind = (name: ProgramName): Promise<BoundProgram> =>
    BoundProgram.make(memory, pipelines, programs[name], slots);
  const [training, scalars, evaluation] = await Promise.all([
    bind('training'),
    bind('scalars'),
    bind('evaluation'),
  ]);
  return { training, scalars, evaluation };
}
