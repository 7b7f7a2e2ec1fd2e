// Constants of the graph: making them and reading them.
#include <cstring>

#include "graph/ir/graph.h"
#include "runtime/core/half.h"

namespace gf::ir {

int64_t Constant::count() const {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

uint64_t Constant::dense_bytes() const {
  uint64_t bytes = 0;
  if (!bytes_checked(count(), dtype, bytes)) throw Exception(Error::LimitExceeded, "a constant is too large");
  return bytes;
}

std::vector<std::byte> Constant::dense() const {
  if (!splat) return {data.begin(), data.end()};
  size_t bytes = 0;
  if (!narrow_checked(dense_bytes(), bytes)) throw Exception(Error::LimitExceeded, "a constant is larger than this machine can address");
  std::vector<std::byte> out(bytes);
  for (size_t i = 0; i < out.size(); ++i) out[i] = data[i % data.size()];
  return out;
}

ConstantPtr make_constant(DType dtype, std::vector<int64_t> dims, std::vector<std::byte> bytes) {
  auto owner = std::make_shared<std::vector<std::byte>>(std::move(bytes));
  auto c = std::make_shared<Constant>();
  c->dtype = dtype;
  c->dims = std::move(dims);
  c->data = *owner;
  c->owner = std::move(owner);
  int64_t n = 0;
  uint64_t expected = 0;
  if (!count_checked(c->dims, n) || !bytes_checked(n, dtype, expected) || expected != c->data.size())
    throw Exception(Error::BadGraph, "a constant's data does not fit its shape");
  return c;
}

ConstantPtr make_splat(DType dtype, std::vector<int64_t> dims, std::span<const std::byte> element) {
  auto owner = std::make_shared<std::vector<std::byte>>(element.begin(), element.end());
  auto c = std::make_shared<Constant>();
  c->dtype = dtype;
  c->dims = std::move(dims);
  c->data = *owner;
  c->owner = std::move(owner);
  c->splat = true;
  int64_t n = 0;
  if (!count_checked(c->dims, n)) throw Exception(Error::BadGraph, "a constant's shape is negative or too large");
  return c;
}

ConstantPtr make_ints(std::span<const int64_t> values) {
  const auto bytes = std::as_bytes(values);
  return make_constant(DType::I64, {static_cast<int64_t>(values.size())}, {bytes.begin(), bytes.end()});
}

ConstantPtr make_int_scalar(int64_t value) {
  const auto bytes = std::as_bytes(std::span<const int64_t>(&value, 1));
  return make_constant(DType::I64, {}, {bytes.begin(), bytes.end()});
}

ConstantPtr make_floats(std::span<const float> values, std::vector<int64_t> dims) {
  const auto bytes = std::as_bytes(values);
  return make_constant(DType::F32, std::move(dims), {bytes.begin(), bytes.end()});
}

namespace {

template <class T, class Out>
void read_all(const Constant& c, std::vector<Out>& out, size_t n) {
  out.reserve(n);
  for (size_t i = 0; i < n; ++i) {
    T v{};
    std::memcpy(&v, c.data.data() + (c.splat ? 0 : i * sizeof(T)), sizeof(T));
    if constexpr (std::is_same_v<T, F16> || std::is_same_v<T, BF16>) out.push_back(static_cast<Out>(to_f32(v)));
    else out.push_back(static_cast<Out>(v));
  }
}

}  // namespace

std::optional<std::vector<int64_t>> constant_ints(const Constant& c, size_t most) {
  const auto n = static_cast<size_t>(c.count());
  if (n > most) return std::nullopt;
  std::vector<int64_t> out;
  switch (c.dtype) {
    case DType::I64: read_all<int64_t>(c, out, n); return out;
    case DType::U64: read_all<uint64_t>(c, out, n); return out;
    case DType::I32: read_all<int32_t>(c, out, n); return out;
    case DType::U32: read_all<uint32_t>(c, out, n); return out;
    case DType::I16: read_all<int16_t>(c, out, n); return out;
    case DType::U16: read_all<uint16_t>(c, out, n); return out;
    case DType::I8: read_all<int8_t>(c, out, n); return out;
    case DType::U8:
    case DType::Bool: read_all<uint8_t>(c, out, n); return out;
    default: return std::nullopt;
  }
}

std::optional<std::vector<float>> constant_floats(const Constant& c, size_t most) {
  const auto n = static_cast<size_t>(c.count());
  if (n > most) return std::nullopt;
  std::vector<float> out;
  switch (c.dtype) {
    case DType::F32: read_all<float>(c, out, n); return out;
    case DType::F64: read_all<double>(c, out, n); return out;
    case DType::F16: read_all<F16>(c, out, n); return out;
    case DType::BF16: read_all<BF16>(c, out, n); return out;
    default: return std::nullopt;
  }
}

}  // namespace gf::ir
