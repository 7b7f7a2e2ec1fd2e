// The module of web/module without the npm package's loader: one program, one entry, one thread. Offsets are exports.h's.
const PAGE = 65536, align = (n) => Math.ceil(n / 64) * 64;
const TYPES = { 1: Float32Array, 9: Int32Array, 11: BigInt64Array };

/// What a program needs is known after load and plan only, so that memory grows twice: for the file, and for the session.
export async function openGhostFlow(wasm, file, options = {}) {
  const memory = new WebAssembly.Memory({ initial: 256, maximum: 32768 });
  const env = { memory, gfw_now: options.now ?? (() => performance.now()), emscripten_notify_memory_growth() {} };
  const { instance } = await WebAssembly.instantiate(wasm, { env, wasi_snapshot_preview1: { proc_exit() {} } });
  const x = instance.exports;
  x._initialize?.();
  const take = (bytes) => memory.grow(Math.ceil(bytes / PAGE)) * PAGE;
  const text = (at) => {
    const bytes = new Uint8Array(memory.buffer);
    let end = at;
    while (bytes[end]) ++end;
    return new TextDecoder().decode(bytes.subarray(at, end));
  };
  const check = (status) => {
    if (status !== 0) throw new Error(`GhostFlow: ${text(x.gfw_error() + 8)}`);
  };
  const program = take(file.byteLength);
  new Uint8Array(memory.buffer, program, file.byteLength).set(file);
  check(x.gfw_load(program, file.byteLength, 0));
  const entries = options.entries ?? [0];
  const work = align(x.gfw_work_bytes());
  const workAt = take(work);
  for (const entry of entries) check(x.gfw_plan(entry, 1, 0, 0, workAt, work));
  const total = new DataView(memory.buffer).getFloat64(x.gfw_needs() + 56, true);
  check(x.gfw_create(take(total), total));
  const tensor = (kind, index, session = 0) => {
    const at = x.gfw_tensor(session, kind, index);
    if (at === 0) return null;
    const view = new DataView(memory.buffer), rank = view.getInt32(at + 8, true);
    const dtype = view.getInt32(at + 4, true), data = view.getUint32(at + 16, true), bytes = view.getFloat64(at + 24, true);
    const shape = Array.from({ length: rank }, (_, d) => view.getFloat64(at + 32 + 8 * d, true));
    const Type = TYPES[dtype] ?? Uint8Array;
    return { name: text(view.getUint32(at, true)), shape, data: new Type(memory.buffer, data, bytes / Type.BYTES_PER_ELEMENT) };
  };
  const list = (kind, session) => {
    const out = {};
    for (let i = 0, t; (t = tensor(kind, i, session)) !== null; ++i) out[t.name] = t;
    return out;
  };
  // growing memory ends every view: what a profile writes to is taken before there are any
  const profile = options.profile ? take(16 * x.gfw_node_count(0)) : 0;
  new Uint8Array(memory.buffer, profile, options.profile ? 16 * x.gfw_node_count(0) : 0).fill(0);
  return {
    memory, exports: x, inputs: list(0), outputs: list(1), bytes: () => memory.buffer.byteLength, total,
    inputsOf: (session) => list(0, session), outputsOf: (session) => list(1, session),
    run: (session = 0) => check(x.gfw_run(session)),
    startProfile: () => check(x.gfw_profile(0, profile, x.gfw_node_count(0))),
    /// [{op, kernel, name, ms}] of an average run since startProfile.
    readProfile() {
      return Array.from({ length: x.gfw_node_count(0) }, (_, i) => {
        const at = x.gfw_node(0, i), view = new DataView(memory.buffer);
        const part = (k) => text(view.getUint32(at + 4 * k, true));
        const calls = view.getFloat64(profile + 16 * i, true), ns = view.getFloat64(profile + 16 * i + 8, true);
        return { op: part(0), kernel: part(1), refused: part(2), name: part(3), ms: calls === 0 ? 0 : ns / calls / 1e6 };
      });
    },
  };
}
