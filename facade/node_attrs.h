// For looking at verified files: fields that may be absent, and attributes of a node in their op's struct. Private to the
// facade.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "runtime/core/exception.h"
#include "runtime/load/program.h"
#include "schema/format/model_generated.h"

namespace gf {

/// A text or a list of the file; empty when the file leaves it out.
inline std::string text(const flatbuffers::String* s) { return s != nullptr ? s->str() : std::string(); }
template <class V>
uint32_t size_of(const V* v) {
  return v != nullptr ? v->size() : 0;
}

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
