// The buffers that outlive a program: parameters, gradients and moments (flat, one layout), the step block,
// the tables that tell kernels where branches lie, and what the device remembers about the run. Planned here,
// anew when the number of live branches changes; nothing is allocated.
import { scalarPlaces } from '../../../dmlora/adapter.ts';
import {
  plannedBuffer,
  wholeOf,
  type PlannedBuffer,
  type Region,
  type Use,
} from '../device/device-memory.ts';
import { crossedTiles, gateCount } from './crossed-sums.ts';
import { planMatrices, type MatrixState } from './backbone-matrices.ts';
import { vectorKeys, type BackboneVector } from './backbone-vectors.ts';
import { columnScalars, groupBegin, type FlatLayout } from './flat-parameters.ts';
import { aligned, siteKinds, type Site } from './sites.ts';
import type { VitConfig } from '../../../vit/vit-config.ts';
import type { Widths } from './widths.ts';
import { matrixNormGroups, normGroups, recordRing } from '../shaders/adamw.ts';
import {
  endsStruct,
  flatGroups,
  noiseStruct,
  partStruct,
  recordStruct,
  siteStruct,
  spanStruct,
  statusStruct,
  stepStruct,
} from '../shaders/structs.ts';
import type { NoiseKinds } from '../../noise.ts';
import type { PartRegions } from '../step/trace.ts';

/** Rows that one partial sum of a gradient covers, at least; more rows are cut into chunks, at most 16. */
const chunkRows = 256;

/** Where a region of a buffer may begin. */
const unit = 256;

export interface SiteRegions {
  readonly parameters: Region;
  /** From the site's gradient to the end of the buffer: partial sums lie `stride` apart. */
  readonly gradient: Region;
  readonly scales: Region;
  readonly gates: Region;
  /** `Site` for products with the up matrices, and for products with the down matrix as one part. */
  readonly parts: Region;
  readonly whole: Region;
}

/** What sums of crossed branches take: a step computes with them in place of the branches. */
interface CrossedState {
  /** Of all sites, one branch for each module. */
  readonly sums: PlannedBuffer;
  readonly tiles: Region;
  readonly ofBranches: number;
  readonly all: number;
  readonly gates: Region;
}

export interface TrainingState {
  /** Where what a step computes with lies, and its gradients. */
  readonly layout: FlatLayout;
  /** Where parameters, the gradient and moments lie: in `layout`, unless branches are crossed. */
  readonly stored: FlatLayout;
  /** Null where branches are paired. */
  readonly crossed: CrossedState | null;
  readonly chunks: number;
  /** Micro-batches of a step. */
  readonly parts: number;
  readonly parameters: PlannedBuffer;
  /**
   * Gradients of one micro-batch in `chunks` partial sums; with one micro-batch the first becomes the
   * gradient.
   */
  readonly partials: PlannedBuffer;
  /** The sum of all, in `layout`; `gradient` is that of what is stored, the same unless branches are crossed. */
  readonly summed: PlannedBuffer;
  readonly gradient: PlannedBuffer;
  readonly first: PlannedBuffer;
  readonly second: PlannedBuffer;
  readonly stepBlock: PlannedBuffer;
  readonly status: PlannedBuffer;
  readonly records: PlannedBuffer;
  readonly regions: {
    readonly step: Region;
    readonly gates: Region;
    readonly labels: Region;
    /** Where each image's kept rows lie. */
    readonly places: Region;
    readonly crops: Region;
    /** What rotates each image beside its crop, a vec2i; null where none is. */
    readonly turns: Region | null;
    /** Two vec4s of each image whose colours are changed; null where none are. */
    readonly colours: Region | null;
    /** What is erased of each image, a vec4u; null where nothing is. */
    readonly erased: Region | null;
    /** Targets of the batch, [images, classes]; null where none are wanted. */
    readonly targets: Region | null;
    /** Partner and share of each image that is mixed; null where none is. */
    readonly pairs: Region | null;
    /** The rectangle of a step, a vec4u; null where no step has one. */
    readonly cut: Region | null;
    /** Factors of both residual branches of each block, [images] each; null where no step leaves one out. */
    readonly paths: readonly Region[] | null;
    /** The dropout of the branches' input; null where there is none. */
    readonly noise: Region | null;
    readonly scales: Region;
    readonly columns: Region;
    readonly modules: Region;
    /** For scalar-sums.ts. */
    readonly scalarPlaces: Region;
    /** First place and modules of each scalar; null where none has more than one. */
    readonly sharedScalars: Region | null;
    /** All gradients, and those of what learns in stage 2; both say how far partial sums lie apart. */
    readonly span: Region;
    readonly scalarSpan: Region;
    readonly ends: Region;
    /** Of squares of the gradient: of the flat one, then of each buffer of matrices. */
    readonly sums: Region;
    readonly outcome: Region;
  };
  readonly part: PartRegions;
  readonly sites: ReadonlyMap<Site, SiteRegions>;
  /** By their keys. */
  readonly vectors: ReadonlyMap<string, VectorRegions>;
  /** Those of the backbone that learn; null where none does. */
  readonly matrices: MatrixState | null;
  /** The table of positions with all that learns in it, [tokens, dim]; null where nothing of it does. */
  readonly table: PlannedBuffer | null;
  readonly buffers: readonly PlannedBuffer[];
  /** What must be written before the first step. */
  readonly tables: readonly (readonly [PlannedBuffer, Uint32Array<ArrayBuffer>])[];
}

