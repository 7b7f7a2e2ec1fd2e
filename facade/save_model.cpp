// Apart from convert.cpp: builds without gf_io have no files to write.
#include "facade/convert.h"
#include "facade/include/ghostflow/convert.h"
#include "io/file.h"

namespace gf {

size_t save_model(const std::string& path, ir::Model model) {
  std::vector<std::byte> file;
  if (path.ends_with(".onnx")) {
    file = export_onnx(model, {});
  } else {
    PassOptions passes;
    passes.evaluator = make_evaluator(default_tables(false));
    run_passes(model, passes);
    file = emit(model);
  }
  io::write_file(path, file);
  return file.size();
}

}  // namespace gf
