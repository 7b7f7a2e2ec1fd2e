// Products of bytes against a loop in int64, and floats to bytes against the rule of quantize_linear, on every level this machine has.
#include "ops/cpu/simd/integer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

std::vector<Isa> levels() {
  std::vector<Isa> all = test::available_isas();
  if (isa_allows(best_isa(), Isa::Avx512Vnni)) all.push_back(Isa::Avx512Vnni);
  return all;
}

TEST(SimdInteger, ProductsAreExact) {
  std::mt19937 engine(4);
  const auto draw = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); };
  for (int trial = 0; trial < 150; ++trial) {
    const int64_t rows = draw(1, 21), depth = trial < 5 ? draw(500, 2000) : draw(1, 40), columns = draw(1, 70);
    const bool extreme = trial % 3 == 0, transposed = trial % 2 == 0;
    const int64_t a_stride = integer_row_bytes(depth), c_stride = columns + draw(0, 3);
    const auto zero = static_cast<int32_t>(draw(0, 255));
    std::vector<uint8_t> a(static_cast<size_t>(rows * a_stride));
    std::vector<int8_t> b(static_cast<size_t>(depth * columns));
    for (uint8_t& v : a) v = static_cast<uint8_t>(extreme ? 255 : draw(0, 255));
    for (int8_t& v : b) v = static_cast<int8_t>(extreme ? (trial % 2 == 0 ? -128 : 127) : draw(-128, 127));
    std::vector<std::byte> packed(static_cast<size_t>(integer_packed_bytes(depth, columns)) + 64);
    void* const at = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(packed.data()) + 63) / 64 * 64);
    const int64_t taps = depth % 3 == 0 ? 3 : 1, row_stride = transposed ? 1 : columns;
    integer_pack({.b = b.data(), .taps = taps, .channels = depth / taps, .columns = columns, .tap_stride = depth / taps * row_stride, .channel_stride = row_stride,
                  .column_stride = transposed ? depth : 1}, at);
    std::vector<int32_t> start(static_cast<size_t>(integer_columns(columns)));
    integer_start(at, columns, zero, start.data());
    for (const Isa isa : levels()) {
      constexpr int32_t kUntouched = -77777777;
      std::vector<int32_t> c(static_cast<size_t>(rows * c_stride), kUntouched);
      integer_product(isa, {.a = a.data(), .a_stride = a_stride, .rows = rows, .depth = depth, .columns = columns, .packed = at, .start = start.data(), .c = c.data(), .c_stride = c_stride});
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t k = 0; k < c_stride; ++k) {
          int64_t want = kUntouched;
          if (k < columns) {
            want = 0;
            for (int64_t d = 0; d < depth; ++d)
              want += (static_cast<int64_t>(a[static_cast<size_t>(r * a_stride + d)]) - zero) * b[static_cast<size_t>(transposed ? k * depth + d : d * columns + k)];
          }
          ASSERT_EQ(c[static_cast<size_t>(r * c_stride + k)], want) << isa_name(isa) << " " << rows << "x" << depth << "x" << columns << " at " << r << "," << k;
        }
    }
  }
}

// y = saturate(round half to even(x / scale) + zero), in double; NaN gives 0, as the portable kernel says.
TEST(SimdInteger, QuantizesLikeTheRule) {
  std::vector<float> x = test::sweep(65537 * 31);
  for (int i = -600; i <= 600; ++i) x.push_back(static_cast<float>(i) / 2);  // halves of a scale of 1
  for (const float scale : {1.0f, 0.1f, 0.0078125f, 3e4f})
    for (const bool is_signed : {false, true})
      for (const int32_t zero : is_signed ? std::vector<int32_t>{-128, 0, 127} : std::vector<int32_t>{0, 13, 255})
        for (const Isa isa : levels()) {
          std::vector<uint8_t> y(x.size());
          quantize_f32(isa, x.data(), static_cast<int64_t>(x.size()), scale, {zero, is_signed}, y.data());
          for (size_t i = 0; i < x.size(); ++i) {
            const double low = is_signed ? -128 : 0, high = is_signed ? 127 : 255, r = std::nearbyint(static_cast<double>(x[i] / scale)) + zero;
            const double want = std::isnan(r) ? 0 : std::fmin(std::fmax(r, low), high);
            const double have = is_signed ? static_cast<double>(static_cast<int8_t>(y[i])) : static_cast<double>(y[i]);
            ASSERT_EQ(have, want) << isa_name(isa) << " " << x[i] << " / " << scale << " + " << zero;
          }
        }
}

