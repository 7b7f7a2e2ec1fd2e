// Tests of convolution and transposed convolution: every ISA of this machine against f64 from the definitions, over
// random shapes, strides, dilations, paddings and groups in 1 to 3 dimensions.
#include "ops/cpu/simd/conv.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "ops/cpu/simd/conv_rounded.h"
#include "runtime/core/half.h"
#include "tests/simd/gemm_test_util.h"
#include "tests/simd/rounded_support.h"

namespace gf::simd {
namespace {

using namespace test;  // NOLINT

struct Data {
  ConvShape s;  ///< normalised, from the plan
  ConvPlan plan;
  int64_t out_pixels, in_pixels, volume;
  std::vector<float> input, weights, bias, residual;
  WeightLayout layout = WeightLayout::Oihw;

  Data(const ConvPlan& p, std::mt19937& rng) : s(p.shape), plan(p) {
    in_pixels = s.in[0] * s.in[1] * s.in[2];
    out_pixels = p.out[0] * p.out[1] * p.out[2];
    volume = s.kernel[0] * s.kernel[1] * s.kernel[2];
    input = random_floats(rng, static_cast<size_t>(s.batch * in_pixels * s.in_channels));
    const int64_t first = p.transposed ? s.in_channels : s.out_channels;
    const int64_t second = (p.transposed ? s.out_channels : s.in_channels) / s.groups;
    weights = random_floats(rng, static_cast<size_t>(first * second * volume));
    bias = random_floats(rng, static_cast<size_t>(s.out_channels));
    residual = random_floats(rng, output_size());
  }
  size_t output_size() const { return static_cast<size_t>(s.batch * out_pixels * s.out_channels); }
  float weight(int64_t first, int64_t second, const int64_t (&t)[3]) const {
    const int64_t seconds = (plan.transposed ? s.out_channels : s.in_channels) / s.groups;
    const int64_t tap = (t[0] * s.kernel[1] + t[1]) * s.kernel[2] + t[2];
    return layout == WeightLayout::Oihw ? weights[static_cast<size_t>((first * seconds + second) * volume + tap)]
                                        : weights[static_cast<size_t>((first * volume + tap) * seconds + second)];
  }
  float pixel(int64_t n, const int64_t (&at)[3], int64_t c) const {
    const int64_t index = ((n * s.in[0] + at[0]) * s.in[1] + at[1]) * s.in[2] + at[2];
    return input[static_cast<size_t>(index * s.in_channels + c)];
  }

