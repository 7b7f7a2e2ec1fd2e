// The table of row tables: one line per import_<family>.cpp.
#include "converter/onnx/lowering.h"

namespace gf::onnx {

std::span<const std::span<const ImportRow>> import_rows() {
  static const std::span<const ImportRow> tables[] = {
      import_rows_elementwise(), import_rows_reduce(), import_rows_norm(),      import_rows_shape(),
      import_rows_index(),       import_rows_image(),  import_rows_quantize(),  import_rows_nn(),
      import_rows_recurrent(),   import_rows_attention(), import_rows_control(),
  };
  return tables;
}

}  // namespace gf::onnx
