// The places of fields against WGSL's rules ("Alignment and Size"), worked out by hand for the struct with
// most of them.
import { expect, test } from 'vitest';
import { partStruct, recordStruct, siteStruct, stepStruct } from './structs.ts';

test('fields lie where WGSL puts them', () => {
  // Six words, then vec4fs at the next multiple of four.
  expect(stepStruct.at).toMatchObject({ sequence: 0, images: 2, learns: 3, groups: 8 });
  expect(siteStruct.at).toMatchObject({ width: 0, place: 3, first: 4, count: 8, up: 12 });
  // Six words, then a vec2f at the next even one.
  expect(recordStruct.at.spare).toBe(6);
});

test('sizes are multiples of 16 bytes, as uniforms need', () => {
  expect([stepStruct, siteStruct, recordStruct, partStruct].map(({ bytes }) => bytes)).toEqual([
    128, 64, 32, 16,
  ]);
});

test('the declaration has the same fields in the same order', () => {
  expect(partStruct.wgsl.trim()).toBe('struct Part { first: u32 }');
  expect([...stepStruct.wgsl.matchAll(/(\w+): /g)].map(([, name]) => name)).toEqual(
    Object.keys(stepStruct.at),
  );
});