/** Where a vector of the backbone lies, and its gradient to the end of the buffer, as that of a site. */
interface VectorRegions extends Pick<SiteRegions, 'parameters' | 'gradient'> {
  readonly vector: BackboneVector;
}

/** What batches may bring beside pixels, labels and crops. */
export interface Wanted {
  readonly targets: boolean;
  readonly mixes: boolean;
  /** Whether mixes may have a box. */
  readonly cuts: boolean;
  readonly colours: boolean;
  readonly erases: boolean;
  readonly rotates: boolean;
  readonly noise: NoiseKinds;
}

/**
 * The state of an adapter for steps of `parts` micro-batches, each as wide as `widths` says.
 *
 * @param layouts `layout` and `stored` of TrainingState.
 * @param wanted a region of the step block for each.
 */
export function planState(
  config: VitConfig,
  { layout, stored }: Pick<TrainingState, 'layout' | 'stored'>,
  widths: Widths,
  parts: number,
  wanted: Wanted,
): TrainingState {
  const buffers: PlannedBuffer[] = [];
  const tables: [PlannedBuffer, Uint32Array<ArrayBuffer>][] = [];
  const make = (label: string, bytes: number, use?: Use): PlannedBuffer => {
    const buffer = plannedBuffer(label, bytes, use);
    buffers.push(buffer);
    return buffer;
  };
  const table = (label: string, data: Uint32Array<ArrayBuffer>): PlannedBuffer => {
    const buffer = make(label, data.byteLength, 'table');
    tables.push([buffer, data]);
    return buffer;
  };
  const images = parts * widths.images;
  const [bytes, storedBytes] = [16 * layout.length, 16 * stored.length];
  const chunks = Math.min(16, Math.ceil(widths.rows / chunkRows));
  const parameters = make('parameters', storedBytes);
  const partials = make('gradient', bytes * chunks);
  const summed = parts === 1 ? partials : make('summed gradient', bytes);
  const scales = make('scales', 4 * Math.max(64, layout.columns));
  const gateBytes = aligned(4 * Math.max(1, layout.columns), unit);
  const labelBytes = aligned(4 * images, unit);
  const cropsAt = unit + gateBytes + 2 * labelBytes;
  let end = cropsAt + 16 * images;
  const beyond = (bytes: number): { offset: number; bytes: number } => {
    const offset = aligned(end, unit);
    end = offset + bytes;
    return { offset, bytes };
  };
  const targets = wanted.targets ? beyond(4 * images * layout.classes) : null;
  const pairs = wanted.mixes ? beyond(8 * images) : null;
  const colours = wanted.colours ? beyond(32 * images) : null;
  const erased = wanted.erases ? beyond(16 * images) : null;
  const turns = wanted.rotates ? beyond(8 * images) : null;
  const cut = wanted.cuts ? beyond(16) : null;
  const paths = wanted.noise.path ? Array.from({ length: 2 * layout.depth }, () => beyond(4 * images)) : null;
  const noise = wanted.noise.input ? beyond(noiseStruct.bytes) : null;
  const sides = layout === stored ? null : beyond(4 * gateCount(stored));
  const stepBlock = make('step block', end, 'table');
  const crossed =
    sides && planCrossed(layout, stored, { make, table, gates: { buffer: stepBlock, ...sides } });
  const scalars = scalarPlaces(layout.adapter);
  const sharedScalars = scalars.some(({ count }) => count > 1)
    ? wholeOf(
        table('shared scalars', Uint32Array.from(scalars.flatMap(({ first, count }) => [first, count]))),
      )
    : null;
  const siteTable = table('sites', siteUniforms(layout));
  const sizes = table('sizes', sizeTable(layout, stored));
  const partTable = table('parts', partUniforms(widths.images, parts));
  const sites = layout.sites.map((site, i): readonly [Site, SiteRegions] => {
    const begin = 16 * site.offset;
    const columns = { offset: 4 * site.scales, bytes: 4 * site.width };
    return [
      site,
      {
        parameters: { buffer: crossed?.sums ?? parameters, offset: begin, bytes: 16 * site.length },
        gradient: { buffer: partials, offset: begin, bytes: partials.bytes - begin },
        scales: { buffer: scales, ...columns },
        gates: { buffer: stepBlock, offset: unit + columns.offset, bytes: columns.bytes },
        parts: { buffer: siteTable, offset: 2 * unit * i, bytes: siteStruct.bytes },
        whole: { buffer: siteTable, offset: 2 * unit * i + unit, bytes: siteStruct.bytes },
      },
    ];
  });
  const vectors = layout.vectors.map((vector): readonly [string, VectorRegions] => {
    const { key, offset, length } = vector;
    const begin = (of: FlatLayout): number => 16 * (groupBegin(of, 'backboneVectors') + offset);
    const at = begin(layout);
    return [
      key,
      {
        vector,
        parameters: { buffer: parameters, offset: begin(stored), bytes: 16 * length },
        gradient: { buffer: partials, offset: at, bytes: partials.bytes - at },
      },
    ];
  });
  const matrices = planMatrices(config, widths, layout.adapter, { make, table });
  const sums = normGroups + (matrices?.shelves.length ?? 0) * matrixNormGroups;
  return {
    layout,
    stored,
    crossed,
    chunks,
    parts,
    parameters,
    partials,
    summed,
    gradient: crossed === null ? summed : make('stored gradient', storedBytes),
    first: make('first moments', storedBytes),
    second: make('second moments', storedBytes),
    stepBlock,
    status: make('status', statusStruct.bytes),
    records: make('records', recordRing * recordStruct.bytes),
    regions: {
      step: { buffer: stepBlock, offset: 0, bytes: stepStruct.bytes },
      gates: { buffer: stepBlock, offset: unit, bytes: gateBytes },
      labels: { buffer: stepBlock, offset: unit + gateBytes, bytes: 4 * images },
      places: { buffer: stepBlock, offset: unit + gateBytes + labelBytes, bytes: 4 * images },
      crops: { buffer: stepBlock, offset: cropsAt, bytes: 16 * images },
      turns: turns && { buffer: stepBlock, ...turns },
      colours: colours && { buffer: stepBlock, ...colours },
      erased: erased && { buffer: stepBlock, ...erased },
      targets: targets && { buffer: stepBlock, ...targets },
      pairs: pairs && { buffer: stepBlock, ...pairs },
      cut: cut && { buffer: stepBlock, ...cut },
      paths: paths && paths.map((place) => ({ buffer: stepBlock, ...place })),
      noise: noise && { buffer: stepBlock, ...noise },
      scales: { buffer: scales, offset: 0, bytes: 4 * Math.max(1, layout.columns) },
      columns: wholeOf(table('columns', columnScalars(layout))),
      modules: wholeOf(table('modules', moduleTable(layout))),
      scalarPlaces: wholeOf(table('scalar places', scalarColumns(layout, widths))),
      sharedScalars,
      span: { buffer: sizes, offset: 0, bytes: 16 },
      scalarSpan: { buffer: sizes, offset: unit, bytes: 16 },
      ends: { buffer: sizes, offset: 2 * unit, bytes: endsStruct.bytes },
      sums: wholeOf(make('sums', 4 * sums)),
      outcome: { buffer: make('outcome', 8 * images), offset: 0, bytes: 8 * images },
    },
    part: {
      ofPart: Array.from({ length: parts }, (_, i) => ({
        buffer: partTable,
        offset: unit * i,
        bytes: partStruct.bytes,
      })),
    },
    sites: new Map(sites),
    vectors: new Map(vectors),
    matrices,
    table: layout.vectors.some(({ key }) => key === vectorKeys.patchBias)
      ? make('positions', 4 * widths.tokens * widths.dim)
      : null,
    buffers,
    tables,
  };
}

