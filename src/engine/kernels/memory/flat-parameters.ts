// The trainable parameters as one flat array, and the way from named host arrays to it and back. Parameters,
// gradients and both moments have the same layout:
//
//   branches (site by site, see sites.ts) | vectors of the backbone that learn (see backbone-vectors.ts)
//     | scalars | head weight [classes, headInputs] | head bias [classes]
//
// each group aligned to 64 floats, every width padded to a multiple of 4 with zeros.
import {
  factorOf,
  gatesOf,
  paramNames,
  scalarPlaces,
  type Adapter,
  type Gates,
} from '../../../dmlora/adapter.ts';
import { ndArray, type NdArray } from '../../../shared/array.ts';
import { assert, present } from '../../../shared/assert.ts';
import type { ParamName } from '../../../vit/parameters.ts';
import { headInputs, type VitConfig } from '../../../vit/vit-config.ts';
import { flatGroups, type FlatGroup } from '../shaders/structs.ts';
import { vectorsOf, type BackboneVector } from './backbone-vectors.ts';
import { aligned, isLinearName, sitesOf, type Site } from './sites.ts';
import { padded, type Widths } from './widths.ts';

export interface FlatLayout {
  readonly adapter: Adapter;
  readonly sites: readonly Site[];
  readonly vectors: readonly BackboneVector[];
  /** Ends of the groups, in vec4s; each begins where the one before ends. */
  readonly ends: Readonly<Record<FlatGroup, number>>;
  /** Of all groups, in vec4s. */
  readonly length: number;
  /** Columns of all intermediates, with their padding: length of gates and scales. */
  readonly columns: number;
  readonly classes: number;
  readonly dim: number;
  /** Inputs of the head. */
  readonly headInputs: number;
  readonly depth: number;
}

export function flatLayout(config: VitConfig, widths: Widths, adapter: Adapter, classes: number): FlatLayout {
  for (const { name } of adapter.modules)
    assert(isLinearName(name, config.depth), () => `${name} is no linear of this model`);
  const sites = sitesOf(config, widths, adapter);
  const last = sites.at(-1);
  const branches = last === undefined ? 0 : last.offset + aligned(last.length, 16);
  const vectors = vectorsOf(config, widths, adapter);
  const lastVector = vectors.at(-1);
  const backboneVectors =
    branches + (lastVector === undefined ? 0 : aligned(lastVector.offset + lastVector.length, 16));
  const scalars = backboneVectors + aligned(padded(Math.max(1, adapter.modules.length)) / 4, 16);
  const headWeight = scalars + aligned((widths.classes * widths.head) / 4, 16);
  const headBias = headWeight + aligned(widths.classes / 4, 16);
  return {
    adapter,
    sites,
    vectors,
    ends: { branches, backboneVectors, scalars, headWeight, headBias },
    length: headBias,
    columns: last === undefined ? 0 : last.scales + aligned(last.width, 64),
    classes,
    dim: config.dim,
    headInputs: headInputs(config),
    depth: config.depth,
  };
}

/** Begin of a group, in vec4s. */
export function groupBegin({ ends }: FlatLayout, name: FlatGroup): number {
  const before = flatGroups[flatGroups.indexOf(name) - 1];
  return before === undefined ? 0 : ends[before];
}

/** `learns` is false for what only lies among the parameters. */
type Visit = (
  name: ParamName,
  shape: readonly number[],
  at: (index: number) => number,
  learns?: boolean,
) => void;

/**
 * Every parameter with its shape and the place of each of its elements (row-major) in the flat array, in
 * floats.
 */
