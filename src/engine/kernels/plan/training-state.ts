// The buffers that outlive a program: parameters, gradients and moments (flat, one layout), the step block, the tables
// that tell kernels where branches lie, and what the device remembers about the run. Made anew when the number of live
// branches changes.
import { present } from '../../../shared/assert.ts';
import type { DeviceMemory, Region } from '../device-memory.ts';
import { columnModules, groupBegin, type FlatLayout } from '../layout/flat-parameters.ts';
import { aligned, type Site } from '../layout/sites.ts';
import type { Widths } from '../layout/widths.ts';
import { normGroups, recordRing } from '../wgsl/adamw.ts';
import { recordBytes, siteBytes, statusBytes, stepBytes } from '../wgsl/shared-structs.ts';

/** Rows that one partial sum of a gradient covers, at least; more rows are cut into chunks, at most 16. */
const chunkRows = 256;

export interface SiteRegions {
  readonly parameters: Region;
  /** From the site's gradient to the end of the buffer: partial sums lie `stride` apart. */
  readonly gradient: Region;
  readonly scales: Region;
  /** `Site` for products with the up matrices, and for products with the down matrix as one part. */
  readonly parts: Region;
  readonly whole: Region;
}

export interface TrainingState {
  readonly layout: FlatLayout;
  readonly chunks: number;
  readonly parameters: GPUBuffer;
  readonly gradient: GPUBuffer;
  readonly first: GPUBuffer;
  readonly second: GPUBuffer;
  readonly stepBlock: GPUBuffer;
  readonly status: GPUBuffer;
  readonly records: GPUBuffer;
  readonly regions: {
    readonly step: Region;
    readonly gates: Region;
    readonly labels: Region;
    readonly crops: Region;
    readonly scales: Region;
    readonly columns: Region;
    readonly modules: Region;
    readonly sizes: Region;
    readonly ends: Region;
    readonly sums: Region;
    readonly outcome: Region;
  };
  readonly sites: ReadonlyMap<Site, SiteRegions>;
  readonly buffers: readonly GPUBuffer[];
}

export function makeState(memory: DeviceMemory, layout: FlatLayout, widths: Widths): TrainingState {
  const buffers: GPUBuffer[] = [];
  const { STORAGE, COPY_DST, COPY_SRC, UNIFORM } = GPUBufferUsage;
  const make = (label: string, bytes: number, usage: GPUBufferUsageFlags = STORAGE): GPUBuffer => {
    const buffer = memory.create(label, bytes, usage | COPY_DST | COPY_SRC);
    buffers.push(buffer);
    return buffer;
  };
  const table = (label: string, data: Uint32Array<ArrayBuffer>, usage?: GPUBufferUsageFlags): GPUBuffer => {
    const buffer = make(label, data.byteLength, usage);
    memory.device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  };
  const whole = (buffer: GPUBuffer): Region => ({ buffer, offset: 0, bytes: buffer.size });
  const floats = 4 * layout.ends[3];
  const chunks = Math.min(16, Math.ceil(widths.rows / chunkRows));
  const parameters = make('parameters', 4 * floats);
  const gradient = make('gradient', 4 * floats * chunks);
  const scales = make('scales', 4 * Math.max(64, layout.columns));
  const gateBytes = aligned(4 * Math.max(1, layout.columns), 256);
  const labelBytes = aligned(4 * widths.images, 256);
  const stepBlock = make('step block', 256 + gateBytes + labelBytes + 16 * widths.images, UNIFORM | STORAGE);
  const siteTable = table('sites', siteUniforms(layout), UNIFORM);
  const sizes = table('sizes', sizeTable(layout), UNIFORM);
  const sites = layout.sites.map((site, i): readonly [Site, SiteRegions] => {
    const begin = 16 * site.offset;
    return [
      site,
      {
        parameters: { buffer: parameters, offset: begin, bytes: 16 * site.length },
        gradient: { buffer: gradient, offset: begin, bytes: gradient.size - begin },
        scales: { buffer: scales, offset: 4 * site.scales, bytes: 4 * site.width },
        parts: { buffer: siteTable, offset: 512 * i, bytes: siteBytes },
        whole: { buffer: siteTable, offset: 512 * i + 256, bytes: siteBytes },
      },
    ];
  });
  return {
    layout,
    chunks,
    parameters,
    gradient,
    first: make('first moments', 4 * floats),
    second: make('second moments', 4 * floats),
    stepBlock,
    status: make('status', statusBytes),
    records: make('records', recordRing * recordBytes),
    regions: {
      step: { buffer: stepBlock, offset: 0, bytes: stepBytes },
      gates: { buffer: stepBlock, offset: 256, bytes: gateBytes },
      labels: { buffer: stepBlock, offset: 256 + gateBytes, bytes: 4 * widths.images },
      crops: { buffer: stepBlock, offset: 256 + gateBytes + labelBytes, bytes: 16 * widths.images },
      scales: { buffer: scales, offset: 0, bytes: 4 * Math.max(1, layout.columns) },
      columns: whole(table('columns', columnModules(layout))),
      modules: whole(table('modules', moduleTable(layout))),
      sizes: { buffer: sizes, offset: 0, bytes: 16 },
      ends: { buffer: sizes, offset: 256, bytes: 16 },
      sums: whole(make('sums', 4 * normGroups)),
      outcome: { buffer: make('outcome', 8 * widths.images), offset: 0, bytes: 8 * widths.images },
    },
    sites: new Map(sites),
    buffers,
  };
}

/** Two `Site` structs for each site, each at a multiple of 256 bytes; see shared-structs.ts. */
function siteUniforms({ sites, ends }: FlatLayout): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(Math.max(1, sites.length) * 128);
  sites.forEach(({ parts, width }, i) => {
    for (const at of [128 * i, 128 * i + 64]) words.set([width / 4, ends[3]], at);
    parts.forEach(({ first, count, up }, part) => {
      words[128 * i + 4 + part] = first;
      words[128 * i + 8 + part] = count;
      words[128 * i + 12 + part] = up;
    });
    words[128 * i + 64 + 8] = width / 4;
  });
  return words;
}

/** For reduce-gradients.ts: branches and total; and for adamw.ts at 256 bytes: the ends of the groups. */
function sizeTable({ ends }: FlatLayout): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(128);
  words.set([ends[0], ends[3]]);
  words.set(ends, 64);
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

/** A group of the flat buffers as a region. */
export function groupRegion(
  { layout }: TrainingState,
  buffer: GPUBuffer,
  name: 'scalars' | 'headWeight' | 'headBias',
): Region {
  const begin = groupBegin(layout, name);
  const end = present(layout.ends[{ scalars: 1, headWeight: 2, headBias: 3 }[name]], name);
  return { buffer, offset: 16 * begin, bytes: 16 * (end - begin) };
}
