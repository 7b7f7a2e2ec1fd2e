// Names of what the loader gives the module, for Emscripten's linker; the loader (web/src) holds the functions themselves.
mergeInto(LibraryManager.library, {
  gfw_now: function () { return performance.now(); },
  gfw_node_time: function (node, nanoseconds) {},
});
