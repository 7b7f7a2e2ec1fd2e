// The check of a file's header against the one that flatc generates for the same schema: whatever that refuses must be refused.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "runtime/load/verify.h"
#include "schema/format/format.h"
#include "schema/format/model_fields.h"
#include "schema/format/model_generated.h"
#include "tests/runtime/sample_spec.h"
#include "tests/support/block.h"
#include "tests/support/test_data.h"

namespace gf::test {
namespace {

// Length prefix and FlatBuffers part of a file.
Block header_of(std::span<const std::byte> file) {
  uint32_t bytes = 0;
  std::memcpy(&bytes, file.data(), sizeof bytes);
  return Block::copy(file.first(bytes + format::kPrefixBytes));
}

bool generated(const Block& header, uint32_t tables) {
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(header.span().data()), header.span().size(), 64, tables);
  return fb::VerifySizePrefixedModelBuffer(verifier);
}

bool generated(const Block& header) { return generated(header, 1 << 20); }
bool ours(const Block& header) { return verify_header(header.span(), 1 << 20); }

std::vector<Block> headers() {
  std::vector<Block> all;
  all.push_back(header_of(SpecWriter::write(sample_spec())));
  std::ifstream old(source_path("tests/format/v1_0.gf"), std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(old), {}};
  all.push_back(header_of(std::as_bytes(std::span(bytes))));
  return all;
}

TEST(VerifyHeader, TakesWhatIsRight) {
  for (const Block& h : headers()) {
    EXPECT_TRUE(generated(h));
    EXPECT_TRUE(ours(h));
  }
}

TEST(VerifyHeader, RefusesWhatFlatBuffersRefuses) {
  for (const Block& h : headers()) {
    const auto bytes = h.span();
    int refused = 0, stricter = 0, total = 0;
    for (size_t at = format::kPrefixBytes; at < bytes.size(); ++at) {
      if (at >= 8 && at < 12) continue;  // the mark GFM1, which load looks at itself
      for (const unsigned value : {0x01u, 0x04u, 0x80u, 0xffu}) {
        const std::byte before = bytes[at];
        bytes[at] ^= static_cast<std::byte>(value);
        const bool theirs = generated(h), mine = ours(h);
        EXPECT_FALSE(mine && !theirs) << "byte " << at << " xor " << value;
        refused += theirs ? 0 : 1;
        stricter += theirs && !mine ? 1 : 0;
        ++total;
        bytes[at] = before;
      }
    }
    std::printf("note: %d of %d changed headers refused by both, %d by us alone\n", refused, total, stricter);
    EXPECT_GT(refused, total / 100);
    EXPECT_LT(stricter, total / 100);  // lists that are not aligned to their elements, places that lead nowhere
  }
}

TEST(VerifyHeader, CutAnywhere) {
  for (const Block& h : headers())
    for (size_t size = 12; size < h.span().size(); size += 4) {
      const Block cut = Block::copy(h.span().first(size));
      const auto length = static_cast<uint32_t>(size - format::kPrefixBytes);
      std::memcpy(cut.span().data(), &length, sizeof length);
      EXPECT_FALSE(ours(cut) && !generated(cut)) << size;
    }
}

TEST(VerifyHeader, CountsTables) {
  const Block h = header_of(SpecWriter::write(sample_spec()));
  uint32_t needed = 1;
  while (!generated(h, needed)) ++needed;
  EXPECT_GT(needed, 20u);
  EXPECT_TRUE(verify_header(h.span(), needed));
  EXPECT_FALSE(verify_header(h.span(), needed - 1));
}

// A field that flatc knows and the table made from model.fbs does not would be a hole.
TEST(VerifyHeader, KnowsEveryFieldOfTheSchema) {
  constexpr int kLast[] = {fb::Symbol::VT_HI,        fb::Attr::VT_FLOATS,         fb::Quantization::VT_ZERO_POINTS, fb::Tensor::VT_QUANTIZATION,
                           fb::Node::VT_ORIGIN,      fb::Graph::VT_OUTPUTS,       fb::Entry::VT_OUTPUT_NAMES,       fb::Constant::VT_STORED,
                           fb::State::VT_INITIAL,    fb::Segment::VT_BYTES,       fb::Section::VT_SEGMENT,          fb::KeyValue::VT_VALUE,
                           fb::Op::VT_NAME,          fb::Model::VT_METADATA};
  ASSERT_EQ(std::size(format::kFirstField), std::size(kLast) + 1);
  for (size_t t = 0; t < std::size(kLast); ++t)
    EXPECT_EQ(format::kFirstField[t + 1] - format::kFirstField[t], (kLast[t] - 2) / 2) << "table " << t << " of model.fbs";
  EXPECT_EQ(format::kFieldKinds[format::kFirstField[3] + 5], 0x14) << "Tensor.dims is a list of 16 bytes each";
  EXPECT_EQ(format::kRootTable, std::size(kLast) - 1);
}

}  // namespace
}  // namespace gf::test
