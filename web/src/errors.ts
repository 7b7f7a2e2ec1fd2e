// What every failure of the package throws, and how anything else becomes one.

/** Codes of the runtime (those of the C interface, in capitals) and of the loader (from NO_SIMD on). */
export type ErrorCode =
  | 'INVALID_ARGUMENT' | 'NOT_FOUND' | 'SHAPE_MISMATCH' | 'TYPE_MISMATCH' | 'BUFFER_TOO_SMALL' | 'MISALIGNED' | 'WRONG_PHASE'
  | 'SHAPE_OUT_OF_BOUNDS' | 'BAD_FILE' | 'BAD_VERSION' | 'BAD_CHECKSUM' | 'BAD_GRAPH' | 'BAD_ATTRIBUTE' | 'LIMIT_EXCEEDED'
  | 'UNSUPPORTED' | 'UNKNOWN_OP' | 'NOT_IMPLEMENTED' | 'OUT_OF_MEMORY' | 'IO_ERROR' | 'BUSY' | 'INDEX_OUT_OF_RANGE'
  | 'DIVISION_BY_ZERO' | 'BAD_DATA' | 'CANCELLED' | 'NON_FINITE' | 'INTERNAL'
  | 'NO_SIMD' | 'WASM_FAILED' | 'FETCH_FAILED' | 'INTEGRITY_MISMATCH' | 'ABORTED' | 'DISPOSED';

/** The one error class of the package. */
export class GhostFlowError extends Error {
  static {
    // a name that minifying leaves
    for (const target of [this, this.prototype]) Object.defineProperty(target, 'name', { value: 'GhostFlowError' });
  }
  constructor(
    readonly code: ErrorCode,
    message: string,
    /** The runtime's number of the code; 0 for codes of the loader. */
    readonly status = 0,
    /** Node of the entry that failed; -1: none is to blame. */
    readonly node = -1,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** 'ShapeMismatch' -> 'SHAPE_MISMATCH'. */
export function codeOf(name: string): ErrorCode {
  return name.replace(/(?!^)([A-Z])/g, '_$1').toUpperCase() as ErrorCode;
}

export function fail(code: ErrorCode, message: string, cause?: unknown): never {
  throw new GhostFlowError(code, message, 0, -1, cause === undefined ? undefined : { cause });
}

export function busyError(): never {
  return fail('BUSY', 'a run of this session has not ended; await it first');
}
export function noEntry(entries: readonly string[], name: string): never {
  return fail('NOT_FOUND', entries.includes(name) ? `entry '${name}' was not made ready: name it in the option 'entries'`
    : `there is no entry '${name}'; there are: ${entries.join(', ')}`);
}

/** Text of anything thrown. */
export function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
