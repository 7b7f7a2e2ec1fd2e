// The script of one worker: an instance of its own with a stack of its own, which waits for work until it is stopped.
import { serve } from '#serve';
import { imports } from './imports.js';
import type { Exports } from './module.js';
import type { ThreadStart } from './threads.js';

const post = serve(({ module, memory, index, stack, tls }: ThreadStart) => {
  try {
    const x = new WebAssembly.Instance(module, imports(module, memory)).exports as unknown as Exports;
    x.__stack_pointer!.value = stack;
    x.__wasm_init_tls?.(tls);
    try {
      x.gfw_worker!(index);
    } catch (e) {
      // else the thread that runs would wait for this one for ever
      x.gfw_worker_lost!();
      throw e;
    }
  } catch (e) {
    post(String(e));
  }
});
