// ghostflow/convert: gf-convert as a module of its own, loaded at the first use. An instance lives for one call.
import { converterUrl } from '#converter';
import type { ConvertOptions, Converted, RemoteSession, RemoteTrainer, Session, Source, Trainer } from './api.js';
import { GhostFlowError, codeOf, fail, textOf } from './errors.js';
import { readSource } from './fetch.js';
import { compileAt } from './module.js';

export type { ConvertOptions, Converted } from './api.js';
export { GhostFlowError, type ErrorCode } from './errors.js';

/** Functions of web/converter/exports.cpp. */
interface Exports {
  __wasm_call_ctors(): void;
  gfc_alloc(bytes: number): number;
  gfc_bytes(): number;
  gfc_bytes_size(): number;
  gfc_text(): number;
  gfc_text_size(): number;
  gfc_error_name(status: number): number;
  gfc_convert(onnx: number, size: number, options: number, optionsSize: number): number;
  gfc_with_state(gf: number, size: number, saved: number, savedSize: number): number;
}
/** What the module declares for itself, and what wasm32 has. */
const MIN_PAGES = 24, MAX_PAGES = 65536;

/** Calls one of the two with two blocks of bytes. */
async function use(f: 'gfc_convert' | 'gfc_with_state', first: Uint8Array, second: Uint8Array, options: ConvertOptions): Promise<Converted> {
  const module = await compileAt('gf-convert.wasm', converterUrl, options);
  try {
    const memory = new WebAssembly.Memory({ initial: MIN_PAGES, maximum: MAX_PAGES });
    const x = (await WebAssembly.instantiate(module, { env: { memory } })).exports as unknown as Exports;
    const view = (at: number, size: number) => new Uint8Array(memory.buffer, at, size);
    x.__wasm_call_ctors();
    const put = (bytes: Uint8Array) => {
      const at = x.gfc_alloc(bytes.length || 1);
      if (at === 0) fail('OUT_OF_MEMORY', `no room for a file of ${bytes.length} bytes`);
      view(at, bytes.length).set(bytes);
      return at;
    };
    const status = x[f](put(first), first.length, put(second), second.length);
    const text = new TextDecoder().decode(view(x.gfc_text(), x.gfc_text_size()));
    if (status !== 0) {
      const name = x.gfc_error_name(status), bytes = view(name, 64);
      throw new GhostFlowError(codeOf(new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)))), text, status);
    }
    return { bytes: view(x.gfc_bytes(), x.gfc_bytes_size()).slice(), notes: text.split('\n').filter(Boolean) };
  } catch (e) {
    if (e instanceof GhostFlowError) throw e;
    return e instanceof RangeError ? fail('OUT_OF_MEMORY', textOf(e), e) : fail('INTERNAL', `the converter stopped: ${textOf(e)}`, e);
  }
}

/** An .onnx file, its weights inside, as a .gf. */
export async function convertOnnx(source: Source, options: ConvertOptions = {}): Promise<Converted> {
  const { entry, optimize, integers, shapes = {}, dims = {}, metadata = {} } = options;
  const lines: (readonly unknown[])[] = [
    ...(entry === undefined ? [] : [['entry', entry]]), ...(optimize === undefined ? [] : [['optimize', optimize]]),
    ...(integers ? [['integers', 1]] : []),
    ...Object.entries(shapes).map(([name, shape]) => ['shape', name, shape.join()]),
    ...Object.entries(dims).map(([name, size]) => ['dim', name, ...(typeof size === 'number' ? [size, size] : size)]),
    ...Object.entries(metadata).map(([key, text]) => ['meta', key, text.replaceAll('\n', '\v')]),
  ];
  for (const line of lines) for (const field of line) if (/[\n\t]/.test(String(field))) fail('INVALID_ARGUMENT', `'${field}': no tabs and line breaks in names and texts of options`);
  return use('gfc_convert', await readSource(source, options), new TextEncoder().encode(lines.map((line) => line.join('\t')).join('\n')), options);
}

/** The .gf of a session or trainer with what it has learned: its State now is what the new file begins with. */
export async function exportModel(of: Session | Trainer | RemoteSession | RemoteTrainer, options: Pick<ConvertOptions, 'wasmPath' | 'wasmBinary'> = {}): Promise<Uint8Array> {
  const [file, state] = await Promise.all([of.file(), of.state()]);
  return (await use('gfc_with_state', file, state, options)).bytes;
}