TEST(SimdInteger, SumsBecomeBytesLikeTheRule) {
  std::mt19937 engine(6);
  std::uniform_int_distribution<int32_t> sum(-200000, 200000);
  for (const int64_t columns : {1, 4, 7, 16, 35})
    for (const ByteForm form : {ByteForm{128, false}, ByteForm{0, false}, ByteForm{-128, true}, ByteForm{5, true}})
      for (const Isa isa : levels()) {
        constexpr int64_t kRows = 9;
        std::vector<int32_t> sums(static_cast<size_t>(kRows * columns));
        for (int32_t& v : sums) v = sum(engine);
        sums.front() = INT32_MAX, sums.back() = INT32_MIN;
        std::vector<float> scale(static_cast<size_t>(columns));
        for (size_t k = 0; k < scale.size(); ++k) scale[k] = k % 2 == 0 ? 0.0078125f : 0.0003f;  // halves, and others
        std::vector<uint8_t> y(sums.size() + 1, 77);
        requantize(isa, sums.data(), kRows, columns, scale.data(), form, y.data());
        EXPECT_EQ(y.back(), 77);
        for (size_t i = 0; i < sums.size(); ++i) {
          const double low = form.is_signed ? -128 : 0, high = form.is_signed ? 127 : 255;
          const double r = std::nearbyint(static_cast<double>(static_cast<float>(sums[i]) * scale[i % scale.size()])) + form.zero;
          const double have = form.is_signed ? static_cast<double>(static_cast<int8_t>(y[i])) : static_cast<double>(y[i]);
          ASSERT_EQ(have, std::fmin(std::fmax(r, low), high)) << isa_name(isa) << " " << sums[i] << " of column " << i % scale.size();
        }
      }
}

TEST(SimdInteger, BytesToFloatsAndTheirRange) {
  for (const int64_t count : {1, 5, 16, 67, 300})
    for (const bool is_signed : {false, true})
      for (const Isa isa : levels()) {
        std::vector<uint8_t> x(static_cast<size_t>(count));
        for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint8_t>(37 * i);
        const int32_t zero = is_signed ? -7 : 100;
        std::vector<float> y(x.size() + 1, 77.0f);
        dequantize_f32(isa, x.data(), count, 0.1f, {zero, is_signed}, y.data());
        EXPECT_EQ(y.back(), 77.0f);
        for (size_t i = 0; i < x.size(); ++i) {
          const int32_t q = is_signed ? static_cast<int32_t>(static_cast<int8_t>(x[i])) : static_cast<int32_t>(x[i]);
          ASSERT_EQ(y[i], static_cast<float>(q - zero) * 0.1f) << isa_name(isa) << " " << i;
        }
        if (count > 3) y[1] = std::nanf("");  // does not count
        if (count > 3) y[static_cast<size_t>(count) - 2] = 1e9f;
        float least = 0, greatest = 0, low = 0, high = 0;
        for (int64_t i = 0; i < count; ++i) {
          least = std::fmin(least, y[static_cast<size_t>(i)]);
          greatest = std::fmax(greatest, y[static_cast<size_t>(i)]);
        }
        widen_range(isa, y.data(), count, low, high);
        EXPECT_EQ(low, least) << isa_name(isa) << " of " << count;
        EXPECT_EQ(high, greatest) << isa_name(isa) << " of " << count;
      }
}

}  // namespace
}  // namespace gf::simd
