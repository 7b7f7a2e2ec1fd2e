// The server alone needs to be told: its copy of a dependency leaves files that lie beside scripts behind. A build needs nothing.
export default { base: './', optimizeDeps: { exclude: ['ghostflow'] }, build: { target: 'es2022' }, logLevel: 'warn' };
