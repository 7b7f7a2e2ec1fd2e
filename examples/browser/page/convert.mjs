// An .onnx becomes a .gf in a worker, by the package's converter: a file of its own that is loaded when it is first needed.
/** { bytes, notes }. Where the server has no converter, an error says what to do instead. */
export async function toGf(bytes, { name }) {
  const there = await fetch('/ghostflow/gf-convert.wasm', { method: 'HEAD' });
  if (!there.ok) throw new Error(`“${name}” is an ONNX model, and this server has no converter for the page. Convert it with: gf-convert ${name} -o ${name.replace(/\.onnx$/i, '')}.gf, then drop the .gf.`);
  const worker = new Worker(new URL('./lib/convert-worker.mjs', import.meta.url), { type: 'module' });
  try {
    return await new Promise((done, fail) => {
      worker.onmessage = ({ data }) => (data.error === undefined ? done(data) : fail(Object.assign(new Error(data.error.message), { code: data.error.code })));
      worker.onerror = (e) => fail(new Error(`the converter could not be started: ${e.message ?? 'its script did not load'}`));
      worker.postMessage(bytes);
    });
  } finally {
    worker.terminate();
  }
}
