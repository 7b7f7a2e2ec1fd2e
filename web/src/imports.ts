// What a module is given: for the first instance and those of workers.

/** What a module asks for or tells as it goes. */
export interface Sink {
  /** Copies bytes of the file to `to` in the memory. */
  bring?: (offset: number, bytes: number, to: number) => void;
  nodeTime?: (node: number, nanoseconds: number) => void;
}

/** All that a module imports. */
export function imports(module: WebAssembly.Module, memory: WebAssembly.Memory, sink: Sink = {}): WebAssembly.Imports {
  const result: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  const known: Record<string, WebAssembly.ImportValue> = {
    memory,
    gfw_now: () => performance.now(),
    gfw_read: (offset: number, bytes: number, to: number) => sink.bring!(offset, bytes, to),
    gfw_node_time: (node: number, nanoseconds: number) => sink.nodeTime?.(node, nanoseconds),
  };
  for (const i of WebAssembly.Module.imports(module)) (result[i.module] ??= {})[i.name] = known[i.name]!;
  return result;
}
