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

// What a product knows of its node.
struct Data {
  Isa isa;
  uint16_t op;
};
struct Inputs {
  int weights, zeros;
};
Inputs inputs_of(uint16_t op) { return op == op::QLinearConv::info.id ? Inputs{3, 5} : Inputs{1, 3}; }
bool is_matrix(uint16_t op) { return op == op::MatMulInteger::info.id; }

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

// --- products: rows are those of a matrix, or pixels of the result; the depth is taps by channels

// A matrix as it lies, OIHW as taps by channels.
IntegerSide right_side(uint16_t op, const Shape& w) {
  if (is_matrix(op)) return {.channels = w[0], .columns = w[1], .channel_stride = w[1], .column_stride = 1};
  const int64_t taps = w.count(2, w.rank);
  return {.taps = taps, .channels = w[1], .columns = w[0], .tap_stride = 1, .channel_stride = taps, .column_stride = taps * w[1]};
}

struct Axis {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, pad = 0;
};
// Three axes, the first ones of length 1 where there are fewer.
struct Geometry {
  Axis axis[3];
  int64_t channels;
  explicit Geometry(int64_t depth) : channels(depth) {}  // of a matrix: every row is an image of one pixel
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

Error pack(const NodeView& node, void* destination) {
  const uint16_t op = node.def->info.id;
  const TensorInfo& w = node.input(inputs_of(op).weights);
  IntegerSide side = right_side(op, w.shape);
  side.b = static_cast<const int8_t*>(w.constant_data);
  integer_pack(side, destination);
  return Error::Ok;
}

Error prepare_product(const NodeView& node, KernelPlan& plan) {
  const uint16_t op = node.def->info.id;
  const auto [weights, zeros] = inputs_of(op);
  const TensorInfo& w = node.input(weights);
  if (!w.is_constant || w.dtype != DType::I8) return plan.refuse("the weights are not constant int8");
  if (!is_zero(node, zeros)) return plan.refuse("the weights have zero points");
  const IntegerSide side = right_side(op, w.shape);
  const int64_t depth = side.taps * side.channels;
  if (depth < 1 || side.columns < 1 || depth > kMostDepth || side.columns > kMostDepth) return plan.refuse("sizes outside the range of the vector form");
  const auto columns = static_cast<uint64_t>(integer_columns(side.columns));
  const bool to_bytes = op == op::QLinearConv::info.id;
  plan.data_bytes = sizeof(Data);
  plan.scratch_bytes = columns * (to_bytes ? 8 : 4);  // what sums begin with, and scales
  plan.scratch_bytes_per_worker = static_cast<uint64_t>(sums_at(depth)) + (to_bytes ? static_cast<uint64_t>(kBlock) * 4 * columns : 0);
  plan.request_pack(weights, PackKey(op, Isa::Portable).value(), static_cast<uint64_t>(integer_packed_bytes(depth, side.columns)), pack);
  return Error::Ok;
}
Error prepare_matmul(const NodeView& node, KernelPlan& plan) {
  if (node.input(1).shape.rank != 2 || node.input(0).shape.rank < 2) return plan.refuse("the right side is no single matrix, or the left one a vector");
  if (node.has_input(2) && node.input(2).shape.count() != 1) return plan.refuse("a zero point for each row");
  return prepare_product(node, plan);
}
Error prepare_conv(const NodeView& node, KernelPlan& plan) {
  if (node.attributes<QuantConvAttrs>().group != 1) return plan.refuse("groups");
  if (node.input(inputs_of(node.def->info.id).weights).shape.rank > 5) return plan.refuse("more than three spatial axes");
  return prepare_product(node, plan);
}
Error init(const NodeView& node, InitContext& context) {
  make_data<Data>(context) = {node.isa, node.def->info.id};
  return Error::Ok;
}

// Of qlinear_conv: the bias joins what sums begin with, and each column gets its scale.
void prepare_columns(const RunContext& c, int64_t columns, int32_t* start, float* scale) {
  const TensorView& w = c.input(4);
  for (int64_t m = 0; m < columns; ++m) {
    scale[m] = *c.input(1).as<const float>() * w.as<const float>()[w.count() == 1 ? 0 : m] / *c.input(6).as<const float>();
    if (c.has_input(8)) start[m] = static_cast<int32_t>(static_cast<uint32_t>(start[m]) + static_cast<uint32_t>(c.input(8).as<const int32_t>()[m]));
  }
}
Error run_product(RunContext& c) {
  const Data& data = *static_cast<const Data*>(c.data);
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  const Shape& w = c.input(inputs_of(data.op).weights).shape;
  const IntegerSide side = right_side(data.op, w);
  const int64_t depth = side.taps * side.channels, columns = side.columns, rows = y.count() / columns, row_bytes = integer_row_bytes(depth);
  const Geometry g = is_matrix(data.op) ? Geometry(depth) : Geometry(c.attributes<QuantConvAttrs>(), x.shape, w, y.shape);
  const Left left(x, c.has_input(2) ? &c.input(2) : nullptr);
  const auto* const bytes = x.as<const uint8_t>();
  const bool direct = left.flip == 0 && row_bytes == depth && g.is_product(), to_bytes = data.op == op::QLinearConv::info.id;
  auto* const start = static_cast<int32_t*>(c.scratch);
  auto* const scale = reinterpret_cast<float*>(start) + integer_columns(columns);
  integer_start(c.packed[0], columns, left.zero, start);
  if (to_bytes) prepare_columns(c, columns, start, scale);
  const ByteForm form = to_bytes ? form_of(c, 7, y) : ByteForm{};
  c.parallel((rows + kBlock - 1) / kBlock, [&](int64_t task, int worker) {
    const int64_t first = task * kBlock;
    auto* const to = c.scratch_of<uint8_t>(worker);
    IntegerProduct p{.a = to, .a_stride = row_bytes, .rows = rows - first < kBlock ? rows - first : kBlock, .depth = depth, .columns = columns};
    p.packed = c.packed[0];
    p.start = start;
    p.c = to_bytes ? reinterpret_cast<int32_t*>(to + sums_at(depth)) : y.as<int32_t>() + first * columns;
    p.c_stride = columns;
    if (direct) p.a = bytes + first * depth;
    else
      for (int64_t r = 0; r < p.rows; ++r) gather_pixel(g, left, bytes, first + r, to + r * row_bytes);
    integer_product(data.isa, p);
    if (to_bytes) requantize(data.isa, p.c, p.rows, columns, scale, form, y.as<uint8_t>() + first * columns);
  });
  return Error::Ok;
}

// --- floats to bytes and back

// Inputs x, scale, zero point; `floats` and `bytes` are the types of the two sides.
Error prepare_bytes(const NodeView& node, KernelPlan& plan, int64_t scale_block, DType floats, DType bytes) {
  if (floats != DType::F32 || node.input(1).dtype != DType::F32) return plan.refuse("element type is not float32");
  if (bytes != DType::U8 && bytes != DType::I8) return plan.refuse("the other side has no 8-bit integers");
  if (scale_block != 0 || node.input(1).shape.count() != 1) return plan.refuse("more than one scale");
  plan.data_bytes = sizeof(Data);
  return Error::Ok;
}
Error prepare_quantize(const NodeView& node, KernelPlan& plan) {
  const auto& a = node.attributes<op::QuantizeLinear::Attrs>();
  if (a.precision != DType::Invalid && a.precision != DType::F32) return plan.refuse("the division is not in float32");
  return prepare_bytes(node, plan, a.block, node.input(0).dtype, node.output(0).dtype);
}
Error prepare_dequantize(const NodeView& node, KernelPlan& plan) {
  return prepare_bytes(node, plan, node.attributes<op::DequantizeLinear::Attrs>().block, node.output(0).dtype, node.input(0).dtype);
}
Error prepare_dynamic(const NodeView&, KernelPlan& plan) {
  plan.data_bytes = sizeof(Data);
  return Error::Ok;
}

// x to y with one scale, either way.
Error convert(RunContext& c, float scale, ByteForm form, bool to_bytes) {
  const Isa isa = static_cast<const Data*>(c.data)->isa;
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
  widen_range(static_cast<const Data*>(c.data)->isa, c.input(0).as<const float>(), c.input(0).count(), low, high);
  GF_TRY(cpu::dynamic_scale(c, low, high, scale, zero));
  return convert(c, scale, {static_cast<int32_t>(zero), false}, true);
}

}  // namespace

