// Pictures for the tests, made here: small PNGs of one colour with seeded noise, a colour a class.
import { deflateSync } from 'node:zlib';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

type Colour = readonly [red: number, green: number, blue: number];

const colours = {
  red: [200, 50, 50],
  green: [50, 180, 60],
  blue: [50, 70, 200],
} as const satisfies Record<string, Colour>;
export type ColourName = keyof typeof colours;
export const classNames: readonly ColourName[] = ['blue', 'green', 'red'];

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

/** An 8-bit RGB PNG of a colour with noise that depends on the seed alone. */
export function png(colour: ColourName, seed: number, side = 32): Buffer {
  const [header, rows] = [Buffer.alloc(13), Buffer.alloc(side * (3 * side + 1))];
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2, 0, 0, 0], 8); // 8 bit, RGB
  let state = seed * 2654435761 + 1;
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < 3 * side; x += 1) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      rows[y * (3 * side + 1) + 1 + x] = (colours[colour][x % 3] ?? 0) + (state >>> 26) - 32;
    }
  }
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts = [chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([signature, ...parts]);
}

/** Writes a folder for each class with so many pictures, no two alike; returns the folder that holds them. */
export async function writePictures(
  folder: string,
  perClass: number,
  classes: readonly ColourName[] = classNames,
): Promise<string> {
  for (const [index, name] of classes.entries()) {
    await mkdir(join(folder, name), { recursive: true });
    for (let i = 0; i < perClass; i += 1)
      await writeFile(join(folder, name, `${i}.png`), png(name, 1 + index * 1000 + i));
  }
  return folder;
}