function planCrossed(
  layout: FlatLayout,
  stored: FlatLayout,
  {
    make,
    table,
    gates,
  }: {
    readonly make: (label: string, bytes: number) => PlannedBuffer;
    readonly table: (label: string, data: Uint32Array<ArrayBuffer>) => PlannedBuffer;
    readonly gates: Region;
  },
): CrossedState {
  const { table: words, ofBranches, all } = crossedTiles(stored, layout);
  const sums = make('sums of crossed branches', 16 * layout.ends.branches);
  return { sums, tiles: wholeOf(table('tiles of crossed branches', words)), ofBranches, all, gates };
}

/** Two `Site` structs for each site, each at a multiple of 256 bytes; see structs.ts. */
function siteUniforms({ sites, length }: FlatLayout): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(Math.max(1, sites.length) * 128);
  const { at } = siteStruct;
  sites.forEach(({ parts, width, scales, block, kind }, i) => {
    const [inParts, whole] = [128 * i, 128 * i + 64];
    for (const begin of [inParts, whole]) {
      words[begin + at.width] = width / 4;
      words[begin + at.stride] = length;
      words[begin + at.scales] = scales / 4;
      words[begin + at.place] = siteKinds.length * block + siteKinds.indexOf(kind);
    }
    parts.forEach(({ first, count, up }, part) => {
      words[inParts + at.first + part] = first;
      words[inParts + at.count + part] = count;
      words[inParts + at.up + part] = up;
    });
    words[whole + at.count] = width / 4;
  });
  return words;
}

