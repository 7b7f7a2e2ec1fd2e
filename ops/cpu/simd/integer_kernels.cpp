// conv_integer and matmul_integer with constant int8 weights, quantize_linear with one scale: x86-64 from AVX2 on, and WebAssembly; elsewhere the
// portable kernels run. A block of rows of the left side (of a convolution: what its pixels see) is put together in scratch, then multiplied.
#include <cstring>

#include "ops/cpu/simd/integer.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/conv_integer.h"
#include "schema/ops/matmul_integer.h"
#include "schema/ops/quantize_linear.h"

namespace gf::simd {
namespace {

#ifdef __wasm_simd128__
constexpr Isa kNeeded = Isa::Wasm128;
#else
constexpr Isa kNeeded = Isa::Avx2;
#endif
constexpr int64_t kBlock = 32;      // rows of the left side that are put together at once
constexpr int64_t kMostDepth = int64_t{1} << 24;
constexpr int64_t kQuantizeGrain = int64_t{1} << 14;

// memcpy of few bytes, without a call.
inline void copy_bytes(uint8_t* to, const uint8_t* from, int64_t count) {
  if (count > 16) {
    std::memcpy(to, from, static_cast<size_t>(count));
  } else if (count >= 8) {  // the two halves may overlap
    uint64_t first, last;
    std::memcpy(&first, from, 8);
    std::memcpy(&last, from + count - 8, 8);
    std::memcpy(to, &first, 8);
    std::memcpy(to + count - 8, &last, 8);
  } else if (count >= 4) {
    uint32_t first, last;
    std::memcpy(&first, from, 4);
    std::memcpy(&last, from + count - 4, 4);
    std::memcpy(to, &first, 4);
    std::memcpy(to + count - 4, &last, 4);
  } else {
    for (int64_t k = 0; k < count; ++k) to[k] = from[k];
  }
}

bool is_zero(const NodeView& node, int i) {
  if (!node.has_input(i)) return true;
  const TensorInfo& t = node.input(i);
  if (!t.is_constant) return false;
  for (int64_t k = 0; k < t.shape.count(); ++k)
    if (static_cast<const uint8_t*>(t.constant_data)[k] != 0) return false;
  return true;
}

// The left side of a product: sums of a byte b are sums of (b ^ flip) - offset, an unsigned byte.
struct Left {
  uint8_t flip = 0;
  int32_t zero = 0;

