#include "schema/infer.h"

#include <cstddef>
#include <cstring>
#include <iterator>

#include "runtime/core/format.h"
#include "schema/op.h"

namespace gf {
namespace {

int64_t read_int(const void* data, DType type, int k) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  switch (type) {
    case DType::I64: {
      int64_t v = 0;
      std::memcpy(&v, bytes + static_cast<size_t>(k) * 8, 8);
      return v;
    }
    case DType::I32: {
      int32_t v = 0;
      std::memcpy(&v, bytes + static_cast<size_t>(k) * 4, 4);
      return v;
    }
    case DType::I8: return static_cast<int8_t>(bytes[k]);
    default: return bytes[k];  // U8, Bool
  }
}

template <class T>
T get(const void* member) {
  T value;
  std::memcpy(&value, member, sizeof(T));
  return value;
}

bool is_trackable(DType type) {
  return type == DType::I64 || type == DType::I32 || type == DType::Bool || type == DType::U8 || type == DType::I8;
}

}  // namespace

int InferContext::value_count(int i) const {
  if (!has_input(i)) return -1;
  const InferTensor& t = inputs_[static_cast<size_t>(i)];
  if (t.values != nullptr && t.value_count >= 0) return t.value_count;
  if (t.data == nullptr || !is_trackable(t.dtype) || !t.shape.is_const()) return -1;
  int64_t n = 1;
  for (int d = 0; d < t.shape.rank; ++d) {
    if (!mul_checked(n, t.shape[d].lo, n) || n > (int64_t{1} << 30)) return -1;
  }
  return static_cast<int>(n);
}

Dim InferContext::value(int i, int k) const {
  const InferTensor& t = inputs_[static_cast<size_t>(i)];
  if (t.values != nullptr && t.value_count >= 0) return t.values[k];
  return read_int(t.data, t.dtype, k);
}

Error InferContext::set(int i, DType dtype, const DimShape& shape) {
  if (!has_output(i)) return Error::Ok;
  if (overflow_) return fail(Error::BadGraph, "arithmetic on the dimensions overflows (or divides by zero)");
  InferTensor& t = outputs_[static_cast<size_t>(i)];
  if (shape.rank < 0 || shape.rank > kMaxRank) return fail(Error::LimitExceeded, "rank %d is over %d", shape.rank, kMaxRank);
  for (int d = 0; d < shape.rank; ++d)
    if (shape[d].hi < 0)
      return fail(Error::ShapeMismatch, "dimension %d of output %d would be negative (%lld)", d, i,
                  static_cast<long long>(shape[d].hi));
  t.dtype = dtype;
  t.shape = shape;
  for (int d = 0; d < shape.rank; ++d)
    if (t.shape[d].lo < 0) t.shape[d].lo = 0;  // a dim below zero is an error when it happens, not a possibility to plan
  t.shape_known = true;
  return Error::Ok;
}

Error InferContext::set_unknown(int i, DType dtype) {
  if (!has_output(i)) return Error::Ok;
  outputs_[static_cast<size_t>(i)].dtype = dtype;
  outputs_[static_cast<size_t>(i)].shape_known = false;
  return Error::Ok;
}

void InferContext::set_values(int i, std::span<const Dim> values) {
  if (!has_output(i)) return;
  InferTensor& t = outputs_[static_cast<size_t>(i)];
  if (t.value_storage == nullptr || static_cast<int>(values.size()) > t.value_capacity) return;
  for (size_t k = 0; k < values.size(); ++k) t.value_storage[k] = values[k];
  t.values = t.value_storage;
  t.value_count = static_cast<int>(values.size());
}

Dim InferContext::combine(DimOp op, const Dim& a, const Dim& b) {
  const Dim interval = dim_interval(op, a, b, overflow_);
  if (interval.is_const() || algebra_ == nullptr) return interval;
  return algebra_->combine(op, a, b, interval);
}

Dim InferContext::combine(DimOp op, const Dim& a, int64_t b) { return combine(op, a, Dim(b)); }

