// Array: sizes and conversions of element types. Float8 and float4 values: ml_dtypes.
#include "io/array.h"

#include <cmath>
#include <limits>

#include "tests/io/io_test_support.h"

namespace gf::io {
namespace {

using namespace test;

TEST(IoArray, SmallFloatsAsMlDtypesReadsThem) {
  const std::pair<DType, const char*> cases[] = {{DType::F8E4M3FN, "kFloat8E4m3fn"},
                                                 {DType::F8E4M3FNUZ, "kFloat8E4m3fnuz"},
                                                 {DType::F8E5M2, "kFloat8E5m2"},
                                                 {DType::F8E5M2FNUZ, "kFloat8E5m2fnuz"},
                                                 {DType::F8E8M0, "kFloat8E8m0"}};
  for (const auto& [dtype, name] : cases) {
    Array all = Array::zeros(dtype, {256});
    for (size_t i = 0; i < 256; ++i) all.data[i] = static_cast<std::byte>(i);
    const auto expected = golden_numbers<float>(name);
    const auto got = all.as<float>();
    for (size_t i = 0; i < 256; ++i) {
      const std::string which = std::string(name) + " " + std::to_string(i);
      EXPECT_EQ(std::isnan(got[i]), std::isnan(expected[i])) << which;
      if (std::isnan(expected[i])) continue;
      EXPECT_EQ(std::signbit(got[i]), std::signbit(expected[i])) << which;
      EXPECT_EQ(got[i], expected[i]) << which;
    }
  }
  Array packed = Array::zeros(DType::F4E2M1, {16});
  ASSERT_EQ(packed.data.size(), 8U);
  for (size_t i = 0; i < 8; ++i) packed.data[i] = static_cast<std::byte>(2 * i | (2 * i + 1) << 4);
  EXPECT_EQ(packed.as<double>(), golden_numbers<double>("kFloat4"));
}

TEST(IoArray, PackedIntegersLowBitsFirst) {
  const Array i4 = Array::from_bytes(DType::I4, {3}, bytes_of("\x8f\x07"));
  EXPECT_EQ(i4.as<int64_t>(), (std::vector<int64_t>{-1, -8, 7}));
  const Array u4 = Array::from_bytes(DType::U4, {2}, bytes_of("\x8f"));
  EXPECT_EQ(u4.as<int64_t>(), (std::vector<int64_t>{15, 8}));
  const Array i2 = Array::from_bytes(DType::I2, {4}, bytes_of("\xe4"));
  EXPECT_EQ(i2.as<int64_t>(), (std::vector<int64_t>{0, 1, -2, -1}));
}

TEST(IoArray, ConversionsRoundOnceAndRefuseWhatDoesNotFit) {
  // 2^24 + 1 rounds to even in float32; through float it must not go by another type first
  EXPECT_EQ(Array::from(std::vector<int32_t>{16777217, 16777219}).as<float>(),
            (std::vector<float>{16777216.0F, 16777220.0F}));
  EXPECT_EQ(Array::from(std::vector<int64_t>{std::numeric_limits<int64_t>::min()}).as<int64_t>()[0],
            std::numeric_limits<int64_t>::min());
  EXPECT_EQ(Array::from(std::vector<double>{-1.9, 1.9}).as<int64_t>(), (std::vector<int64_t>{-1, 1}));
  for (const double bad : {std::nan(""), 0x1p63, -0x1.1p63, std::numeric_limits<double>::infinity()})
    EXPECT_EQ(error_of([&] { (void)Array::from(std::vector<double>{bad}).as<int64_t>(); }), Error::BadData);
  EXPECT_EQ(error_of([] { (void)Array::from(std::vector<uint64_t>{1ULL << 63}).as<int64_t>(); }), Error::BadData);
  EXPECT_EQ(error_of([] { (void)Array::zeros(DType::C64, {1}).as<float>(); }), Error::TypeMismatch);
  EXPECT_EQ(error_of([] { (void)Array::zeros(DType::F64, {1}).view<float>(); }), Error::TypeMismatch);
}

TEST(IoArray, SizesAreChecked) {
  EXPECT_EQ(Array::zeros(DType::F32, {}).count(), 1);
  EXPECT_EQ(Array::zeros(DType::F32, {0, 5}).count(), 0);
  EXPECT_EQ(error_of([] { (void)Array::zeros(DType::F32, {-1}); }), Error::BadFile);
  const int64_t big = int64_t{1} << 32;
  EXPECT_EQ(error_of([&] { (void)Array::zeros(DType::F32, {big, big}); }), Error::LimitExceeded);
  EXPECT_EQ(error_of([&] { (void)Array::zeros(DType::F32, {0, big, big}); }), Error::LimitExceeded);
  EXPECT_EQ(error_of([&] { (void)Array::zeros(DType::F64, {big, big / 4}); }), Error::LimitExceeded);
  EXPECT_EQ(error_of([] { (void)Array::from(std::vector<float>{1}, {2}); }), Error::ShapeMismatch);
  EXPECT_EQ(error_of([] { (void)Array::zeros(DType::String, {2}); }), Error::Unsupported);
}

}  // namespace
}  // namespace gf::io
