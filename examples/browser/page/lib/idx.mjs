// MNIST's files (idx, packed with gzip): pictures and labels as bytes.
async function unpacked(url, progress) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} could not be fetched: status ${response.status}`);
  let loaded = 0;
  const counted = response.body.pipeThrough(new TransformStream({
    transform(chunk, to) {
      progress(loaded += chunk.length);
      to.enqueue(chunk);
    },
  }));
  return new Uint8Array(await new Response(counted.pipeThrough(new DecompressionStream('gzip'))).arrayBuffer());
}

/** The data of an idx file of bytes with `rank` dimensions, and their sizes. */
function idx(bytes, rank, name) {
  const view = new DataView(bytes.buffer), sizes = Array.from({ length: rank }, (_, d) => (bytes.length >= 8 + 4 * d ? view.getUint32(4 + 4 * d) : 0));
  if (bytes.length < 4 + 4 * rank || view.getUint32(0) !== 0x800 + rank || bytes.length !== 4 + 4 * rank + sizes.reduce((a, b) => a * b, 1)) throw new Error(`${name} is not the idx file that it should be`);
  return { sizes, data: bytes.subarray(4 + 4 * rank) };
}

/** { pictures, labels, count }; `progress` gets the bytes of the pictures' file so far. */
export async function mnist(set, progress) {
  const [images, labels] = await Promise.all([unpacked(`/mnist/${set}-images-idx3-ubyte.gz`, progress), unpacked(`/mnist/${set}-labels-idx1-ubyte.gz`, () => undefined)]);
  const pictures = idx(images, 3, `${set}-images`), names = idx(labels, 1, `${set}-labels`);
  if (pictures.sizes[0] !== names.sizes[0]) throw new Error(`${set}: ${pictures.sizes[0]} pictures, but ${names.sizes[0]} labels`);
  return { pictures: pictures.data, labels: names.data, count: names.sizes[0] };
}
