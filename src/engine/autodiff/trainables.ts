// The trainable parameters on the device: flat groups (branches, scalars, head weight, head bias, what is
// tuned of the backbone), each with its two Adam moments and one step count, so that the optimiser runs over
// a few tensors instead of hundreds. A layout says where each module's down and up matrices lie; host and
// device convert through it in both directions.
//
// Within the branches group a module has down [R, in], then up [R, out], with R = live branches * rank: the
// live branches one below the other, so that they cost one low-rank product together.
import * as tf from '@tensorflow/tfjs-core';
import {
  paramNames,
  scalarPlaces,
  type AdaptedModule,
  type Adapter,
  type Moments,
  type ScalarPlace,
} from '../../dmlora/adapter.ts';
import { isMatrix } from '../../dmlora/tuned.ts';
import { ndArray, sizeOf, type NdArray } from '../../shared/array.ts';
import { present } from '../../shared/assert.ts';
import type { ParamName } from '../../vit/parameters.ts';
import { groupNames, stepCounts, type GroupName } from '../parameter-groups.ts';
import { onWasm, wasmRead, wasmSlice } from './wasm-kernels.ts';

/** One group's parameters and moments, flat, and how many optimiser steps they have seen. */
export type Group = {
  readonly values: tf.Tensor1D;
  readonly m: tf.Tensor1D;
  readonly v: tf.Tensor1D;
  readonly steps: number;
};
export type Groups = Readonly<Record<GroupName, Group>>;

/** The values alone: what a forward pass and its gradients need. */
export type GroupValues = Readonly<Record<GroupName, Pick<Group, 'values'>>>;

interface ModuleLayout {
  readonly module: AdaptedModule;
  readonly rank: number;
  readonly input: number;
  readonly out: number;
  readonly downOffset: number;
  readonly upOffset: number;
}

interface BackboneLayout {
  /** Of the weight, in parameters.ts. */
  readonly weight: ParamName;
  readonly shape: readonly number[];
  readonly group: BackboneGroup;
  readonly offset: number;
}

export const backboneGroups = ['backboneVectors', 'backboneMatrices'] as const;
type BackboneGroup = (typeof backboneGroups)[number];

export interface Layout {
  readonly modules: readonly ModuleLayout[];
  readonly scalars: readonly ScalarPlace[];
  readonly branchesSize: number;
  /** What is tuned of the backbone: each parameter's place in its group. */
  readonly backbone: readonly BackboneLayout[];
  readonly head: readonly [classes: number, dim: number];
}

/** The tensors that the forward pass uses, cut out of the groups; of branches in both layouts. */
export interface Trainables {
  readonly modules: readonly {
    readonly down: tf.Tensor2D; // [R, in]
    readonly downTransposed: tf.Tensor2D; // [in, R]
    readonly up: tf.Tensor2D; // [R, out]
    readonly upTransposed: tf.Tensor2D; // [out, R]
    readonly scalar: tf.Scalar;
  }[];
  /** Those of the modules, each once. */
  readonly scalars: readonly tf.Scalar[];
  readonly headWeight: tf.Tensor2D; // [classes, dim]
  readonly headBias: tf.Tensor1D; // [classes]
}

export function layoutOf(adapter: Adapter): Layout {
  let offset = 0;
  const modules = adapter.modules.map((module): ModuleLayout => {
    const first = present(module.branches[0], `a branch of ${module.name}`);
    const [rank = 0, input = 0] = first.A.shape;
    const out = first.B.shape[0] ?? 0;
    const width = rank * module.branches.length;
    const downOffset = offset;
    const upOffset = downOffset + input * width;
    offset = upOffset + width * out;
    return { module, rank, input, out, downOffset, upOffset };
  });
  const [classes = 0, dim = 0] = adapter.head.weight.shape;
  const ends: Record<BackboneGroup, number> = { backboneVectors: 0, backboneMatrices: 0 };
  const backbone = [...(adapter.backbone ?? [])].map(([weight, { shape }]): BackboneLayout => {
    const group = isMatrix(weight) ? 'backboneMatrices' : 'backboneVectors';
    const begin = ends[group];
    ends[group] += sizeOf(shape);
    return { weight, shape, group, offset: begin };
  });
  return { modules, scalars: scalarPlaces(adapter), branchesSize: offset, backbone, head: [classes, dim] };
}

/** The parameters of the backbone that an adapter holds. */
export function tunedIn({ backbone }: Pick<Adapter, 'backbone'>): ReadonlySet<ParamName> {
  return new Set(backbone?.keys());
}

