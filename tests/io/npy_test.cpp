// .npy and .npz against files that numpy wrote.
#include "io/npy.h"

#include <cstring>

#include "tests/io/io_test_support.h"

namespace gf::io {
namespace {

using namespace test;

Array parsed(const std::string& name) { return parse_npy(golden(name), name); }
void parse(ByteSpan bytes) { (void)parse_npy(bytes, "test"); }
void parse_zip(ByteSpan bytes) { (void)parse_npz(bytes, "test"); }

// A version 1.0 file with this header text and payload.
Bytes with_header(std::string header, size_t payload) {
  std::string file = "\x93NUMPY\x01";
  file += '\0';
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  return bytes_of(file + header + std::string(payload, '\x02'));
}

TEST(IoNpy, EveryTypeAndByteOrder) {
  int cases = 0;
  for (int t = 0; t < kDTypeCount; ++t) {
    const auto dtype = static_cast<DType>(t);
    if (!kNumbersAndBool.contains(dtype) || dtype == DType::BF16) continue;
    for (const char* order : {"le", "be"}) {
      if (dtype_bits(dtype) == 8 && std::string(order) == "be") continue;
      const std::string name = std::string("kNpy_") + dtype_name(dtype) + "_" + order;
      const Array array = parsed(name);
      EXPECT_EQ(array.dtype, dtype) << name;
      EXPECT_EQ(array.shape, (std::vector<int64_t>{2, 3})) << name;
      EXPECT_EQ(array.as<double>(), golden_numbers<double>(name + "_values")) << name;
      if (std::string(order) == "le") {
        EXPECT_EQ(npy_bytes(array), golden(name)) << "written like numpy: " << name;
      }
      ++cases;
    }
  }
  EXPECT_EQ(cases, 21);
}

TEST(IoNpy, OrderRankAndVersions) {
  std::vector<int32_t> counting(24);
  for (int i = 0; i < 24; ++i) counting[static_cast<size_t>(i)] = i;
  EXPECT_EQ(parsed("kNpyFortran"), Array::from(counting, {2, 3, 4}));
  EXPECT_EQ(parsed("kNpyFortranBig"), Array::from(std::vector<int16_t>{0, 1, 2, 3, 4, 5}, {2, 3}));
  EXPECT_EQ(parsed("kNpyScalar"), Array::from(std::vector<float>{3.5F}, {}));
  EXPECT_EQ(parsed("kNpyEmpty"), Array::zeros(DType::F32, {0, 3}));
  EXPECT_EQ(parsed("kNpyVersion2"), Array::from(std::vector<float>{0, 1, 2}));
  EXPECT_EQ(parsed("kNpyVersion3"), Array::from(std::vector<float>{0, 1, 2}));
  const Array complex = parsed("kNpyComplex");
  EXPECT_EQ(complex.dtype, DType::C64);
  const float expected[] = {1.0F, 2.0F, -3.5F, 0.25F};
  EXPECT_EQ(std::memcmp(complex.data.data(), expected, sizeof expected), 0);
  for (const char* name : {"kNpyScalar", "kNpyEmpty"}) EXPECT_EQ(npy_bytes(parsed(name)), golden(name));
}

TEST(IoNpy, TypesThatNumpyLacksAreWidened) {
  const Array bf16 = Array::from(std::vector<BF16>{to_bf16(1.5F), to_bf16(-2.0F)});
  EXPECT_EQ(parse_npy(npy_bytes(bf16), "t"), Array::from(std::vector<float>{1.5F, -2.0F}));
  const Array i4 = Array::from_bytes(DType::I4, {2}, bytes_of("\x8f"));
  EXPECT_EQ(parse_npy(npy_bytes(i4), "t"), Array::from(std::vector<int8_t>{-1, -8}));
  const Array u4 = Array::from_bytes(DType::U4, {2}, bytes_of("\x8f"));
  EXPECT_EQ(parse_npy(npy_bytes(u4), "t"), Array::from(std::vector<uint8_t>{15, 8}));
}

TEST(IoNpy, BoolBytesAreNormalised) {
  const Bytes file = with_header("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }\n", 2);
  EXPECT_EQ(parse_npy(file, "t").data, (Bytes{std::byte{1}, std::byte{1}}));
}

TEST(IoNpy, BrokenHeaders) {
  const auto shape = [](const std::string& text, size_t payload = 0) {
    return error_of(
        [&] { parse(with_header("{'descr': '<f4', 'fortran_order': False, 'shape': " + text + "}", payload)); });
  };
  EXPECT_EQ(shape("(2,)", 8), Error::Ok);
  EXPECT_EQ(shape("(2L, 1L)", 8), Error::Ok);
  EXPECT_EQ(shape("(2,)", 7), Error::BadFile);
  EXPECT_EQ(shape("(2,)", 9), Error::BadFile);
  EXPECT_EQ(shape("(-2,)", 8), Error::BadFile);
  EXPECT_EQ(shape("(4294967296, 4294967296)"), Error::LimitExceeded);
  EXPECT_EQ(shape("(0, 4294967296, 4294967296)"), Error::LimitExceeded);
  EXPECT_EQ(shape("(4611686018427387904,)"), Error::LimitExceeded);
  EXPECT_EQ(shape("(4611686018427387903,)"), Error::LimitExceeded);
  EXPECT_EQ(shape("(9999999999999999999999,)"), Error::BadFile);
  EXPECT_EQ(shape("(1,1,1,1,1,1,1,1,1)", 4), Error::LimitExceeded);
  EXPECT_EQ(shape("(2"), Error::BadFile);
  EXPECT_EQ(shape("(,)"), Error::BadFile);
  EXPECT_EQ(shape("2"), Error::BadFile);
  const auto header = [](const std::string& text) { return error_of([&] { parse(with_header(text, 4)); }); };
  EXPECT_EQ(header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x"), Error::BadFile);
  EXPECT_EQ(header("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}"), Error::BadFile);
  EXPECT_EQ(header("{'descr': '<f4', 'shape': (1,)}"), Error::BadFile);
  EXPECT_EQ(header("{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}"), Error::BadFile);
  EXPECT_EQ(header("{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}"), Error::BadFile);
  EXPECT_EQ(header("{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}"), Error::Unsupported);
  EXPECT_EQ(header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), Error::Unsupported);
  EXPECT_EQ(header("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,)}"), Error::Unsupported);
  EXPECT_EQ(header("{'descr': '', 'fortran_order': False, 'shape': (1,)}"), Error::Unsupported);
  EXPECT_EQ(error_of([] { (void)parsed("kNpyString"); }), Error::Unsupported);
  EXPECT_EQ(error_of([] { (void)parsed("kNpyRecord"); }), Error::Unsupported);
  EXPECT_EQ(error_of([] { parse(golden("kNpzStored")); }), Error::BadFile) << "another format";
  Bytes version = golden("kNpyScalar");
  version[6] = std::byte{4};
  EXPECT_EQ(error_of([&] { parse(version); }), Error::BadVersion);
  Bytes length = golden("kNpyVersion2");
  length[11] = std::byte{0xff};
  EXPECT_EQ(error_of([&] { parse(length); }), Error::LimitExceeded);
  Bytes beyond = golden("kNpyVersion2");
  beyond[9] = std::byte{0x7f};
  EXPECT_EQ(error_of([&] { parse(beyond); }), Error::BadFile);
}

TEST(IoNpy, DamageIsATypedError) {
  for (const char* name : {"kNpyScalar", "kNpyFortran", "kNpyVersion3"}) {
    expect_truncation_errors(golden(name), parse);
    expect_flips_are_survived(golden(name), parse);
  }
}

TEST(IoNpz, StoredAndDeflated) {
  for (const char* name : {"kNpzStored", "kNpzDeflated"}) {
    const std::vector<NamedArray> arrays = parse_npz(golden(name), name);
    ASSERT_EQ(arrays.size(), 2U);
    EXPECT_EQ(arrays[0].name, "x");
    EXPECT_EQ(arrays[0].array, Array::from(std::vector<float>{0, 1, 2, 3, 4, 5}, {2, 3}));
    EXPECT_EQ(arrays[1].name, "labels");
    EXPECT_EQ(arrays[1].array, Array::from(std::vector<int64_t>{7, -1}));
  }
}

TEST(IoNpz, RoundTripThroughAFile) {
  const TemporaryFolder folder;
  std::vector<NamedArray> arrays{{"a/b", Array::from(std::vector<float>{1, 2})},
                                 {"scalar", Array::zeros(DType::I64, {})}};
  write_npz(folder.file("x.npz"), arrays);
  const auto back = read_npz(folder.file("x.npz"));
  ASSERT_EQ(back.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(back[i].name, arrays[i].name);
    EXPECT_EQ(back[i].array, arrays[i].array);
  }
  EXPECT_TRUE(parse_npz(npz_bytes({}), "empty").empty());
  arrays[1].name = "a/b";
  EXPECT_EQ(error_of([&] { (void)npz_bytes(arrays); }), Error::InvalidArgument);
}

TEST(IoNpz, MoreEntriesThanSixteenBitsCount) {
  std::vector<NamedArray> many;
  for (int i = 0; i < 66000; ++i) many.push_back({std::to_string(i), Array::zeros(DType::U8, {1})});
  EXPECT_EQ(parse_npz(npz_bytes(many), "zip64").size(), many.size());
}

TEST(IoNpz, RatioBombIsRefused) {
  Limits limits;
  EXPECT_EQ(parse_npz(golden("kNpzZeros"), "zeros", limits).at(0).array.count(), 1 << 20);
  limits.free_inflated_bytes = 1 << 16;
  EXPECT_EQ(error_of([&] { (void)parse_npz(golden("kNpzZeros"), "bomb", limits); }), Error::LimitExceeded);
  limits = {};
  limits.max_inflated_bytes = 1 << 19;
  EXPECT_EQ(error_of([&] { (void)parse_npz(golden("kNpzZeros"), "bomb", limits); }), Error::LimitExceeded);
  // an entry that claims another size than it has
  Bytes lie = golden("kNpzZeros");
  const size_t central = lie.size() - 22 - 46 - std::string("zeros.npy").size();
  ASSERT_EQ(lie[central], std::byte{'P'});
  lie[central + 24 + 1] ^= std::byte{1};
  EXPECT_EQ(error_of([&] { (void)parse_npz(lie, "lie"); }), Error::BadFile);
}

TEST(IoNpz, EveryTruncationAndFlip) {
  for (const char* name : {"kNpzStored", "kNpzDeflated"}) {
    expect_truncation_errors(golden(name), parse_zip);
    expect_flips_are_survived(golden(name), parse_zip);
  }
  // a flipped bit of stored data is found by the CRC
  const Bytes good = npz_bytes({{"a", Array::from(std::vector<float>{1, 2, 3})}});
  Bytes bad = good;
  bad[30 + 5 + 128] ^= std::byte{4};
  EXPECT_EQ(error_of([&] { parse_zip(bad); }), Error::BadChecksum);
}

TEST(IoNpz, OverlappingAndRepeatedEntries) {
  const Bytes one = npz_bytes({{"a", Array::zeros(DType::F32, {1})}, {"b", Array::zeros(DType::F32, {1})}});
  const size_t record = 46 + 5, central = one.size() - 22 - 2 * record;
  Bytes repeated = one;
  repeated[central + record + 46] = std::byte{'a'};
  EXPECT_EQ(error_of([&] { parse_zip(repeated); }), Error::BadFile);
  Bytes overlapping = one;  // both entries point at the first local header
  for (size_t i = 42; i < 46; ++i) overlapping[central + record + i] = std::byte{0};
  EXPECT_EQ(error_of([&] { parse_zip(overlapping); }), Error::BadFile);
  Bytes encrypted = one;
  encrypted[central + 8] |= std::byte{1};
  EXPECT_EQ(error_of([&] { parse_zip(encrypted); }), Error::Unsupported);
}

}  // namespace
}  // namespace gf::io