  Left(const TensorView& a, const TensorView* z) {
    flip = a.dtype == DType::I8 ? 0x80 : 0;
    const auto raw = z != nullptr ? *static_cast<const uint8_t*>(z->data) : uint8_t{0};
    zero = raw ^ flip;
  }
  void copy(uint8_t* to, const uint8_t* from, int64_t count) const {
    if (flip == 0) return copy_bytes(to, from, count);
    for (int64_t k = 0; k < count; ++k) to[k] = from[k] ^ flip;
  }
  void fill(uint8_t* to, int64_t count) const {
    if (count > 0) std::memset(to, zero, static_cast<size_t>(count));
  }
};

// `direct`: the left side as it lies in memory, or nullptr; then gather(row, to) makes it.
template <class Gather>
void multiply(RunContext& c, const Left& left, IntegerProduct p, const uint8_t* direct, const Gather& gather) {
  const Isa isa = *static_cast<const Isa*>(c.data);
  auto* const start = static_cast<int32_t*>(c.scratch);
  integer_start(c.packed[0], p.columns, left.zero, start);
  p.start = start;
  p.packed = c.packed[0];
  const int64_t rows = p.rows, row_bytes = integer_row_bytes(p.depth);
  c.parallel((rows + kBlock - 1) / kBlock, [&](int64_t task, int worker) {
    IntegerProduct block = p;
    const int64_t first = task * kBlock;
    block.rows = rows - first < kBlock ? rows - first : kBlock;
    block.a_stride = row_bytes;
    block.c = p.c + first * p.c_stride;
    if (direct != nullptr) {
      block.a = direct + first * row_bytes;
    } else {
      auto* const to = c.scratch_of<uint8_t>(worker);
      for (int64_t r = 0; r < block.rows; ++r) gather(first + r, to + r * row_bytes);
      block.a = to;
    }
    integer_product(isa, block);
  });
}

Error prepare_product(const NodeView& node, KernelPlan& plan, int64_t depth, int64_t columns, Error (*pack)(const NodeView&, void*)) {
  if (!node.input(1).is_constant || node.input(1).dtype != DType::I8) return plan.refuse("the weights are not constant int8");
  if (!is_zero(node, 3)) return plan.refuse("the weights have zero points");
  if (depth < 1 || columns < 1 || depth > kMostDepth || columns > kMostDepth) return plan.refuse("sizes outside the range of the vector form");
  plan.data_bytes = sizeof(Isa);
  plan.scratch_bytes = static_cast<uint64_t>(integer_columns(columns)) * sizeof(int32_t);
  plan.scratch_bytes_per_worker = static_cast<uint64_t>(kBlock * integer_row_bytes(depth));
  plan.request_pack(1, PackKey(node.def->info.id, Isa::Portable).value(), static_cast<uint64_t>(integer_packed_bytes(depth, columns)), pack);
  return Error::Ok;
}
Error init(const NodeView& node, InitContext& context) {
  make_data<Isa>(context) = node.isa;
  return Error::Ok;
}

// --- matrices

Error pack_matrix(const NodeView& node, void* destination) {
  const TensorInfo& b = node.input(1);
  integer_pack(static_cast<const int8_t*>(b.constant_data), b.shape[1], 1, b.shape[0], b.shape[1], destination);
  return Error::Ok;
}
Error prepare_matmul(const NodeView& node, KernelPlan& plan) {
  const Shape& b = node.input(1).shape;
  if (b.rank != 2 || node.input(0).shape.rank < 2) return plan.refuse("the right side is no single matrix, or the left one a vector");
  if (node.has_input(2) && node.input(2).shape.count() != 1) return plan.refuse("a zero point for each row");
  return prepare_product(node, plan, b[0], b[1], pack_matrix);
}
Error run_matmul(RunContext& c) {
  const TensorView& a = c.input(0);
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  const Left left(a, c.has_input(2) ? &c.input(2) : nullptr);
  const int64_t depth = c.input(1).shape[0], columns = c.input(1).shape[1];
  const auto* const bytes = a.as<const uint8_t>();
  const bool direct = left.flip == 0 && integer_row_bytes(depth) == depth;
  multiply(c, left, {.rows = y.count() / columns, .depth = depth, .columns = columns, .c = y.as<int32_t>(), .c_stride = columns}, direct ? bytes : nullptr,
           [&](int64_t row, uint8_t* to) { left.copy(to, bytes + row * depth, depth); });
  return Error::Ok;
}

// --- convolutions: rows are pixels of the result, the depth is taps by channels

// OIHW to taps by channels.
Error pack_conv(const NodeView& node, void* destination) {
  const TensorInfo& w = node.input(1);
  const int64_t features = w.shape[0], channels = w.shape[1], taps = w.shape.count(2, w.shape.rank);
  const auto* const from = static_cast<const int8_t*>(w.constant_data);
  const int64_t depth = taps * channels;
  auto* const sums = static_cast<int32_t*>(destination);
  std::memset(destination, 0, static_cast<size_t>(integer_packed_bytes(depth, features)));
  int8_t* const panels = static_cast<int8_t*>(destination) + 4 * integer_columns(features);
  for (int64_t m = 0; m < features; ++m) {
    int8_t* const column = panels + m / kIntegerPanel * kIntegerPanel * integer_row_bytes(depth) + m % kIntegerPanel * kIntegerDepth;
    for (int64_t t = 0; t < taps; ++t)
      for (int64_t i = 0; i < channels; ++i) {
        const int64_t k = t * channels + i;
        const int8_t v = from[(m * channels + i) * taps + t];
        column[k / kIntegerDepth * kIntegerDepth * kIntegerPanel + k % kIntegerDepth] = v;
        sums[m] += v;
      }
  }
  return Error::Ok;
}

struct Axis {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, pad = 0;
};
// Three axes, the first ones of length 1 where there are fewer.
struct Geometry {
  Axis axis[3];
  int64_t channels;
  Geometry(const QuantConvAttrs& a, const Shape& x, const Shape& w, const Shape& y) : channels(x[x.rank - 1]) {
    const int spatial = x.rank - 2;
    for (int d = 0; d < spatial; ++d) {
      const auto k = static_cast<size_t>(d);
      axis[3 - spatial + d] = {x[d + 1], y[d + 1], w[d + 2], a.strides.empty() ? 1 : a.strides[k], a.dilations.empty() ? 1 : a.dilations[k], a.pads.empty() ? 0 : a.pads[k]};
    }
  }
  // The same pixels in the same order: one tap, no padding.
  bool is_product() const {
    bool plain = true;
    for (const Axis& a : axis) plain = plain && a.kernel == 1 && a.stride == 1 && a.in == a.out && a.pad == 0;
    return plain;
  }
};

// The taps of one row of the kernel.
void gather_row(const Geometry& g, const Left& left, const uint8_t* image_row, int64_t begin, uint8_t* to) {
  const Axis& a = g.axis[2];
  const int64_t c = g.channels;
  if (a.dilation == 1) {
    const int64_t low = begin < 0 ? (-begin < a.kernel ? -begin : a.kernel) : 0;
    const int64_t end = a.in - begin, high = end < low ? low : (end < a.kernel ? end : a.kernel);
    left.fill(to, low * c);
    left.copy(to + low * c, image_row + (begin + low) * c, (high - low) * c);
    left.fill(to + high * c, (a.kernel - high) * c);
    return;
  }
  for (int64_t k = 0; k < a.kernel; ++k) {
    const int64_t at = begin + k * a.dilation;
    if (at < 0 || at >= a.in) left.fill(to + k * c, c);
    else left.copy(to + k * c, image_row + at * c, c);
  }
}

void gather_pixel(const Geometry& g, const Left& left, const uint8_t* x, int64_t pixel, uint8_t* to) {
  const auto& [deep, high, wide] = g.axis;
  const int64_t column = pixel % wide.out * wide.stride - wide.pad, rest = pixel / wide.out;
  const int64_t row = rest % high.out * high.stride - high.pad, above = rest / high.out;
  const int64_t plane = above % deep.out * deep.stride - deep.pad, image = above / deep.out;
  const int64_t row_bytes = wide.kernel * g.channels;
  for (int64_t kd = 0; kd < deep.kernel; ++kd)
    for (int64_t kh = 0; kh < high.kernel; ++kh, to += row_bytes) {
      const int64_t z = plane + kd * deep.dilation, y = row + kh * high.dilation;
      if (z < 0 || z >= deep.in || y < 0 || y >= high.in) left.fill(to, row_bytes);
      else gather_row(g, left, x + ((image * deep.in + z) * high.in + y) * wide.in * g.channels, column, to);
    }
}

Error prepare_conv(const NodeView& node, KernelPlan& plan) {
  const Shape& w = node.input(1).shape;
  if (node.attributes<QuantConvAttrs>().group != 1) return plan.refuse("groups");
  if (w.rank > 5) return plan.refuse("more than three spatial axes");
  return prepare_product(node, plan, w.count(1, w.rank), w[0], pack_conv);
}
Error run_conv(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  const Shape& w = c.input(1).shape;
  const Geometry g(c.attributes<QuantConvAttrs>(), x.shape, w, y.shape);
  const Left left(x, c.has_input(2) ? &c.input(2) : nullptr);
  const int64_t depth = w.count(1, w.rank), features = w[0];
  const auto* const bytes = x.as<const uint8_t>();
  const bool direct = left.flip == 0 && integer_row_bytes(depth) == depth && g.is_product();
  multiply(c, left, {.rows = y.count() / features, .depth = depth, .columns = features, .c = y.as<int32_t>(), .c_stride = features}, direct ? bytes : nullptr,
           [&](int64_t pixel, uint8_t* to) { gather_pixel(g, left, bytes, pixel, to); });
  return Error::Ok;
}

// --- to bytes

Error prepare_quantize(const NodeView& node, KernelPlan& plan) {
  const auto& a = node.attributes<op::QuantizeLinear::Attrs>();
  if (node.input(0).dtype != DType::F32 || node.input(1).dtype != DType::F32) return plan.refuse("element type is not float32");
  if (node.output(0).dtype != DType::U8 && node.output(0).dtype != DType::I8) return plan.refuse("the result has no 8-bit integers");
  if (a.block != 0 || node.input(1).shape.count() != 1) return plan.refuse("more than one scale");
  if (a.precision != DType::Invalid && a.precision != DType::F32) return plan.refuse("the division is not in float32");
  plan.data_bytes = sizeof(Isa);
  return Error::Ok;
}
Error run_quantize(RunContext& c) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const bool is_signed = y.dtype == DType::I8;
  const float scale = *c.input(1).as<const float>();
  int32_t zero = 0;
  if (c.has_input(2)) zero = is_signed ? static_cast<int32_t>(*c.input(2).as<const int8_t>()) : static_cast<int32_t>(*c.input(2).as<const uint8_t>());
  const Isa isa = *static_cast<const Isa*>(c.data);
  c.parallel.chunks(x.count(), kQuantizeGrain, [&](int64_t begin, int64_t end, int) {
    quantize_f32(isa, x.as<const float>() + begin, end - begin, scale, zero, is_signed, y.as<uint8_t>() + begin);
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel matmul_integer_kernel, conv_integer_kernel, quantize_linear_kernel;
const Kernel matmul_integer_kernel{.op = op::MatMulInteger::info.id, .name = "matmul_integer_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_matmul, .init = init, .run = run_matmul};
const Kernel conv_integer_kernel{.op = op::ConvInteger::info.id, .name = "conv_integer_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_conv, .init = init, .run = run_conv};
const Kernel quantize_linear_kernel{.op = op::QuantizeLinear::info.id, .name = "quantize_linear_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_quantize, .init = init, .run = run_quantize};

}  // namespace gf::simd
