// The folders that models.py writes.
import fs from 'node:fs';
import path from 'node:path';

/** Names of a case's files, without those that models.py made it of. */
export const caseFiles = (folder) => fs.readdirSync(folder).filter((f) => !/^(folded|ours|quantised)[.]/.test(f));

/** {file: bytes} */
export const readCase = (folder) => Object.fromEntries(caseFiles(folder).map((f) => [f, new Uint8Array(fs.readFileSync(path.join(folder, f)))]));
