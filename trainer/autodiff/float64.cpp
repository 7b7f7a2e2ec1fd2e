#include "trainer/autodiff/float64.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "runtime/core/half.h"
#include "schema/ops/bit_cast.h"

namespace gf {
namespace {

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

template <class Wide>
class Widening {
 public:
  static constexpr DType kWide = sizeof(Wide) == sizeof(double) ? DType::F64 : DType::F32;
  explicit Widening(ir::Model& model) : model_(model) {}

  bool run() {
    for (ir::StateVar& s : model_.states) {
      if (!narrow(s.dtype)) continue;
      s.dtype = kWide;
      any_ = true;
      if (s.initial != nullptr) s.initial = widened(s.initial);
    }
    for (auto& entry : model_.entries) {
      for (size_t i = 0; i < entry->value_count(); ++i) {
        ir::Value& v = entry->value(static_cast<ir::ValueId>(i));
        const bool stored = v.constant != nullptr && narrow(v.constant->dtype);
        if (!narrow(v.dtype) && !stored) continue;
        v.dtype = kWide;
        any_ = true;
        if (v.constant != nullptr) v.constant = widened(v.constant);
      }
      if (!any_) continue;
      change(entry->body);
      for (auto& n : entry->body.nodes) infer(*entry, *n);
    }
    return any_;
  }

 private:
  static bool narrow(DType type) { return (type == DType::F32 && kWide == DType::F64) || type == DType::F16 || type == DType::BF16; }
  // Constants are shared between entries, and may be stored narrower than their value is.
  ir::ConstantPtr widened(const ir::ConstantPtr& c) {
    if (!narrow(c->dtype)) return c;
    ir::ConstantPtr& wide = wide_[c];
    if (wide != nullptr) return wide;
    const size_t width = dtype_bits(c->dtype) / 8, count = c->data.size() / width;
    std::vector<std::byte> bytes(count * sizeof(Wide));
    for (size_t i = 0; i < count; ++i) {
      const auto v = static_cast<Wide>(element(c->dtype, c->data.data() + i * width));
      std::memcpy(bytes.data() + i * sizeof v, &v, sizeof v);
    }
    wide = c->splat ? ir::make_splat(kWide, c->dims, bytes) : ir::make_constant(kWide, c->dims, std::move(bytes));
    return wide;
  }

  static void infer(ir::Entry& entry, ir::Node& node) {
    try {
      ir::infer_node(entry, node);
    } catch (const Exception& e) {
      if (e.code() != Error::TypeMismatch && e.code() != Error::Unsupported) throw;
      throw Exception(Error::Unsupported, std::string("in ") + dtype_name(kWide) + ": " + e.what());
    }
  }

  // Types that stand in attributes ("to" of cast): the fields whose range is that of element types.
  void change(ir::Block& block) {
    for (auto& n : block.nodes) {
      if (n->is<op::BitCast>()) throw Exception(Error::Unsupported, n->origin + ": bit_cast reads the bits of numbers, which " + dtype_name(kWide) + " has others of");
      const ir::DecodedAttrs attrs(*n);
      std::vector<ir::Attr> changed = n->attrs;
      for (const AttrField& field : n->def->fields) {
        if (field.type != AttrType::Int || field.min() != 0 || field.max() != kDTypeCount - 1) continue;
        if (!narrow(static_cast<DType>(field.load(attrs.get()).i))) continue;
        std::erase_if(changed, [&](const ir::Attr& a) { return a.number == field.number; });
        ir::Attr wide;
        wide.number = field.number;
        wide.type = AttrType::Int;
        wide.i = static_cast<int64_t>(kWide);
        const auto at = std::find_if(changed.begin(), changed.end(), [&](const ir::Attr& a) { return a.number > wide.number; });
        changed.insert(at, std::move(wide));
      }
      n->attrs = std::move(changed);
      for (ir::Block& inner : n->blocks) change(inner);
    }
  }

  ir::Model& model_;
  bool any_ = false;
  std::map<ir::ConstantPtr, ir::ConstantPtr> wide_;
};

}  // namespace

void to_float64(ir::Model& model) { (void)Widening<double>(model).run(); }
bool half_to_float32(ir::Model& model) { return Widening<float>(model).run(); }

}  // namespace gf