/**
 * Two `Span`s for reduce-gradients.ts and the ends of the groups for adamw.ts, each at a multiple of 256
 * bytes.
 */
function sizeTable({ ends, length }: FlatLayout, stored: FlatLayout): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(192);
  const { at } = spanStruct;
  for (const [place, begin] of [
    [0, 0],
    [64, ends.backboneVectors],
  ] as const) {
    words[place + at.begin] = begin;
    words[place + at.end] = length;
    words[place + at.chunked] = ends.backboneVectors;
    words[place + at.stride] = length;
  }
  for (const group of flatGroups) words[128 + endsStruct.at[group]] = stored.ends[group];
  return words;
}

/** `Part` of each micro-batch, at multiples of 256 bytes. */
function partUniforms(images: number, parts: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(64 * parts);
  for (let part = 0; part < parts; part++) words[64 * part + partStruct.at.first] = part * images;
  return words;
}

/** Place of each module's up matrix, by the adapter's order of modules. */
function moduleTable({ sites, adapter }: FlatLayout): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(Math.max(1, adapter.modules.length) * 4);
  for (const { parts, offset, scales, columns } of sites)
    for (const { module, first, count, up } of parts)
      if (module !== null) words.set([offset + up, 4 * count, columns / 4, scales + 4 * first], 4 * module);
  return words;
}

/** First column and columns of each module, and the groups of four rows that its site has. */
function scalarColumns({ sites, adapter, depth }: FlatLayout, widths: Widths): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(Math.max(1, adapter.modules.length) * 4);
  for (const { parts, block, kind, scales } of sites)
    for (const { module, first, count } of parts) {
      const rows = block === depth - 1 && kind !== 'qkv' ? widths.images : widths.rows;
      if (module !== null) words.set([scales + 4 * first, 4 * count, Math.ceil(rows / 4)], 4 * module);
    }
  return words;
}

/** Where things lie in one of the flat buffers. */
const layoutIn = (
  { parameters, gradient, stored, layout }: TrainingState,
  buffer: PlannedBuffer,
): FlatLayout => (buffer === parameters || buffer === gradient ? stored : layout);

/** A group of the flat buffers as a region. */
export function groupRegion(
  state: TrainingState,
  buffer: PlannedBuffer,
  name: 'scalars' | 'headWeight' | 'headBias',
): Region {
  const layout = layoutIn(state, buffer);
  const [begin, end] = [groupBegin(layout, name), layout.ends[name]];
  return { buffer, offset: 16 * begin, bytes: 16 * (end - begin) };
}

/** Weight and bias of the head as one region, and where the bias begins in it, in vec4s. */
export function headRegion(
  state: TrainingState,
  buffer: PlannedBuffer,
): { readonly region: Region; readonly biasAt: number } {
  const layout = layoutIn(state, buffer);
  const { scalars: begin, headWeight: biasAt, headBias: end } = layout.ends;
  return { region: { buffer, offset: 16 * begin, bytes: 16 * (end - begin) }, biasAt: biasAt - begin };
}