bool InferContext::combine_values(DimOp op, const Dim& a, const Dim& b, DType type, Dim& out) {
  bool overflow = false;
  const Dim interval = dim_interval(op, a, b, overflow);
  if (overflow) return false;
  if (interval.is_const() && type != DType::I64) {
    const unsigned bits = dtype_bits(type);
    const bool is_signed = dtype_is_signed_int(type);
    if (bits >= 64) return false;
    const int64_t low = is_signed ? -(int64_t{1} << (bits - 1)) : 0;
    const int64_t high = (int64_t{1} << (is_signed ? bits - 1 : bits)) - 1;
    if (interval.lo < low || interval.lo > high) return false;
  }
  out = combine(op, a, b);
  return true;
}

Dim InferContext::fresh(int64_t lo, int64_t hi) {
  if (lo == hi) return lo;
  return algebra_ != nullptr ? algebra_->fresh(lo, hi) : Dim(lo, hi);
}

Dim InferContext::count(const DimShape& s, int from, int to) {
  Dim n = 1;
  for (int d = from; d < to; ++d) n = mul(n, s[d]);
  return n;
}

Error InferContext::normalize_axis(int64_t axis, int rank, int& out, const char* what) {
  if (axis < -rank || axis >= rank)
    return fail(Error::BadAttribute, "%s %lld is outside [%d, %d)", what, static_cast<long long>(axis), -rank, rank);
  out = static_cast<int>(axis < 0 ? axis + rank : axis);
  return Error::Ok;
}

Error InferContext::broadcast(const DimShape& a, const DimShape& b, DimShape& out) {
  DimShape r;
  r.rank = a.rank > b.rank ? a.rank : b.rank;
  for (int d = 0; d < r.rank; ++d) {
    const int ia = d - (r.rank - a.rank);
    const int ib = d - (r.rank - b.rank);
    if (ia < 0 || ib < 0) {
      r[d] = ia < 0 ? b[ib] : a[ia];
      continue;
    }
    const Dim& x = a[ia];
    const Dim& y = b[ib];
    if (x.same(y)) r[d] = x;
    else if (x.is_const() && x.lo == 1) r[d] = y;
    else if (y.is_const() && y.lo == 1) r[d] = x;
    else if (x.is_const() && y.is_const())
      return fail(Error::ShapeMismatch, "shapes do not broadcast: dimension %d (from the left of the result) is %lld and %lld",
                  d, static_cast<long long>(x.lo), static_cast<long long>(y.lo));
    else if (x.is_const()) r[d] = x;  // y must be 1 or x
    else if (y.is_const()) r[d] = y;
    else r[d] = max(x, y);
  }
  out = r;
  return Error::Ok;
}

Error InferContext::expect_type(int i, DTypeSet types) {
  if (!has_input(i)) return fail(Error::BadGraph, "input %d is missing", i);
  if (!types.contains(dtype(i))) return fail(Error::TypeMismatch, "input %d has type %s, which this op does not take", i, dtype_name(dtype(i)));
  return Error::Ok;
}

Error InferContext::expect_same_type(int i, int j) {
  if (dtype(i) != dtype(j))
    return fail(Error::TypeMismatch, "inputs %d and %d differ in type (%s, %s)", i, j, dtype_name(dtype(i)),
                dtype_name(dtype(j)));
  return Error::Ok;
}

Error InferContext::expect_rank(int i, int rank) {
  if (this->rank(i) != rank) return fail(Error::ShapeMismatch, "input %d has rank %d, expected %d", i, this->rank(i), rank);
  return Error::Ok;
}

Error InferContext::expect_min_rank(int i, int rank) {
  if (this->rank(i) < rank)
    return fail(Error::ShapeMismatch, "input %d has rank %d, expected at least %d", i, this->rank(i), rank);
  return Error::Ok;
}

Error InferContext::expect_equal(const Dim& a, const Dim& b, const char* what) {
  if (a.hi < b.lo || b.hi < a.lo) {
    return fail(Error::ShapeMismatch, "%s: %lld is not %lld", what, static_cast<long long>(a.lo), static_cast<long long>(b.lo));
  }
  return Error::Ok;
}

Error InferContext::fail(Error code, const char* format, ...) {
#ifdef GF_NO_ERROR_TEXTS  // no sentence is looked at: link-time optimisation drops those of all callers
  static_cast<void>(format);
  return report_code(detail_, code, node_);
#else
  if (detail_ == nullptr) return code;
  char text[sizeof detail_->text];
  va_list arguments;
  va_start(arguments, format);
  format_text_list(text, sizeof text, format, arguments);
  va_end(arguments);
  return detail_->set(code, node_, "%s", text);
#endif
}

