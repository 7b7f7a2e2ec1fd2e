// Conversions of 16-bit floats: bits from IEEE 754 (binary16) and, for bfloat16, the upper half of binary32.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromFloat32, toFloat32 } from 'ghostflow';

test('float16: known values, both ways', () => {
  const known = [[0, 0], [-0, 0x8000], [1, 0x3c00], [-2, 0xc000], [65504, 0x7bff], [2 ** -14, 0x0400], [2 ** -24, 1], [1 / 3, 0x3555], [Infinity, 0x7c00], [-Infinity, 0xfc00]];
  for (const [value, bits] of known) {
    assert.equal(fromFloat32([value], 'float16')[0], bits, String(value));
    if (value !== 1 / 3) assert.ok(Object.is(toFloat32(Uint16Array.of(bits), 'float16')[0], value), String(value));
  }
  assert.ok(Number.isNaN(toFloat32(fromFloat32([NaN], 'float16'), 'float16')[0]));
});

test('float16: ties go to even, and what is too large becomes infinity', () => {
  const rounds = [[1 + 2 ** -11, 0x3c00], [1 + 3 * 2 ** -11, 0x3c02], [65519.99, 0x7bff], [65520, 0x7c00], [2 ** -25, 0], [2 ** -25 * 1.0001, 1], [3 * 2 ** -25, 2], [2 ** -14 - 2 ** -25, 0x0400], [2047.5, 0x6800]];
  for (const [value, bits] of rounds) assert.equal(fromFloat32([value], 'float16')[0], bits, String(value));
});

test('float16: every number survives the way there and back', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((b) => (b & 0x7c00) !== 0x7c00 || (b & 0x3ff) === 0);
  assert.deepEqual(fromFloat32(toFloat32(all, 'float16'), 'float16'), all);
});

test('bfloat16: ties go to even; every number survives the way there and back', () => {
  for (const [value, bits] of [[1, 0x3f80], [1 + 2 ** -8, 0x3f80], [1 + 3 * 2 ** -8, 0x3f82], [-1.5, 0xbfc0], [3.4028234663852886e38, 0x7f80]])
    assert.equal(fromFloat32([value], 'bfloat16')[0], bits, String(value));
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((b) => (b & 0x7f80) !== 0x7f80 || (b & 0x7f) === 0);
  assert.deepEqual(fromFloat32(toFloat32(all, 'bfloat16'), 'bfloat16'), all);
  assert.ok(Number.isNaN(toFloat32(fromFloat32([NaN], 'bfloat16'), 'bfloat16')[0]));
});
