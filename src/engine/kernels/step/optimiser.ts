// The end of a step: partial sums of gradients become one gradient, those of the scalars follow from it, then
// norm, decision and AdamW: three dispatches whatever the number of parameters, and two for each buffer of
// matrices. They are submitted together (device/program.ts).
import { wholeOf } from '../device/device-memory.ts';
import { groupRegion } from '../memory/training-state.ts';
import {
  adamThreads,
  adamwKernel,
  decideKernel,
  matrixAdamwGrid,
  matrixAdamwKernel,
  matrixNormGroups,
  matrixNormKernel,
  normGroups,
  normKernel,
} from '../shaders/adamw.ts';
import { crossedSpreadKernel } from '../shaders/crossed-sums.ts';
import {
  gradientSumKernel,
  reduceThreads,
  scalarGradientKernel,
  sharedScalarsKernel,
} from '../shaders/reduce-gradients.ts';
import type { StepContext } from './context.ts';
import type { Trace } from './trace.ts';

/** Partial sums of this micro-batch -> its gradients, added to those of the ones before. */
export function sumGradients(trace: Trace, { state }: StepContext, learns: 'all' | 'scalars'): void {
  const { layout, regions, chunks, parts, part, partials } = state;
  const groups = (vec4s: number): [number, number, number] => [Math.ceil(vec4s / reduceThreads), 1, 1];
  const chunked = layout.ends.backboneVectors;
  if (parts > 1)
    trace.dispatch(
      gradientSumKernel(chunks, true),
      groups(layout.length - (learns === 'all' ? 0 : chunked)),
      {
        span: learns === 'all' ? regions.span : regions.scalarSpan,
        part,
        partials: wholeOf(partials),
        gradient: wholeOf(state.summed),
      },
    );
  else if (chunks > 1 && learns === 'all' && chunked > 0)
    trace.dispatch(gradientSumKernel(chunks, false), groups(chunked), {
      span: regions.span,
      gradient: wholeOf(partials),
    });
}

/** Gradients of the scalars from those of B, which get their factor s g. */
export function scalarGradients(trace: Trace, { state }: StepContext): void {
  const { layout, regions } = state;
  const branches = 16 * layout.ends.branches;
  // The two writable regions of one buffer do not overlap: branches end before scalars begin.
  trace.dispatch(scalarGradientKernel(), [layout.adapter.modules.length, 1, 1], {
    modules: regions.modules,
    gates: regions.gates,
    scales: regions.scales,
    parameters: wholeOf(state.crossed?.sums ?? state.parameters, branches),
    gradient: wholeOf(state.summed, branches),
    scalarGradient: groupRegion(state, state.summed, 'scalars'),
  });
}

/** Gradients of scalars that several modules share, from those of their modules. */
export function shareScalars(trace: Trace, { state }: StepContext): void {
  const places = state.regions.sharedScalars;
  if (places === null) return;
  trace.dispatch(sharedScalarsKernel(), [Math.ceil(places.bytes / 8 / reduceThreads), 1, 1], {
    places,
    scalarGradient: groupRegion(state, state.summed, 'scalars'),
  });
}

/** Gradients of crossed branches from those of their sums; all others are carried over. */
export function spreadGradients(trace: Trace, { state }: StepContext): void {
  const { crossed, summed, gradient } = state;
  if (crossed === null) return;
  const { tiles, gates, all } = crossed;
  trace.dispatch(crossedSpreadKernel(), [all, 1, 1], {
    tiles,
    gates,
    sums: wholeOf(summed),
    stored: wholeOf(gradient),
  });
}

/** Norm, decision and AdamW. */
export function updateParameters(trace: Trace, { state, tunes }: StepContext): void {
  const { step, ends, sums, outcome } = state.regions;
  const gradient = wholeOf(state.gradient, 16 * state.stored.length);
  const status = wholeOf(state.status);
  trace.phase = 'update';
  const shelves = tunes ? (state.matrices?.shelves ?? []) : [];
  trace.dispatch(normKernel(), [normGroups, 1, 1], { step, ends, gradient, sums });
  for (const [at, shelf] of shelves.entries()) {
    const bytes = 4 * matrixNormGroups;
    const own = { ...sums, offset: sums.offset + 4 * normGroups + at * bytes, bytes };
    const operands = { step, gradient: wholeOf(shelf.gradient), sums: own };
    trace.dispatch(matrixNormKernel(), [matrixNormGroups, 1, 1], operands);
  }
  trace.dispatch(decideKernel(shelves.length), [1, 1, 1], {
    step,
    sums,
    outcome,
    status,
    records: wholeOf(state.records),
  });
  trace.dispatch(adamwKernel(), [Math.ceil(state.stored.length / adamThreads), 1, 1], {
    step,
    ends,
    status,
    gradient,
    parameters: wholeOf(state.parameters),
    first: wholeOf(state.first),
    second: wholeOf(state.second),
  });
  for (const { parameters, first, second, ...shelf } of shelves)
    trace.dispatch(matrixAdamwKernel(), matrixAdamwGrid(parameters.bytes / 16), {
      step,
      status,
      gradient: wholeOf(shelf.gradient),
      parameters: wholeOf(parameters),
      first: wholeOf(first),
      second: wholeOf(second),
    });
}
