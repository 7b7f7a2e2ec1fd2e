// Element types: names and typed arrays by their number in a .gf, and what an application gives made into elements.
import type { DType, TensorData, TensorLike } from './api.js';
import { fail } from './errors.js';

type ArrayType =
  | typeof Float32Array | typeof Float64Array | typeof Int8Array | typeof Uint8Array | typeof Int16Array | typeof Uint16Array
  | typeof Int32Array | typeof Uint32Array | typeof BigInt64Array | typeof BigUint64Array;

export interface TypeRow {
  readonly name: DType;
  /** undefined: strings have no array. */
  readonly array?: ArrayType;
}

/** Arrays by the numbers of runtime/core/dtype.h. What is not told apart here is packed bytes. */
const arrays = (): (ArrayType | undefined)[] => [
  , Float32Array, Float64Array, Uint16Array, Uint16Array, Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array,
  BigInt64Array, BigUint64Array, Uint8Array, undefined,
];
export function typeRow(dtype: number, name: string): TypeRow {
  return { name: name as DType, array: dtype < 15 ? arrays()[dtype] : name === 'complex64' ? Float32Array : name === 'complex128' ? Float64Array : Uint8Array };
}

const word = new DataView(new ArrayBuffer(4));
const SMALLEST_HALF = 2 ** -14;

/** Bits of the nearest float16 (ties to even). */
function halfBits(value: number): number {
  // to float32 first and then again would round twice: both roundings are done on the number itself
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  if (size < SMALLEST_HALF) return sign | roundEven(size * 2 ** 24);
  let exponent = Math.floor(Math.log2(size));
  if (2 ** exponent > size) --exponent;
  else if (2 ** (exponent + 1) <= size) ++exponent;
  // a mantissa that rounds up to 2048 carries into the exponent, as the addition does
  return sign | ((exponent + 15) * 1024 + roundEven(size * 2 ** (10 - exponent)) - 1024);
}
function roundEven(value: number): number {
  const floor = Math.floor(value), rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && (floor & 1) === 1) ? floor + 1 : floor;
}
function halfValue(bits: number): number {
  const exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  const size = exponent === 31 ? (mantissa !== 0 ? NaN : Infinity) : exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25);
  return (bits & 0x8000) !== 0 ? -size : size;
}

/** Bits of the nearest bfloat16 (ties to even) of a float32. */
function brainBits(value: number): number {
  word.setFloat32(0, value);
  const bits = word.getUint32(0);
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
function brainValue(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

/** The values of 16-bit floats. */
export function toFloat32(bits: Uint16Array, dtype: 'float16' | 'bfloat16'): Float32Array {
  return Float32Array.from(bits, dtype === 'float16' ? halfValue : brainValue);
}
/** The nearest 16-bit floats (ties to even), as bits. */
export function fromFloat32(values: ArrayLike<number>, dtype: 'float16' | 'bfloat16'): Uint16Array {
  return Uint16Array.from(values, dtype === 'float16' ? halfBits : brainBits);
}
/** One element as a number. */
export function numberAt(data: TensorData, dtype: DType, i: number): number {
  const v = Number(data[i]);
  return dtype === 'float16' ? halfValue(v) : dtype === 'bfloat16' ? brainValue(v) : v;
}

const nameOf = (value: unknown) =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value === 'object' ? value.constructor?.name ?? 'object' : typeof value;

/** An element of a plain array as one of the typed array's; undefined: it is not one. */
function element(v: unknown, dtype: DType, array: ArrayType): number | bigint | undefined {
  switch (dtype) {
    case 'float32': case 'float64': case 'complex64': case 'complex128':
      return typeof v === 'number' ? v : undefined;
    case 'float16': return typeof v === 'number' ? halfBits(v) : undefined;
    case 'bfloat16': return typeof v === 'number' ? brainBits(Math.fround(v)) : undefined;
    case 'bool': return v === true || v === 1 ? 1 : v === false || v === 0 ? 0 : undefined;
  }
  const big = array === BigInt64Array || array === BigUint64Array;
  if (typeof v === 'bigint' ? !big : !Number.isSafeInteger(v)) return undefined;
  if (big) {
    const b = BigInt(v as number | bigint);
    return (array === BigInt64Array ? BigInt.asIntN(64, b) : BigInt.asUintN(64, b)) === b ? b : undefined;
  }
  const one = new array(1) as Int32Array;
  one[0] = v as number;
  return one[0] === v ? one[0] : undefined;
}

/** Writes `value` into all of `target`. `what` names the tensor in errors. */
export function write(target: TensorData, type: TypeRow, value: TensorLike, what: string, shape: readonly number[]): void {
  const { name: dtype } = type;
  const array = type.array!;
  const of = `${what} is ${dtype} [${shape.join(', ')}]`;
  const sized = (length: number) => {
    if (length !== target.length) fail('SHAPE_MISMATCH', `${of}: ${target.length} elements, not ${length}`);
  };
  if (ArrayBuffer.isView(value)) {
    let source = value as TensorData;
    const kind = nameOf(value);
    const half = dtype === 'float16' || dtype === 'bfloat16';
    if (half && kind === 'Float32Array') source = fromFloat32(source as Float32Array, dtype);
    else if (dtype === 'float16' && kind === 'Float16Array') source = new Uint16Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength / 2);
    else if (kind !== array.name && !(array === Uint8Array && kind === 'Uint8ClampedArray'))
      fail('TYPE_MISMATCH', `${of}: it takes a ${array.name}, not a ${kind}`);
    sized(source.length);
    if (dtype === 'bool') (target as Uint8Array).set((source as Uint8Array).map((v) => (v !== 0 ? 1 : 0)));
    else (target as Float32Array).set(source as Float32Array);
    return;
  }
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (typeof value === 'object' && !Array.isArray(value)) fail('TYPE_MISMATCH', `${of}: it takes a ${array.name} or an array, not ${nameOf(value)}`);
  sized(list.length);
  // all are checked before the first is written
  const checked = list.map((v, i) => element(v, dtype, array)
    ?? fail('TYPE_MISMATCH', `${of}: element ${i} is ${typeof v === 'bigint' ? `${v}n` : typeof v === 'number' ? v : nameOf(v)}, which is not of this type`));
  (target as Float32Array).set(checked as number[]);
}
