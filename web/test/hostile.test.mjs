// Broken files in wasm32: cut anywhere, and with bytes changed under checksums that are made right again, so that what lies
// behind the checksums is reached. Each ends in an error of the runtime or in a session; never in a trap.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSession } from 'ghostflow';
import { convert, goldenNet, prepare, random, root, threadsBuilt } from './support.mjs';

const long = process.env.GF_LONG !== undefined;
const seeds = {
  'tests/format/v1_0.gf': readFileSync(join(root, 'tests/format/v1_0.gf')),
  'a train step': readFileSync(prepare(goldenNet('mlp'), '--loss', 'cross_entropy', '--optimizer', 'adamw', '--batch', '2')),
  'lstm with State': readFileSync(convert(goldenNet('lstm'), '--state', 'hn=h0', '--state', 'cn=c0')),
  'yolo_nms': readFileSync(convert(goldenNet('yolo_nms'))),
};

// CRC-32C (RFC 3720, appendix B.4), reflected
const table = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; ++k) n = n & 1 ? (n >>> 1) ^ 0x82f63b78 : n >>> 1;
  return n >>> 0;
});
function crc32c(bytes) {
  let crc = 0xffffffff;
  for (const b of bytes) crc = table[(crc ^ b) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
/** Makes the seal of `file` (schema/format/FORMAT.md) right. */
function seal(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.length), at = file.length - 32;
  const header = Math.min(at, 4 + view.getUint32(0, true));
  view.setBigUint64(at + 8, BigInt(file.length), true);
  view.setUint32(at + 16, crc32c(file.subarray(0, at)), true);
  view.setUint32(at + 20, crc32c(file.subarray(0, header)), true);
  view.setUint32(at + 24, crc32c(file.subarray(at, at + 24)), true);
  return file;
}

// INTERNAL is what a trap becomes. A program may be too large for this machine, or for wasm32.
async function attempt(file, what, threads = 1) {
  try {
    const s = await createSession(file, { threads, poolBytes: 1 << 20 });
    try {
      if (s.info.memory.total < 64 << 20) s.runSync();
    } finally {
      s.dispose();
    }
    return '';
  } catch (e) {
    assert.equal(e.name, 'GhostFlowError', `${what}: ${e.stack}`);
    assert.notEqual(e.code, 'INTERNAL', `${what}: ${e.message}`);
    assert.notEqual(e.code, 'WASM_FAILED', `${what}: ${e.message}`);
    return e.code;
  }
}

test('the seal that is written here is the one of the files', () => {
  for (const [name, file] of Object.entries(seeds)) assert.deepEqual(seal(new Uint8Array(file)), new Uint8Array(file), name);
});

for (const [name, file] of Object.entries(seeds)) {
  test(`${name}, cut: always an error`, async () => {
    const next = random(1), lengths = new Set([1, 3, 4, 8, 31, 32, 33, 64, file.length - 1, file.length - 32, file.length - 33]);
    while (lengths.size < 60) lengths.add(1 + Math.floor(next() * (file.length - 1)));
    for (const length of lengths) {
      assert.notEqual(await attempt(file.subarray(0, length), `cut to ${length}`), '');
      // and sealed: a shorter file that is whole
      if (length >= 64) assert.notEqual(await attempt(seal(new Uint8Array(file.subarray(0, length))), `cut to ${length} and sealed`), '');
    }
  });

  test(`${name}, changed under a right seal: an error or a session`, async () => {
    const next = random(2), header = 4 + new DataView(file.buffer, file.byteOffset).getUint32(0, true), codes = new Map();
    for (let i = 0; i < (long ? 20000 : 600); ++i) {
      const bad = new Uint8Array(file);
      for (let k = 1 + Math.floor(next() * 3); k > 0; --k) {
        const at = Math.floor(next() * header);
        bad[at] = [0, 0xff, 0x80, bad[at] + 1, bad[at] ^ (1 << (8 * next())), 256 * next()][Math.floor(next() * 6)];
      }
      const code = await attempt(seal(bad), `change ${i}`);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    // the changes reach past the seal, and not all are noticed by one check
    assert.ok(codes.has('BAD_FILE') && codes.size >= 3, [...codes].join(' '));
  });
}

test('v1_0.gf, changed under a right seal, in two threads', { skip: !threadsBuilt && 'no module with threads' }, async () => {
  const next = random(3), file = seeds['tests/format/v1_0.gf'], header = 4 + new DataView(file.buffer, file.byteOffset).getUint32(0, true);
  for (let i = 0; i < 100; ++i) {
    const bad = new Uint8Array(file);
    bad[Math.floor(next() * header)] ^= 1 << (8 * next());
    await attempt(seal(bad), `change ${i}`, 2);
  }
});

test('the files of the shared corpus', async () => {
  const corpus = join(root, 'tests/fuzz/corpus/gf_load');
  let files = [];
  try {
    files = readdirSync(corpus);
  } catch {
    // none broke it yet
  }
  for (const f of files) await attempt(readFileSync(join(corpus, f)), f);
});