function eachParameter(layout: FlatLayout, widths: Widths, visit: Visit): void {
  const { adapter, sites } = layout;
  for (const { parts, inner, columns, inputPlaces, outputPlaces, offset } of sites)
    for (const part of parts) {
      if (part.module === null) continue;
      const module = present(adapter.modules[part.module], 'module');
      const { rank } = part;
      const [input, out] = [inputPlaces.length, outputPlaces.length];
      const place = (places: Uint32Array, i: number): number => places[i] ?? 0;
      module.branches.forEach(({ index }, k) => {
        const down = 4 * offset + (4 * part.first + k * rank) * inner;
        visit(
          paramNames.down(module.name, index),
          [rank, input],
          (i) => down + Math.floor(i / input) * inner + place(inputPlaces, i % input),
        );
        const up = 4 * (offset + part.up) + k * rank * columns;
        visit(
          paramNames.up(module.name, index),
          [out, rank],
          (i) => up + (i % rank) * columns + place(outputPlaces, Math.floor(i / rank)),
        );
      });
    }
  const backbone = 4 * groupBegin(layout, 'backboneVectors');
  for (const { parts, offset } of layout.vectors)
    parts.forEach(({ name, shape, learns, places, width }, part) => {
      const begin = backbone + 4 * offset + part * width;
      visit(paramNames.backbone(name), shape, (i) => begin + (places[i] ?? 0), learns);
    });
  const scalars = 4 * groupBegin(layout, 'scalars');
  // One that several modules share stands at the place of the first of them.
  for (const { name, first } of scalarPlaces(adapter)) visit(name, [], () => scalars + first);
  const weight = 4 * groupBegin(layout, 'headWeight');
  const { classes, dim, headInputs: inputs } = layout;
  visit(paramNames.headWeight, [classes, inputs], (i) => {
    const column = i % inputs; // vectors of dim side by side, each with its padding
    const place = Math.floor(column / dim) * widths.dim + (column % dim);
    return weight + Math.floor(i / inputs) * widths.head + place;
  });
  const bias = 4 * groupBegin(layout, 'headBias');
  visit(paramNames.headBias, [classes], (i) => bias + i);
}

/** Named host arrays -> flat; a parameter without values stays 0. Asks for those beside what learns too. */
export function pack(
  layout: FlatLayout,
  widths: Widths,
  valuesOf: (name: ParamName) => Float32Array | undefined,
): Float32Array<ArrayBuffer> {
  const flat = new Float32Array(4 * layout.length);
  eachParameter(layout, widths, (name, _shape, at) => {
    const values = valuesOf(name);
    if (values === undefined) return;
    for (let i = 0; i < values.length; i++) flat[at(i)] = values[i] ?? 0;
  });
  return flat;
}

/** Flat -> named host arrays, of what learns. */
export function unpack(layout: FlatLayout, widths: Widths, flat: Float32Array): Map<ParamName, NdArray> {
  const named = new Map<ParamName, NdArray>();
  eachParameter(layout, widths, (name, shape, at, learns = true) => {
    if (!learns) return;
    const data = new Float32Array(shape.reduce((product, length) => product * length, 1));
    for (let i = 0; i < data.length; i++) data[i] = flat[at(i)] ?? 0;
    named.set(name, ndArray(shape, data));
  });
  return named;
}

/** Calls `visit` for every column of every intermediate that belongs to a branch. */
function eachColumn(
  { sites, adapter }: FlatLayout,
  visit: (column: number, module: number, branch: number) => void,
): void {
  for (const { parts, scales } of sites)
    for (const { module, first, rank } of parts) {
      if (module === null) continue;
      const { branches } = present(adapter.modules[module], 'module');
      branches.forEach((_, k) => {
        for (let i = 0; i < rank; i++) visit(scales + 4 * first + k * rank + i, module, k);
      });
    }
}

/** The gate of every column; 0 for padding. */
export function packGates(layout: FlatLayout, gates: Gates, into: Float32Array): void {
  const open = layout.adapter.modules.map((module) => gatesOf(gates, module));
  eachColumn(layout, (column, module, branch) => {
    into[column] = open[module]?.[branch] ?? 1;
  });
}

/** The place of every column's scalar, by the module that has it first; 0 for padding, whose gate is 0. */
export function columnScalars(layout: FlatLayout): Uint32Array<ArrayBuffer> {
  const owners = scalarPlaces(layout.adapter).flatMap(({ first, count }) => Array<number>(count).fill(first));
  const places = new Uint32Array(Math.max(1, layout.columns));
  eachColumn(layout, (column, module) => {
    places[column] = owners[module] ?? 0;
  });
  return places;
}

/**
 * Same modules with the same scalars, factors, pairing and live branches, and the same of the backbone: nothing
 * has to be planned again.
 */
export function sameStructure(a: Adapter, b: Adapter): boolean {
  const words = ({ modules, backbone }: Adapter): string =>
    [...(backbone?.keys() ?? [])].join() +
    modules
      .map((module) => {
        const each = module.branches.map(({ index, A }) => `${index}:${A.shape[0] ?? 0}`);
        const pairing = module.crossed === true ? 'crossed ' : '';
        return `${module.name} ${paramNames.scalar(module)} ${factorOf(module)} ${pairing}${each.join(',')}`;
      })
      .join(';');
  return words(a) === words(b);
}