extern const Kernel matmul_integer_kernel, conv_integer_kernel, qlinear_conv_kernel, quantize_linear_kernel, dequantize_linear_kernel, dynamic_quantize_linear_kernel;
const Kernel matmul_integer_kernel{.op = op::MatMulInteger::info.id, .name = "matmul_integer_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_matmul, .init = init, .run = run_product};
const Kernel conv_integer_kernel{.op = op::ConvInteger::info.id, .name = "conv_integer_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_conv, .init = init, .run = run_product};
const Kernel qlinear_conv_kernel{.op = op::QLinearConv::info.id, .name = "qlinear_conv_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_conv, .init = init, .run = run_product};
const Kernel quantize_linear_kernel{.op = op::QuantizeLinear::info.id, .name = "quantize_linear_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_quantize, .init = init, .run = run_convert<true>};
const Kernel dequantize_linear_kernel{.op = op::DequantizeLinear::info.id, .name = "dequantize_linear_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_dequantize, .init = init, .run = run_convert<false>};
const Kernel dynamic_quantize_linear_kernel{.op = op::DynamicQuantizeLinear::info.id, .name = "dynamic_quantize_linear_simd", .isa = kNeeded, .rank = 20, .prepare = prepare_dynamic, .init = init, .run = run_dynamic};

}  // namespace gf::simd
