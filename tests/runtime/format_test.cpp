// needs: GF_CONVERTER GF_OPS_CPU
// The file as FORMAT.md describes it, read here byte by byte without the loader; entries, constants stored once, metadata.
#include <limits>

#include "schema/ops/add.h"
#include "schema/ops/mul.h"
#include "tests/runtime/gf_file_spec.h"
#include "tests/runtime/session_support.h"

namespace gf::test {
namespace {

template <class T>
T at(std::span<const std::byte> file, size_t offset) {
  T v;
  std::memcpy(&v, file.data() + offset, sizeof v);
  return v;
}

// CRC-32C bit by bit, from its definition (RFC 3720, B.4), not from our table.
uint32_t slow_crc32c(std::span<const std::byte> bytes) {
  uint32_t crc = 0xffffffffU;
  for (const std::byte b : bytes) {
    crc ^= static_cast<uint32_t>(b);
    for (int i = 0; i < 8; ++i) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0x82f63b78U : 0U);
  }
  return crc ^ 0xffffffffU;
}

TEST(Format, ChecksumIsTheOneOfTheStandard) {
  const std::string digits = "123456789";  // the usual check value
  EXPECT_EQ(slow_crc32c(std::as_bytes(std::span<const char>(digits))), 0xe3069283U);
  EXPECT_EQ(crc32c(digits.data(), digits.size()), 0xe3069283U);
}

TEST(Format, ContainerIsAsDescribed) {
  const auto file = convert_digits(1, 2);
  const std::span<const std::byte> bytes(file);
  const auto header = at<uint32_t>(bytes, 0);
  EXPECT_EQ(std::memcmp(file.data() + 8, "GFM1", 4), 0);
  const size_t seal = file.size() - 32;
  EXPECT_EQ(std::memcmp(file.data() + seal, "GFSEAL01", 8), 0);
  EXPECT_EQ(at<uint64_t>(bytes, seal + 8), file.size());
  EXPECT_EQ(at<uint32_t>(bytes, seal + 16), slow_crc32c(bytes.first(seal)));
  EXPECT_EQ(at<uint32_t>(bytes, seal + 20), slow_crc32c(bytes.first(header + size_t{4})));
  EXPECT_EQ(at<uint32_t>(bytes, seal + 24), slow_crc32c(bytes.subspan(seal, 24)));
  EXPECT_EQ(at<uint32_t>(bytes, seal + 28), 0U);
  const fb::Model& m = *fb::GetSizePrefixedModel(file.data());
  EXPECT_EQ(m.version_major(), 1);
  for (const fb::Segment* s : *m.segments()) {
    EXPECT_EQ(s->offset() % 64, 0U);
    EXPECT_GE(s->offset(), header + 4);
    EXPECT_LE(s->offset() + s->bytes(), seal);
  }
  for (size_t i = header + size_t{4}; i < m.segments()->Get(0)->offset(); ++i) EXPECT_EQ(file[i], std::byte{0});
  for (const fb::Constant* c : *m.constants()) EXPECT_EQ(c->offset() % 64, 0U);
}

TEST(Format, EqualInputsGiveEqualBytes) { EXPECT_EQ(convert_digits(1, 8), convert_digits(1, 8)); }

TEST(Format, EqualConstantsAreStoredOnceAndSplatsStaySplats) {
  const auto file = emit_graph([](ir::Model&, ir::Entry& e) {
    const auto x = e.add_input("x", DType::F32, shape_of({4096}));
    std::vector<float> v(4096);
    for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i);
    const auto a = e.add_constant(ir::make_floats(v, {4096})), b = e.add_constant(ir::make_floats(v, {4096}));
    const float two = 2;
    const auto s = e.add_constant(ir::make_splat(DType::F32, {4096}, std::as_bytes(std::span<const float>(&two, 1))));
    ir::Builder build(e, e.body);
    const auto y = build.add<op::Mul>({build.add<op::Add>({build.add<op::Add>({x, a}), b}), s});
    e.value(y).name = "y";
    e.body.outputs = {y};
  });
  const fb::Model& m = *fb::GetSizePrefixedModel(file.data());
  EXPECT_EQ(m.constants()->size(), 2U);
  EXPECT_LT(file.size(), 4096U * 4U + 4096U);
  Loaded l(file);
  Running r(l);
  const auto out = run(r.session, {{"x", HostTensor::zeros(DType::F32, {4096})}});
  EXPECT_EQ(out[0].as<float>()[4095], 4.0F * 4095.0F);
}