Error run_infer(const OpDef& def, const void* attrs, std::span<InferTensor> inputs, std::span<InferTensor> outputs,
                DimAlgebra* algebra, ErrorDetail* detail, int32_t node) {
  for (InferTensor& t : outputs) {
    t.dtype = DType::Invalid;
    t.value_count = -1;
    t.values = nullptr;
  }
  InferContext context(def, inputs, outputs, algebra, detail, node);
  GF_TRY(def.infer(context, attrs));
  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].present && outputs[i].dtype == DType::Invalid)
      return GF_FAIL(detail, Error::Internal, node, "%s: infer left output %zu unset", def.info.name, i);
  return Error::Ok;
}

void AttrField::store(void* attrs, const AttrValue& value) const {
  struct Part {
    uint8_t at, bytes;
  };
  // integers are little-endian here as in files: the first bytes of an int64 are the narrower number
  static constexpr uint8_t kInt = offsetof(AttrValue, i), kFloat = offsetof(AttrValue, f);
  static constexpr Part kParts[] = {{0, sizeof(AttrValue)}, {kInt, 1}, {kInt, 1}, {kInt, 1}, {kInt, 2}, {kInt, 2}, {kInt, 4}, {kInt, 4},
                                    {kInt, 8}, {0, sizeof(float)}, {kFloat, sizeof(double)},
                                    {offsetof(AttrValue, s), sizeof(std::string_view)}, {offsetof(AttrValue, ints), sizeof(IntList)},
                                    {offsetof(AttrValue, floats), sizeof(FloatList)}};
  static_assert(std::size(kParts) == static_cast<size_t>(AttrStorage::Floats) + 1);
  const Part part = kParts[static_cast<size_t>(storage)];
  const auto narrow = static_cast<float>(value.f);
  const void* from = storage == AttrStorage::F32 ? static_cast<const void*>(&narrow) : &value;
  std::memcpy(member(attrs), static_cast<const std::byte*>(from) + part.at, part.bytes);
}

AttrValue AttrField::load(const void* attrs) const {
  const void* m = member(const_cast<void*>(attrs));
  AttrValue v;
  v.type = type;
  switch (storage) {
    case AttrStorage::Value: v = get<AttrValue>(m); break;
    case AttrStorage::Bool:
    case AttrStorage::U8: v.i = get<uint8_t>(m); break;
    case AttrStorage::I8: v.i = get<int8_t>(m); break;
    case AttrStorage::I16: v.i = get<int16_t>(m); break;
    case AttrStorage::U16: v.i = get<uint16_t>(m); break;
    case AttrStorage::I32: v.i = get<int32_t>(m); break;
    case AttrStorage::U32: v.i = get<uint32_t>(m); break;
    case AttrStorage::I64: v.i = get<int64_t>(m); break;
    case AttrStorage::F32: v.f = static_cast<double>(get<float>(m)); break;
    case AttrStorage::F64: v.f = get<double>(m); break;
    case AttrStorage::String: v.s = get<std::string_view>(m); break;
    case AttrStorage::Ints: v.ints = get<IntList>(m); break;
    case AttrStorage::Floats: v.floats = get<FloatList>(m); break;
  }
  return v;
}

Error check_attr(const AttrField& field, const AttrValue& value, ErrorDetail* detail, int32_t node) {
  if (value.type != field.type)
    return GF_FAIL(detail, Error::BadAttribute, node, "attribute '%s' has the wrong type", field.name);
  if (value.type == AttrType::Int) {
    const int64_t least = field.min(), most = field.max();
    if (value.i < least || value.i > most)
      return GF_FAIL(detail, Error::BadAttribute, node, "attribute '%s' is %lld, outside [%lld, %lld]", field.name,
                     static_cast<long long>(value.i), static_cast<long long>(least), static_cast<long long>(most));
  }
  if (value.ints.size() > kMaxAttrList || value.floats.size() > kMaxAttrList || value.s.size() > kMaxAttrList)
    return GF_FAIL(detail, Error::LimitExceeded, node, "attribute '%s' is too long", field.name);
  return Error::Ok;
}

Error store_attr(const AttrField& field, const AttrValue& value, void* attrs, ErrorDetail* detail, int32_t node) {
  GF_TRY(check_attr(field, value, detail, node));
  field.store(attrs, value);
  return Error::Ok;
}

}  // namespace gf
