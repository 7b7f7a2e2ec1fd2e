#include "trainer/autodiff/float64.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "runtime/core/half.h"
#include "schema/ops/bit_cast.h"

namespace gf {
namespace {

bool narrow(DType type) { return type == DType::F32 || type == DType::F16 || type == DType::BF16; }

double element(DType type, const std::byte* at) {
  if (type == DType::F32) {
    float v = 0;
    std::memcpy(&v, at, sizeof v);
    return v;
  }
  if (type == DType::F16) {
    F16 v{};
    std::memcpy(&v, at, sizeof v);
    return to_f32(v);
  }
  BF16 v{};
  std::memcpy(&v, at, sizeof v);
  return to_f32(v);
}

class Float64 {
 public:
  explicit Float64(ir::Model& model) : model_(model) {}

  void run() {
    for (ir::StateVar& s : model_.states) {
      if (!narrow(s.dtype)) continue;
      s.dtype = DType::F64;
      if (s.initial != nullptr) s.initial = widened(s.initial);
    }
    for (auto& entry : model_.entries) {
      for (size_t i = 0; i < entry->value_count(); ++i) {
        ir::Value& v = entry->value(static_cast<ir::ValueId>(i));
        if (!narrow(v.dtype)) continue;
        v.dtype = DType::F64;
        if (v.constant != nullptr) v.constant = widened(v.constant);
      }
      change(entry->body);
      for (auto& n : entry->body.nodes) infer(*entry, *n);
    }
  }

 private:
  // Constants are shared between entries, and may be stored narrower than their value is.
  ir::ConstantPtr widened(const ir::ConstantPtr& c) {
    if (!narrow(c->dtype)) return c;
    ir::ConstantPtr& wide = wide_[c];
    if (wide != nullptr) return wide;
    const size_t width = dtype_bits(c->dtype) / 8, count = c->data.size() / width;
    std::vector<std::byte> bytes(count * sizeof(double));
    for (size_t i = 0; i < count; ++i) {
      const double v = element(c->dtype, c->data.data() + i * width);
      std::memcpy(bytes.data() + i * sizeof v, &v, sizeof v);
    }
    wide = c->splat ? ir::make_splat(DType::F64, c->dims, bytes) : ir::make_constant(DType::F64, c->dims, std::move(bytes));
    return wide;
  }

  static void infer(ir::Entry& entry, ir::Node& node) {
    try {
      ir::infer_node(entry, node);
    } catch (const Exception& e) {
      if (e.code() != Error::TypeMismatch && e.code() != Error::Unsupported) throw;
      throw Exception(Error::Unsupported, std::string("in float64: ") + e.what());
    }
  }

  // Types that stand in attributes ("to" of cast): the fields whose range is that of element types.
  void change(ir::Block& block) {
    for (auto& n : block.nodes) {
      if (n->is<op::BitCast>()) throw Exception(Error::Unsupported, n->origin + ": bit_cast reads the bits of numbers, which float64 has others of");
      const ir::DecodedAttrs attrs(*n);
      std::vector<ir::Attr> changed = n->attrs;
      for (const AttrField& field : n->def->fields) {
        if (field.type != AttrType::Int || field.min != 0 || field.max != kDTypeCount - 1) continue;
        if (!narrow(static_cast<DType>(field.load(attrs.get()).i))) continue;
        std::erase_if(changed, [&](const ir::Attr& a) { return a.number == field.number; });
        ir::Attr wide;
        wide.number = field.number;
        wide.type = AttrType::Int;
        wide.i = static_cast<int64_t>(DType::F64);
        const auto at = std::find_if(changed.begin(), changed.end(), [&](const ir::Attr& a) { return a.number > wide.number; });
        changed.insert(at, std::move(wide));
      }
      n->attrs = std::move(changed);
      for (ir::Block& inner : n->blocks) change(inner);
    }
  }

  ir::Model& model_;
  std::map<ir::ConstantPtr, ir::ConstantPtr> wide_;
};

}  // namespace

void to_float64(ir::Model& model) { Float64(model).run(); }

}  // namespace gf
