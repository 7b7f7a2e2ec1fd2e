// conv_integer, qlinear_conv and matmul_integer with constant int8 weights; quantize_linear and dequantize_linear with one scale, and
// dynamic_quantize_linear: x86-64 from AVX2 on, and WebAssembly; elsewhere the portable kernels run. A block of rows of the left side (of a convolution: what its pixels see) is put together in scratch, then multiplied.
#include <cstring>

#include "ops/cpu/integer_product.h"
#include "ops/cpu/simd/integer.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/conv_integer.h"
#include "schema/ops/dequantize_linear.h"
#include "schema/ops/dynamic_quantize_linear.h"
#include "schema/ops/matmul_integer.h"
#include "schema/ops/qlinear_conv.h"
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
constexpr int64_t kMostBias = int64_t{1} << 30;  // of a sum of at most as much
constexpr int64_t kQuantizeGrain = int64_t{1} << 14;

// Where the sums of a block stand in a worker's scratch.
constexpr int64_t sums_at(int64_t depth) { return (kBlock * integer_row_bytes(depth) + 63) / 64 * 64; }

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

// Bytes like those of t, whose zero point is input i.
ByteForm form_of(const RunContext& c, int i, const TensorView& t) {
  return {c.has_input(i) ? cpu::byte_at(c.input(i), 0) : 0, t.dtype == DType::I8};
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

// What becomes of the sums of a block of rows where they are not the result.
struct Requantize {
  const float* scale = nullptr;  // one for each column, in front of the block's sums
  ByteForm form;
  uint8_t* y = nullptr;
};

// `direct`: the left side as it lies in memory, or nullptr; then gather(row, to) makes it.
template <class Gather>
void multiply(RunContext& c, IntegerProduct p, const uint8_t* direct, const Requantize& q, const Gather& gather) {
  const Isa isa = *static_cast<const Isa*>(c.data);
  p.packed = c.packed[0];
  const int64_t rows = p.rows, row_bytes = integer_row_bytes(p.depth);
  c.parallel((rows + kBlock - 1) / kBlock, [&](int64_t task, int worker) {
    IntegerProduct block = p;
    const int64_t first = task * kBlock;
    block.rows = rows - first < kBlock ? rows - first : kBlock;
    block.a_stride = row_bytes;
    auto* const to = c.scratch_of<uint8_t>(worker);
    if (q.y != nullptr) block.c = reinterpret_cast<int32_t*>(to + sums_at(p.depth));
    else block.c += first * p.c_stride;
    if (direct != nullptr) {
      block.a = direct + first * row_bytes;
    } else {
      for (int64_t r = 0; r < block.rows; ++r) gather(first + r, to + r * row_bytes);
      block.a = to;
    }
    integer_product(isa, block);
    if (q.y != nullptr) requantize(isa, block.c, block.rows, p.columns, q.scale, q.form, q.y + first * p.columns);
  });
}

// Inputs `weights` and `zeros`: of the right side.
Error prepare_product(const NodeView& node, KernelPlan& plan, int weights, int zeros, int64_t depth, int64_t columns, Error (*pack)(const NodeView&, void*)) {
  if (!node.input(weights).is_constant || node.input(weights).dtype != DType::I8) return plan.refuse("the weights are not constant int8");
  if (!is_zero(node, zeros)) return plan.refuse("the weights have zero points");
  if (depth < 1 || columns < 1 || depth > kMostDepth || columns > kMostDepth) return plan.refuse("sizes outside the range of the vector form");
  plan.data_bytes = sizeof(Isa);
  plan.scratch_bytes = static_cast<uint64_t>(integer_columns(columns)) * sizeof(int32_t);
  plan.scratch_bytes_per_worker = static_cast<uint64_t>(kBlock * integer_row_bytes(depth));
  plan.request_pack(weights, PackKey(node.def->info.id, Isa::Portable).value(), static_cast<uint64_t>(integer_packed_bytes(depth, columns)), pack);
  return Error::Ok;
}
Error init(const NodeView& node, InitContext& context) {
  make_data<Isa>(context) = node.isa;
  return Error::Ok;
}

// --- matrices

Error pack_matrix(const NodeView& node, void* destination) {
  const TensorInfo& b = node.input(1);
  integer_pack({.b = static_cast<const int8_t*>(b.constant_data), .channels = b.shape[0], .columns = b.shape[1], .channel_stride = b.shape[1], .column_stride = 1}, destination);
  return Error::Ok;
}
Error prepare_matmul(const NodeView& node, KernelPlan& plan) {
  const Shape& b = node.input(1).shape;
  if (b.rank != 2 || node.input(0).shape.rank < 2) return plan.refuse("the right side is no single matrix, or the left one a vector");
  if (node.has_input(2) && node.input(2).shape.count() != 1) return plan.refuse("a zero point for each row");
  return prepare_product(node, plan, 1, 3, b[0], b[1], pack_matrix);
}
Error run_matmul(RunContext& c) {
  const TensorView& a = c.input(0);
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  const Left left(a, c.has_input(2) ? &c.input(2) : nullptr);
  const int64_t depth = c.input(1).shape[0], columns = c.input(1).shape[1];
  const auto* const bytes = a.as<const uint8_t>();
  const bool direct = left.flip == 0 && integer_row_bytes(depth) == depth;
  auto* const start = static_cast<int32_t*>(c.scratch);
  integer_start(c.packed[0], columns, left.zero, start);
  multiply(c, {.rows = y.count() / columns, .depth = depth, .columns = columns, .start = start, .c = y.as<int32_t>(), .c_stride = columns}, direct ? bytes : nullptr, {},
           [&](int64_t row, uint8_t* to) { left.copy(to, bytes + row * depth, depth); });
  return Error::Ok;
}

// --- convolutions: rows are pixels of the result, the depth is taps by channels

// Inputs of the two ops: the weights, and their zero points.
struct ConvInputs {
  int weights, zeros, x_zero;
};
ConvInputs inputs_of(bool quantised) { return quantised ? ConvInputs{3, 5, 2} : ConvInputs{1, 3, 2}; }

// OIHW to taps by channels.
template <bool kQuantised>
Error pack_conv(const NodeView& node, void* destination) {
  const TensorInfo& w = node.input(inputs_of(kQuantised).weights);
  const int64_t channels = w.shape[1], taps = w.shape.count(2, w.shape.rank);
  integer_pack({.b = static_cast<const int8_t*>(w.constant_data), .taps = taps, .channels = channels, .columns = w.shape[0], .tap_stride = 1, .channel_stride = taps,
                .column_stride = taps * channels}, destination);
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

template <bool kQuantised>
Error prepare_conv(const NodeView& node, KernelPlan& plan) {
  const ConvInputs in = inputs_of(kQuantised);
  const Shape& w = node.input(in.weights).shape;
  if (node.attributes<QuantConvAttrs>().group != 1) return plan.refuse("groups");
  if (w.rank > 5) return plan.refuse("more than three spatial axes");
  return prepare_product(node, plan, in.weights, in.zeros, w.count(1, w.rank), w[0], pack_conv<kQuantised>);
}
// A bias that may make a sum overflow, or a scale that is not finite, is the portable kernel's.
Error prepare_requantized(const NodeView& node, KernelPlan& plan) {
  GF_TRY(prepare_conv<true>(node, plan));
  const Shape& w = node.input(3).shape;
  const int64_t depth = w.count(1, w.rank), features = w[0];
  if (depth > int64_t{1} << 15) return plan.refuse("sums may overflow with a bias");
  for (const int i : {1, 4, 6})
    if (!node.input(i).is_constant) return plan.refuse("scales are not constant");
  const auto floats = [&](int i) { return static_cast<const float*>(node.input(i).constant_data); };
  for (int64_t m = 0; m < node.input(4).shape.count(); ++m)
    if (!(*floats(1) * floats(4)[m] / *floats(6) < 1e30f)) return plan.refuse("scales outside the range of the vector form");
  if (node.has_input(8)) {
    if (!node.input(8).is_constant) return plan.refuse("the bias is not constant");
    for (int64_t m = 0; m < features; ++m)
      if (const int64_t v = static_cast<const int32_t*>(node.input(8).constant_data)[m]; v > kMostBias || v < -kMostBias) return plan.refuse("sums may overflow with a bias");
  }
  plan.scratch_bytes *= 2;  // scales behind what sums begin with
  plan.scratch_bytes_per_worker = static_cast<uint64_t>(sums_at(depth) + kBlock * features * 4);
  return Error::Ok;
}
// What y begins with and how sums become bytes.
Requantize requantized(RunContext& c, int32_t* start, int64_t features) {
  auto* const scale = reinterpret_cast<float*>(start) + integer_columns(features);
  const TensorView& w = c.input(4);
  for (int64_t m = 0; m < features; ++m) {
    scale[m] = *c.input(1).as<const float>() * w.as<const float>()[w.count() == 1 ? 0 : m] / *c.input(6).as<const float>();
    if (c.has_input(8)) start[m] += c.input(8).as<const int32_t>()[m];
  }
  return {scale, form_of(c, 7, c.output(0)), c.output(0).as<uint8_t>()};
}
template <bool kQuantised>
Error run_conv(RunContext& c) {
  const ConvInputs in = inputs_of(kQuantised);
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  const Shape& w = c.input(in.weights).shape;
  const Geometry g(c.attributes<QuantConvAttrs>(), x.shape, w, y.shape);
  const Left left(x, c.has_input(in.x_zero) ? &c.input(in.x_zero) : nullptr);
  const int64_t depth = w.count(1, w.rank), features = w[0];
  const auto* const bytes = x.as<const uint8_t>();
  const bool direct = left.flip == 0 && integer_row_bytes(depth) == depth && g.is_product();
  auto* const start = static_cast<int32_t*>(c.scratch);
  integer_start(c.packed[0], features, left.zero, start);
  const Requantize q = kQuantised ? requantized(c, start, features) : Requantize{};
  multiply(c, {.rows = y.count() / features, .depth = depth, .columns = features, .start = start, .c = y.as<int32_t>(), .c_stride = features}, direct ? bytes : nullptr, q,
           [&](int64_t pixel, uint8_t* to) { gather_pixel(g, left, bytes, pixel, to); });
  return Error::Ok;
}

// --- floats to bytes and back

// Inputs x, scale, zero point; `floats` and `bytes` are the types of the two sides.
template <class Attrs>
Error prepare_bytes(const NodeView& node, KernelPlan& plan, const Attrs& a, DType floats, DType bytes) {
  if (floats != DType::F32 || node.input(1).dtype != DType::F32) return plan.refuse("element type is not float32");
  if (bytes != DType::U8 && bytes != DType::I8) return plan.refuse("the other side has no 8-bit integers");
  if (a.block != 0 || node.input(1).shape.count() != 1) return plan.refuse("more than one scale");
  plan.data_bytes = sizeof(Isa);
  return Error::Ok;
}
Error prepare_quantize(const NodeView& node, KernelPlan& plan) {
  const auto& a = node.attributes<op::QuantizeLinear::Attrs>();
  if (a.precision != DType::Invalid && a.precision != DType::F32) return plan.refuse("the division is not in float32");
  return prepare_bytes(node, plan, a, node.input(0).dtype, node.output(0).dtype);
}
Error prepare_dequantize(const NodeView& node, KernelPlan& plan) {
  return prepare_bytes(node, plan, node.attributes<op::DequantizeLinear::Attrs>(), node.output(0).dtype, node.input(0).dtype);
}
Error prepare_dynamic(const NodeView&, KernelPlan& plan) {
  plan.data_bytes = sizeof(Isa);
  return Error::Ok;
}

// x to y with one scale, either way.
Error convert(RunContext& c, float scale, ByteForm form, bool to_bytes) {
  const Isa isa = *static_cast<const Isa*>(c.data);
  const auto *const x = c.input(0).as<const uint8_t>();
  auto* const y = c.output(0).as<uint8_t>();
  c.parallel.chunks(c.input(0).count(), kQuantizeGrain, [&](int64_t begin, int64_t end, int) {
    if (to_bytes) quantize_f32(isa, reinterpret_cast<const float*>(x) + begin, end - begin, scale, form, y + begin);
    else dequantize_f32(isa, x + begin, end - begin, scale, form, reinterpret_cast<float*>(y) + begin);
  });
  return Error::Ok;
}
template <bool kToBytes>
Error run_convert(RunContext& c) {
  return convert(c, *c.input(1).as<const float>(), form_of(c, 2, kToBytes ? c.output(0) : c.input(0)), kToBytes);
}
Error run_dynamic(RunContext& c) {
  float low = 0, high = 0, scale = 1, zero = 0;
  widen_range(*static_cast<const Isa*>(c.data), c.input(0).as<const float>(), c.input(0).count(), low, high);
  GF_TRY(cpu::dynamic_scale(c, low, high, scale, zero));
  return convert(c, scale, {static_cast<int32_t>(zero), false}, true);
}

}  // namespace

extern const Kernel matmul_integer_kernel, conv_integer_kernel, qlinear_conv_kernel, quantize_linear_kernel, dequantize_linear_kernel, dynamic_quantize_linear_kernel;
const Kernel matmul_integer_kernel{.op = op::MatMulInteger::info.id, .name = "matmul_integer_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_matmul, .init = init, .run = run_matmul};
const Kernel conv_integer_kernel{.op = op::ConvInteger::info.id, .name = "conv_integer_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_conv<false>, .init = init, .run = run_conv<false>};
const Kernel qlinear_conv_kernel{.op = op::QLinearConv::info.id, .name = "qlinear_conv_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_requantized, .init = init, .run = run_conv<true>};
const Kernel quantize_linear_kernel{.op = op::QuantizeLinear::info.id, .name = "quantize_linear_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_quantize, .init = init, .run = run_convert<true>};
const Kernel dequantize_linear_kernel{.op = op::DequantizeLinear::info.id, .name = "dequantize_linear_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_dequantize, .init = init, .run = run_convert<false>};
const Kernel dynamic_quantize_linear_kernel{.op = op::DynamicQuantizeLinear::info.id, .name = "dynamic_quantize_linear_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_dynamic, .init = init, .run = run_dynamic};

}  // namespace gf::simd