TEST(Format, Float32StoredAs16BitFloatsIsWidened) {
  const auto ramp = [](DType type) {
    std::vector<std::byte> bytes(4096 * 2);
    for (size_t i = 0; i < 4096; ++i) {
      const float value = static_cast<float>(i % 32) - 16;
      const uint16_t bits = type == DType::F16 ? to_f16(value * 0.25F).bits : to_bf16(value * 0x1p-40F).bits;
      std::memcpy(bytes.data() + i * 2, &bits, 2);
    }
    return ir::make_constant(type, {4096}, std::move(bytes));
  };
  const auto file = emit_graph([&](ir::Model&, ir::Entry& e) {
    const auto x = e.add_input("x", DType::F32, shape_of({4096}));
    ir::Builder build(e, e.body);
    auto y = x;
    for (DType type : {DType::F16, DType::BF16}) {
      const auto weights = e.add_constant(ramp(type));
      e.value(weights).dtype = DType::F32;
      y = build.add<op::Add>({y, weights});
    }
    e.value(y).name = "y";
    e.body.outputs = {y};
  });
  const fb::Model& m = *fb::GetSizePrefixedModel(file.data());
  ASSERT_EQ(m.constants()->size(), 2U);
  for (const fb::Constant* c : *m.constants()) {
    EXPECT_EQ(c->dtype(), static_cast<uint8_t>(DType::F32));
    EXPECT_NE(c->stored(), 0);
    EXPECT_EQ(c->bytes(), 8192U);
  }
  Loaded l(file);
  Running r(l);
  const auto out = run(r.session, {{"x", HostTensor::zeros(DType::F32, {4096})}});
  for (size_t i = 0; i < 4096; ++i) {
    const double k = static_cast<double>(i % 32) - 16;
    ASSERT_FLOAT_EQ(out[0].as<float>()[i], static_cast<float>(k * 0.25 + k * 0x1p-40)) << i;
  }
}

TEST(Format, EntriesShareConstantsAndAreFoundByName) {
  ConvertOptions options;
  onnx::ImportOptions one, four;
  one.dims["N"] = {1, 1};
  four.dims["N"] = {4, 4};
  one.entry = "single";
  four.entry = "batch";
  const std::string path = source_path("examples/digits/digits.onnx").string();
  ir::Model model = convert_files({{path, one}, {path, four}}, options);
  const auto file = emit(model);
  EXPECT_LT(file.size(), convert_digits(1, 1).size() + 8192);
  Loaded l(file);
  EXPECT_EQ(l.program->entry_count(), 2);
  EXPECT_EQ(l.program->find_entry("main"), -1);
  EXPECT_NE(l.program->metadata("labels"), "");
  EXPECT_EQ(l.program->metadata("nothing"), "");
  Running a(l, "single"), b(l, "batch");
  const HostTensor x = digits_input(1);
  HostTensor four_times = HostTensor::zeros(DType::F32, {4, 1, 28, 28});
  for (size_t i = 0; i < 4; ++i) std::memcpy(four_times.data.data() + i * x.data.size(), x.data.data(), x.data.size());
  const auto p = run(a.session, {{"image", x}})[0].as<float>(), q = run(b.session, {{"image", four_times}})[0].as<float>();
  for (size_t i = 0; i < 40; ++i) EXPECT_NEAR(q[i], p[i % 10], 1e-6);
}

}  // namespace
}  // namespace gf::test
