// A trained model as a file: the .gf that it began as, with the weights that were learned as its values.
import { createSession } from 'ghostflow/worker';
import { describe, withState } from './model-file.mjs';

/** `state`: the block that a trainer of this file gives. The optimizer's memory is left out: it begins anew. */
export async function trainedFile(url, state) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} could not be fetched again: status ${response.status}`);
  const file = new Uint8Array(await response.arrayBuffer());
  const session = await createSession(file, { entry: 'main', threads: 1 });
  try {
    await session.load(state);
    const values = {};
    for (const s of describe(file).states) if (s.initial >= 0 && !s.name.startsWith('optimizer.')) values[s.name] = await session.readState(s.name);
    return withState(file, values);
  } finally {
    session.dispose();
  }
}
