// How v1_0.gf was finished, kept as a description (README.md; no build makes this): puts into the converted model what the
// importer does not make yet, a splat and a table of quantisation, and stores the golden runs.
#include <cstdio>

#include "facade/host_run.h"
#include "graph/emit/emit.h"
#include "graph/read/read.h"
#include "io/file.h"
#include "tools/common/golden.h"

int main(int argc, char** argv) {
  using namespace gf;
  if (argc != 3) return 2;
  ModelOptions options;
  options.threads = 1;
  options.isa = Isa::Portable;
  options.xnnpack = false;
  const Model plain = Model::load(argv[1], options);
  ir::Model model = read_model(plain.program(), nullptr);
  int splats = 0, tables = 0;
  for (auto& entry : model.entries)
    for (size_t i = 0; i < entry->value_count(); ++i) {
      ir::Value& v = entry->value(static_cast<ir::ValueId>(i));
      if (v.is_constant() && v.constant->dims == std::vector<int64_t>{8, 160}) {
        v.constant = ir::make_splat(DType::F32, v.constant->dims, v.constant->data.first(4));
        ++splats;
      }
      if (v.is_constant() || v.dtype != DType::I8) continue;
      v.quantization = ir::Quantization{-1, 0, {0.05F}, {3}};
      ++tables;
    }
  EmitOptions emit_options;
  emit_options.node_names = true;
  Model finished = Model::from_bytes(emit(model, emit_options), options);
  emit_options.sections.push_back({"golden", cli::encode_golden(cli::make_golden(finished, 2, 7, {}))});
  io::write_file(argv[2], emit(model, emit_options));
  std::printf("%d splats, %d tables\n", splats, tables);
  return splats == 1 && tables == 1 ? 0 : 1;
}