  /// Sum of products for one output element, and sum of their squares.
  double expect(int64_t n, const int64_t (&o)[3], int64_t c, double& squares) const {
    const int64_t in_group = s.in_channels / s.groups, out_group = s.out_channels / s.groups, g = c / out_group;
    double sum = 0;
    int64_t t[3];
    for (t[0] = 0; t[0] < s.kernel[0]; ++t[0])
      for (t[1] = 0; t[1] < s.kernel[1]; ++t[1])
        for (t[2] = 0; t[2] < s.kernel[2]; ++t[2]) {
          int64_t at[3];
          bool inside = true;
          for (int d = 0; d < 3; ++d) {
            if (plan.transposed) {
              const int64_t scaled = o[d] + s.pad_begin[d] - t[d] * s.dilation[d];
              inside = inside && scaled >= 0 && scaled % s.stride[d] == 0;
              at[d] = scaled / s.stride[d];
            } else {
              at[d] = o[d] * s.stride[d] - s.pad_begin[d] + t[d] * s.dilation[d];
            }
            inside = inside && at[d] >= 0 && at[d] < s.in[d];
          }
          if (!inside) continue;
          for (int64_t i = 0; i < in_group; ++i) {
            const double w = plan.transposed ? weight(g * in_group + i, c % out_group, t) : weight(c, i, t);
            const double term = w * static_cast<double>(pixel(n, at, g * in_group + i));
            sum += term;
            squares += term * term;
          }
        }
    return sum;
  }
};

std::vector<float> run(const Data& data, const Epilogue& epilogue, const ConvWeights& weights, int threads) {
  const ConvPlan& plan = data.plan;
  Buffer packed(static_cast<size_t>(plan.packed_bytes / 4), -77.0F);
  conv_pack(plan, weights, packed.data());
  Buffer scratch(static_cast<size_t>(plan.scratch_bytes(threads) / 4), std::numeric_limits<float>::quiet_NaN());
  std::vector<float> out(data.output_size(), -99.0F);
  ConvArgs args{data.input.data(), packed.data(), out.data(), epilogue};
  TestThreads pool(threads);
  const ParallelFor parallel = threads == 1 ? ParallelFor{} : pool.get();
  if (plan.transposed) {
    conv_transpose(plan, args, scratch.data(), parallel);
  } else {
    conv(plan, args, scratch.data(), parallel);
  }
  return out;
}

std::vector<float> run_rounded(const Data& data, const Epilogue& epilogue, int threads) {
  RoundedConvPlan plan;
  EXPECT_EQ(rounded_conv_plan(data.plan.isa, data.plan.transposed, data.s, plan), Error::Ok);
  Buffer scratch(static_cast<size_t>(plan.scratch_bytes(threads) / 4), std::numeric_limits<float>::quiet_NaN());
  std::vector<float> out(data.output_size(), -99.0F);
  TestThreads pool(threads);
  conv_rounded(plan, data.input.data(), data.weights.data(), out.data(), epilogue, scratch.data(), threads == 1 ? ParallelFor{} : pool.get());
  return out;
}

std::string describe(Isa isa, const ConvShape& s) {
  std::ostringstream text;
  const auto add = [&](const char* name, const int64_t(&v)[3]) {
    text << ' ' << name;
    for (int d = 0; d < s.spatial_rank; ++d) text << ' ' << v[d];
  };
  text << isa_name(isa) << " n " << s.batch << " ci " << s.in_channels << " co " << s.out_channels << " g " << s.groups;
  add("in", s.in);
  add("kernel", s.kernel);
  add("stride", s.stride);
  add("dilation", s.dilation);
  add("pad", s.pad_begin);
  add("pad_end", s.pad_end);
  return text.str();
}

/// False when the shape has no output. `rounded`: from operands rounded to bfloat16.
bool check(Isa isa, const ConvShape& shape, bool transposed, WeightLayout layout, const ActivationSpec& activation,
           bool with_residual, unsigned seed, bool rounded = false) {
  SCOPED_TRACE(describe(isa, shape));
  std::mt19937 rng(seed);
  ConvPlan plan;
  const Error error = transposed ? conv_transpose_plan(isa, shape, plan) : conv_plan(isa, shape, plan);
  if (error != Error::Ok) return false;
  Data data(plan, rng);
  data.layout = layout;
  Epilogue e;
  e.bias = data.bias.data();
  e.residual = with_residual ? data.residual.data() : nullptr;
  e.activation = activation;
  const ConvWeights weights{data.weights.data(), DType::F32, layout};
  const std::vector<float> out = rounded ? run_rounded(data, e, 1) : run(data, e, weights, 1);
  const Data given = data;
  if (rounded) {  // what is expected follows from rounded operands
    data.input = nearest_bf16(data.input);
    data.weights = nearest_bf16(data.weights);
  }
  const ConvShape& s = plan.shape;
  const auto terms = static_cast<double>(data.volume * s.in_channels / s.groups);
  size_t at = 0;
  int64_t o[3];
  for (int64_t n = 0; n < s.batch; ++n)
    for (o[0] = 0; o[0] < plan.out[0]; ++o[0])
      for (o[1] = 0; o[1] < plan.out[1]; ++o[1])
        for (o[2] = 0; o[2] < plan.out[2]; ++o[2])
          for (int64_t c = 0; c < s.out_channels; ++c, ++at) {
            double squares = 0;
            double x = data.expect(n, o, c, squares) + data.bias[static_cast<size_t>(c)];
            if (with_residual) x += data.residual[at];
            const double u = 6e-8;  // as in the matrix product's tests
            const double bound = 1e-6 + 4 * u * (std::sqrt(terms * squares) + std::fabs(x));
            EXPECT_NEAR(out[at], activation_f64(activation, x), bound)
                << "at " << n << ' ' << o[0] << ' ' << o[1] << ' ' << o[2] << ' ' << c;
            if (testing::Test::HasFailure()) return true;
          }
  for (int threads : {2, 4}) {
    const std::vector<float> again = rounded ? run_rounded(given, e, threads) : run(data, e, weights, threads);
    EXPECT_TRUE(same_bits(out, again)) << threads << " threads differ";
  }
  return true;
}

ConvShape random_shape(std::mt19937& rng, bool transposed) {
  ConvShape s;
  s.spatial_rank = static_cast<int>(pick(rng, 1, 3));
  const int64_t most = s.spatial_rank == 1 ? 40 : s.spatial_rank == 2 ? 14 : 6;
  s.batch = pick(rng, 1, 2);
  s.groups = pick(rng, 0, 2) == 0 ? pick(rng, 2, 3) : 1;
  s.in_channels = s.groups * (pick(rng, 0, 1) == 0 ? pick(rng, 1, 5) : pick(rng, 1, 40));
  s.out_channels = s.groups * pick(rng, 1, 50);
  for (int d = 0; d < s.spatial_rank; ++d) {
    s.in[d] = pick(rng, 1, most);
    s.kernel[d] = pick(rng, 1, s.spatial_rank == 3 ? 3 : 5);
    s.stride[d] = pick(rng, 1, 3);
    s.dilation[d] = pick(rng, 0, 2) == 0 ? pick(rng, 2, 3) : 1;
    s.pad_begin[d] = pick(rng, 0, 3);
    s.pad_end[d] = pick(rng, 0, 3);
    s.output_pad[d] = transposed ? pick(rng, 0, s.stride[d] - 1) : 0;
  }
  return s;
}

void check_random(bool transposed, unsigned seed, int wanted) {
  std::mt19937 rng(seed);
  int done = 0;
  for (int i = 0; done < wanted && i < 10 * wanted; ++i) {
    const ConvShape s = random_shape(rng, transposed);
    const WeightLayout layout = pick(rng, 0, 1) == 0 ? WeightLayout::Oihw : WeightLayout::Ohwi;
    const ActivationSpec& activation = all_activations()[static_cast<size_t>(pick(rng, 0, 11))];
    const bool residual = pick(rng, 0, 1) == 0;
    bool ran = false;
    for (Isa isa : isas())
      ran = check(isa, s, transposed, layout, activation, residual, static_cast<unsigned>(i)) &&
            check(isa, s, transposed, WeightLayout::Oihw, activation, residual, static_cast<unsigned>(i), true);
    if (ran) ++done;
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_EQ(done, wanted);
}

TEST(Conv, RandomShapes) { check_random(false, 21, 220); }
TEST(ConvTranspose, RandomShapes) { check_random(true, 22, 180); }

ConvShape conv2d(int64_t size, int64_t cin, int64_t cout, int64_t kernel, int64_t stride) {
  ConvShape s;
  s.in_channels = cin, s.out_channels = cout;
  for (int d = 0; d < 2; ++d) {
    s.in[d] = size, s.kernel[d] = kernel, s.stride[d] = stride;
    s.pad_begin[d] = s.pad_end[d] = kernel / 2;
  }
  return s;
}

TEST(Conv, NetworkLayers) {
  for (Isa isa : isas()) {
    for (const ConvShape& s : {conv2d(37, 3, 64, 7, 2), conv2d(14, 64, 64, 3, 1), conv2d(13, 96, 130, 3, 2),
                               conv2d(15, 256, 64, 1, 1), conv2d(15, 64, 40, 1, 2), conv2d(7, 512, 32, 3, 1)})
      EXPECT_TRUE(check(isa, s, false, WeightLayout::Oihw, {Activation::Relu, 0, 0}, true, 5));
    ConvShape depthwise_like = conv2d(9, 12, 24, 3, 1);
    depthwise_like.groups = 12;
    EXPECT_TRUE(check(isa, depthwise_like, false, WeightLayout::Oihw, {}, false, 5));
    EXPECT_TRUE(check(isa, conv2d(8, 32, 48, 4, 2), true, WeightLayout::Oihw, {Activation::Silu, 1, 0}, true, 5));
    EXPECT_TRUE(check(isa, conv2d(5, 8, 8, 1, 3), true, WeightLayout::Oihw, {}, false, 5));  // phases without taps
    for (const ConvShape& s : {conv2d(37, 3, 64, 7, 2), conv2d(14, 64, 64, 3, 1), conv2d(15, 256, 64, 1, 1), conv2d(15, 64, 40, 1, 2)})
      EXPECT_TRUE(check(isa, s, false, WeightLayout::Oihw, {Activation::Relu, 0, 0}, true, 5, true));
    EXPECT_TRUE(check(isa, conv2d(8, 32, 48, 4, 2), true, WeightLayout::Oihw, {Activation::Silu, 1, 0}, true, 5, true));
    EXPECT_TRUE(check(isa, conv2d(9, 32, 33, 7, 1), true, WeightLayout::Oihw, {}, false, 5, true));  // more taps than are packed at once
    EXPECT_TRUE(check(isa, conv2d(5, 8, 8, 1, 3), true, WeightLayout::Oihw, {}, false, 5, true));
  }
}

TEST(Conv, HalfWeights) {
  for (Isa isa : isas())
    for (DType type : {DType::F16, DType::BF16}) {
      std::mt19937 rng(9);
      ConvPlan plan;
      ASSERT_EQ(conv_plan(isa, conv2d(9, 5, 33, 3, 1), plan), Error::Ok);
      Data data(plan, rng);
      std::vector<uint16_t> stored;
      for (float& w : data.weights) {
        stored.push_back(type == DType::F16 ? to_f16(w).bits : to_bf16(w).bits);
        w = type == DType::F16 ? to_f32(F16{stored.back()}) : to_f32(BF16{stored.back()});
      }
      const auto from_f32 = run(data, {}, {data.weights.data(), DType::F32, WeightLayout::Oihw}, 1);
      const auto from_half = run(data, {}, {stored.data(), type, WeightLayout::Oihw}, 1);
      EXPECT_EQ(from_f32, from_half);
    }
}

TEST(Conv, PaddingDoesNotTouchNotFinitePixels) {
  // Zeros stand for padding, so infinities reach exactly the outputs whose window holds them.
  const float inf = std::numeric_limits<float>::infinity();
  for (Isa isa : isas()) {
    std::mt19937 rng(3);
    ConvPlan plan;
    ASSERT_EQ(conv_plan(isa, conv2d(8, 4, 20, 3, 1), plan), Error::Ok);
    Data data(plan, rng);
    data.input[static_cast<size_t>((2 * 8 + 7) * 4 + 1)] = inf;  // row 2, last column
    const auto out = run(data, {}, {data.weights.data(), DType::F32, WeightLayout::Oihw}, 1);
    for (int64_t y = 0; y < 8; ++y)
      for (int64_t x = 0; x < 8; ++x)
        EXPECT_EQ(std::isfinite(out[static_cast<size_t>((y * 8 + x) * 20)]), !(y >= 1 && y <= 3 && x >= 6)) << y << x;
  }
}

TEST(Conv, WrongShapesAreRefused) {
  ConvPlan plan;
  const ConvShape good = conv2d(8, 4, 20, 3, 1);
  const auto refused = [&](auto change, Error error) {
    ConvShape s = good;
    change(s);
    EXPECT_EQ(conv_plan(Isa::Portable, s, plan), error);
  };
  refused([](ConvShape& s) { s.groups = 3; }, Error::InvalidArgument);
  refused([](ConvShape& s) { s.groups = 0; }, Error::InvalidArgument);
  refused([](ConvShape& s) { s.stride[1] = 0; }, Error::InvalidArgument);
  refused([](ConvShape& s) { s.dilation[0] = 0; }, Error::InvalidArgument);
  refused([](ConvShape& s) { s.pad_begin[0] = -1; }, Error::InvalidArgument);
  refused([](ConvShape& s) { s.kernel[0] = 11; }, Error::InvalidArgument);
  refused([](ConvShape& s) { s.kernel[0] = 0; }, Error::InvalidArgument);
  refused([](ConvShape& s) { s.in[0] = -1; }, Error::InvalidArgument);
  refused([](ConvShape& s) { s.spatial_rank = 4; }, Error::InvalidArgument);
  refused([](ConvShape& s) { s.spatial_rank = 0; }, Error::InvalidArgument);
  refused([](ConvShape& s) { s.in[0] = s.in[1] = int64_t{1} << 30; }, Error::LimitExceeded);
  refused([](ConvShape& s) { s.in[0] = INT64_MAX; }, Error::InvalidArgument);
  ConvShape s = good;
  s.pad_begin[0] = s.pad_end[0] = 20;
  EXPECT_EQ(conv_transpose_plan(Isa::Portable, s, plan), Error::InvalidArgument);
}

}  // namespace
}  // namespace gf::simd
