// What a module is given: for the first instance and those of workers.

/** What imports() tells as it goes: times of nodes. */
export interface Sink {
  nodeTime?: (node: number, nanoseconds: number) => void;
}

/** All that a module imports. */
export function imports(module: WebAssembly.Module, memory: WebAssembly.Memory, sink: Sink = {}): WebAssembly.Imports {
  const result: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  const known: Record<string, WebAssembly.ImportValue> = {
    memory,
    gfw_now: () => performance.now(),
    gfw_node_time: (node: number, nanoseconds: number) => sink.nodeTime?.(node, nanoseconds),
  };
  for (const i of WebAssembly.Module.imports(module)) (result[i.module] ??= {})[i.name] = known[i.name]!;
  return result;
}
