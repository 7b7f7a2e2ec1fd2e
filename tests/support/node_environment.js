// Put in front of test programs for Node: Emscripten's programs see an environment of their own, but GoogleTest and the tests are told
// by this process's where reports go, which shard to run and where data lie.
Module['preRun'] = Module['preRun'] || [];
Module['preRun'].push(function () { Object.assign(ENV, process.env); });