/** Rows of all live branches together. */
function width({ module, rank }: ModuleLayout): number {
  return module.branches.length * rank;
}

/** Where a branch's matrix lies in the flat values: element (i, j) at offset + i rowStep + j columnStep. */
interface Place {
  readonly offset: number;
  readonly rowStep: number;
  readonly columnStep: number;
}

/** Calls `visit` for each matrix of each branch: down as it is in the flat values, up transposed. */
function eachBranch(
  layout: Layout,
  visit: (name: ParamName, shape: readonly [rows: number, columns: number], place: Place) => void,
): void {
  for (const { module, rank, input, out, downOffset, upOffset } of layout.modules)
    module.branches.forEach(({ index }, k) => {
      const [down, up] = [downOffset + k * rank * input, upOffset + k * rank * out];
      const downPlace = { offset: down, rowStep: input, columnStep: 1 };
      visit(paramNames.down(module.name, index), [rank, input], downPlace);
      visit(paramNames.up(module.name, index), [out, rank], { offset: up, rowStep: 1, columnStep: out });
    });
}

/** Named host arrays -> the flat values of each group. */
function pack(
  layout: Layout,
  of: (name: ParamName) => Float32Array | undefined,
): Record<GroupName, Float32Array> {
  const branches = new Float32Array(layout.branchesSize);
  eachBranch(layout, (name, [rows, columns], { offset, rowStep, columnStep }) => {
    const source = of(name);
    if (source === undefined) return;
    for (let i = 0, from = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) branches[offset + i * rowStep + j * columnStep] = source[from++] ?? 0;
  });
  const [classes, dim] = layout.head;
  const backbone = (group: BackboneGroup): Float32Array => {
    const places = layout.backbone.filter((place) => place.group === group);
    const flat = new Float32Array(places.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
    for (const { weight, offset } of places) flat.set(of(paramNames.backbone(weight)) ?? [], offset);
    return flat;
  };
  return {
    backboneVectors: backbone('backboneVectors'),
    backboneMatrices: backbone('backboneMatrices'),
    branches,
    scalars: Float32Array.from(layout.scalars, ({ name }) => of(name)?.[0] ?? 0),
    headWeight: Float32Array.from(of(paramNames.headWeight) ?? new Float32Array(classes * dim)),
    headBias: Float32Array.from(of(paramNames.headBias) ?? new Float32Array(classes)),
  };
}

/** The flat values of each group -> named host arrays. */
export function unpack(
  layout: Layout,
  flat: Readonly<Partial<Record<GroupName, Float32Array>>>,
): Map<ParamName, NdArray> {
  const named = new Map<ParamName, NdArray>();
  const { branches, scalars, headWeight, headBias } = flat;
  if (branches !== undefined)
    eachBranch(layout, (name, shape, { offset, rowStep, columnStep }) => {
      const [rows, columns] = shape;
      const data = new Float32Array(rows * columns);
      for (let i = 0, to = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) data[to++] = branches[offset + i * rowStep + j * columnStep] ?? 0;
      named.set(name, ndArray(shape, data));
    });
  if (scalars !== undefined)
    layout.scalars.forEach(({ name }, i) => named.set(name, ndArray([], scalars.slice(i, i + 1))));
  if (headWeight !== undefined) named.set(paramNames.headWeight, ndArray(layout.head, headWeight));
  if (headBias !== undefined) named.set(paramNames.headBias, ndArray([layout.head[0]], headBias));
  for (const { weight, shape, group, offset } of layout.backbone) {
    const values = flat[group]?.slice(offset, offset + sizeOf(shape));
    if (values !== undefined) named.set(paramNames.backbone(weight), ndArray(shape, values));
  }
  return named;
}

/** Uploads parameters and moments; a parameter without moments starts with zeros. */
export function uploadGroups(
  layout: Layout,
  parameters: ReadonlyMap<ParamName, NdArray>,
  moments: Adapter['moments'],
): Groups {
  const values = pack(layout, (name) => parameters.get(name)?.data);
  const m = pack(layout, (name) => moments.get(name)?.m);
  const v = pack(layout, (name) => moments.get(name)?.v);
  const counts = stepCounts([...parameters.keys()], moments);
  const group = (name: GroupName): Group => ({
    values: tf.tensor1d(values[name]),
    m: tf.tensor1d(m[name]),
    v: tf.tensor1d(v[name]),
    steps: counts[name],
  });
  return groupsOf(group);
}

/** Something for each group. */
export function groupsOf<T>(of: (name: GroupName) => T): Record<GroupName, T> {
  return {
    branches: of('branches'),
    scalars: of('scalars'),
    headWeight: of('headWeight'),
    headBias: of('headBias'),
    backboneVectors: of('backboneVectors'),
    backboneMatrices: of('backboneMatrices'),
  };
}

/** Downloads moments under parameter names; groups that have seen no step have none. */
export async function downloadMoments(layout: Layout, groups: Groups): Promise<Map<ParamName, Moments>> {
  const moments = new Map<ParamName, Moments>();
  for (const name of groupNames) {
    const { m, v, steps } = groups[name];
    if (steps === 0) continue;
    const [first, second] = await Promise.all([valuesOf(m), valuesOf(v)]);
    const firstByName = unpack(layout, { [name]: first });
    const secondByName = unpack(layout, { [name]: second });
    for (const [parameter, { data }] of firstByName)
      moments.set(parameter, { m: data, v: present(secondByName.get(parameter), parameter).data, steps });
  }
  return moments;
}

export async function downloadValues(layout: Layout, groups: Groups): Promise<Map<ParamName, NdArray>> {
  const flat: Partial<Record<GroupName, Float32Array>> = {};
  for (const name of groupNames) flat[name] = await valuesOf(groups[name].values);
  return unpack(layout, flat);
}

/**
 * Off the device; of nothing without asking it.
 *
 * @param spare is filled and given, where it has the size; a new array without it.
 */
export async function valuesOf(tensor: tf.Tensor1D, spare?: Float32Array): Promise<Float32Array> {
  if (tensor.size === 0) return new Float32Array();
  if (spare?.length !== tensor.size || !onWasm()) return (await tensor.data()) as Float32Array;
  wasmRead(tensor, spare);
  return spare;
}

export function disposeGroups(groups: Groups): void {
  for (const name of groupNames) tf.dispose([groups[name].values, groups[name].m, groups[name].v]);
}

export const range = (x: tf.Tensor1D, begin: number, size: number): tf.Tensor1D =>
  onWasm() ? wasmSlice(x, begin, size) : tf.slice1d(x, begin, size);

/** The trainables of a network, cut once for the values of a step and for all parts of its batch. */
export class CutTrainables {
  #of: GroupValues | null = null;
  #cut: Trainables | null = null;

  /** The tensors at these values, which live until they are asked for at others; call inside a tidy. */
  at(layout: Layout, values: GroupValues): Trainables {
    if (this.#cut !== null && this.#of === values) return this.#cut;
    this.dispose();
    const made = cut(layout, values);
    for (const tensor of tensorsOf(made)) tf.keep(tensor);
    this.#of = values;
    this.#cut = made;
    return made;
  }

  dispose(): void {
    if (this.#cut !== null) for (const tensor of tensorsOf(this.#cut)) tensor.dispose();
    this.#cut = null;
    this.#of = null;
  }
}

function tensorsOf({ modules, scalars, headWeight, headBias }: Trainables): tf.Tensor[] {
  const ofBranches = modules.flatMap(({ down, downTransposed, up, upTransposed }) => [
    ...[down, downTransposed],
    ...[up, upTransposed],
  ]);
  return [...ofBranches, ...scalars, headWeight, headBias];
}

function cut(layout: Layout, values: GroupValues): Trainables {
  const { branches, headWeight, headBias } = values;
  const matrix = (offset: number, rows: number, columns: number): tf.Tensor2D =>
    tf.reshape(range(branches.values, offset, rows * columns), [rows, columns]);
  const scalars = layout.scalars.map((_, i) =>
    tf.reshape<tf.Rank.R0>(range(values.scalars.values, i, 1), []),
  );
  const ofModule = layout.scalars.flatMap(({ count }, i) => Array<number>(count).fill(i));
  return {
    scalars,
    modules: layout.modules.map((place, i) => {
      const down = matrix(place.downOffset, width(place), place.input);
      const up = matrix(place.upOffset, width(place), place.out);
      return {
        down,
        downTransposed: tf.transpose(down),
        up,
        upTransposed: tf.transpose(up),
        scalar: present(scalars[ofModule[i] ?? 0], 'scalar'),
      };
    }),
    headWeight: tf.reshape<tf.Rank.R2>(headWeight.values, [...layout.head]),
    headBias: tf.reshape<tf.Rank.R1>(headBias.values, [layout.head[0]]),
  };
}

/** Disposes the groups of `gone` that `kept` does not share. */
export function disposeChanged(gone: Groups, kept: Groups): void {
  for (const name of groupNames)
    if (gone[name] !== kept[name]) tf.dispose([gone[name].values, gone[name].m, gone[name].v]);
}
