// ghostflow: programs (.gf) run and train in this thread. `ghostflow/worker` does the same in a worker.
export type * from './api.js';
export { GhostFlowError, type ErrorCode } from './errors.js';
export { createSession } from './session.js';
export { createTrainer } from './trainer.js';
export { fromFloat32, toFloat32 } from './dtype.js';
