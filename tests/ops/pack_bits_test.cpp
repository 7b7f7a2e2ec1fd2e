// pack_bits and unpack_bits: golden values (numpy.packbits), portable and vector kernels, every length around the widths of vectors with
// nothing touched behind the end, and what is wrong said.
#include "ops/cpu/table.h"
#if GF_SIMD
#include "ops/cpu/simd/bits.h"
#include "ops/cpu/simd/isa_dispatch.h"
#include "ops/cpu/simd/table.h"
#endif
#include "tests/ops/golden_cases.h"

namespace gf::test {
namespace {

void check_golden(const Tables& tables, Isa isa, const std::string& kind) {
  const json cases = golden_cases("bits");
  ASSERT_EQ(cases.size(), 28U);
  for (const json& c : cases) {
    const std::string op = c["op"];
    SCOPED_TRACE(op + " " + c["outputs"][0]["shape"].dump());
    EvaluateOptions options;
    options.isa = isa;
    std::string kernel;
    options.kernel_used = &kernel;
    const Attributes attributes = to_attributes(c["attrs"]);
    const auto outputs = evaluate(*tables.ops.find(op), attributes, inputs_of(c), tables, options);
    EXPECT_EQ(outputs[0], to_tensor(c["outputs"][0]));
    EXPECT_EQ(kernel, op + kind);
    RoughParallel rough;
    options.parallel = rough.get();
    EXPECT_EQ(evaluate(*tables.ops.find(op), attributes, inputs_of(c), tables, options), outputs) << "threads change the result";
  }
}

TEST(PackBits, GoldenPortable) {
  Tables tables;
  tables.ops = AllOps::table();
  tables.add(cpu::portable_kernels());
  check_golden(tables, Isa::Portable, "_portable");
}

// Whatever is not 0 counts.
TEST(PackBits, AnyBool) {
  HostTensor x = HostTensor::zeros(DType::Bool, {3});
  x.data[0] = std::byte{2};
  x.data[2] = std::byte{255};
  EXPECT_EQ(std::to_integer<int>(evaluate(op_def<op::PackBits>, {}, {x}, default_tables(false))[0].data[0]), 0b101);
}

TEST(PackBits, WrongInputs) {
  const auto bytes = [](int64_t n) { return HostTensor::zeros(DType::U8, {n}); };
  const auto shape = [](std::vector<int64_t> dims) { return Attributes{{"shape", std::move(dims)}}; };
  expect_error<op::PackBits>(Error::TypeMismatch, "uint8", {bytes(2)});
  expect_error<op::UnpackBits>(Error::TypeMismatch, "bool", {HostTensor::zeros(DType::Bool, {1})}, shape({8}));
  expect_error<op::UnpackBits>(Error::ShapeMismatch, "a byte for every eight", {bytes(2)}, shape({8}));
  expect_error<op::UnpackBits>(Error::ShapeMismatch, "a byte for every eight", {bytes(1)}, shape({3, 3}));
  expect_error<op::UnpackBits>(Error::ShapeMismatch, "rank", {HostTensor::zeros(DType::U8, {1, 1})}, shape({8}));
  expect_error<op::UnpackBits>(Error::BadAttribute, "dimension -1", {bytes(1)}, shape({-1}));
  expect_error<op::UnpackBits>(Error::BadAttribute, "9 dimensions", {bytes(1)}, shape({1, 1, 1, 1, 1, 1, 1, 1, 1}));
}

#if GF_SIMD
TEST(PackBits, GoldenVectors) {
  Tables tables;
  tables.ops = AllOps::table();
  tables.add(cpu::simd_kernels());
  tables.add(cpu::portable_kernels());
  for (const Isa isa : {Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Neon})
    if (isa_allows(simd::best_isa(), isa)) check_golden(tables, isa, "_simd");
}

TEST(PackBits, EveryLength) {
  std::vector<uint8_t> bools(700);
  for (size_t i = 0; i < bools.size(); ++i) bools[i] = static_cast<uint8_t>((i * i + i / 7) % 3 == 0);
  for (const Isa isa : {Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Neon}) {
    if (!isa_allows(simd::best_isa(), isa)) continue;
    for (size_t count = 0; count < bools.size(); ++count) {
      const size_t bytes = (count + 7) / 8;
      std::vector<uint8_t> bits(bytes + 16, 0xAB), back(count + 64, 0xCD);
      simd::pack_bits(isa, bools.data(), static_cast<int64_t>(count), bits.data(), {});
      for (size_t i = 0; i < count; ++i) ASSERT_EQ((bits[i / 8] >> (i % 8)) & 1, bools[i]) << count << ", " << i;
      if (count % 8 != 0) {
        ASSERT_EQ(bits[bytes - 1] >> (count % 8), 0) << count;
      }
      for (size_t i = bytes; i < bits.size(); ++i) ASSERT_EQ(bits[i], 0xAB) << count << ", " << i;
      simd::unpack_bits(isa, bits.data(), static_cast<int64_t>(count), back.data(), {});
      for (size_t i = 0; i < back.size(); ++i) ASSERT_EQ(back[i], i < count ? bools[i] : 0xCD) << count << ", " << i;
    }
  }
}
#endif

}  // namespace
}  // namespace gf::test
