// Attributes of a verified node in their op's struct, for looking at them. Private to the facade.
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/core/exception.h"
#include "runtime/load/program.h"

namespace gf {

class NodeAttrs {
 public:
  /// The defaults of an op.
  explicit NodeAttrs(const OpDef& def) : bytes_(def.attrs_bytes / sizeof(std::max_align_t) + 1) {
    def.construct(bytes_.data());
  }
  NodeAttrs(const fb::Node& node, const OpDef& def) : NodeAttrs(def) {
    ErrorDetail detail;
    if (decode_attrs(node, def, bytes_.data(), &detail, -1) != Error::Ok)
      throw Exception(Error::BadAttribute, detail.text);
  }
  const void* get() const { return bytes_.data(); }

 private:
  std::vector<std::max_align_t> bytes_;
};

}  // namespace gf
