// Files with other sections: the graph, the constants and everything else of the header stay as they were.
#include <gtest/gtest.h>

#include <algorithm>

#include "graph/emit/rewrite.h"
#include "graph/read/read.h"
#include "runtime/core/exception.h"
#include "runtime/include/ghostflow/tables.h"
#include "tests/runtime/sample_spec.h"
#include "tests/support/block.h"

namespace gf::test {
namespace {

using Bytes = std::vector<std::byte>;

Bytes filled(size_t size, int value) { return Bytes(size, std::byte(value)); }

// A loaded file and the aligned memory under it.
struct File {
  explicit File(const Bytes& bytes) : memory(Block::copy(bytes)) {
    LoadOptions options;
    options.verify_data = true;
    ErrorDetail detail;
    auto loaded = Program::load(memory.span(), default_tables(false).ops, options, &detail);
    if (!loaded.ok()) throw Exception(loaded.error(), detail.text);
    program = *loaded;
  }
  Block memory;
  std::optional<Program> program;
};

Bytes rewritten(const Bytes& file, const std::vector<EmitSection>& sections, const EmitSigner& signer = {}) {
  const File f(file);
  Bytes out;
  rewrite(*f.program, sections, signer, [&out](std::span<const std::byte> piece) { out.insert(out.end(), piece.begin(), piece.end()); });
  return out;
}

// What the graph of a file is, as the bytes that emit makes of it.
Bytes graph_of(const Bytes& file) {
  const File f(file);
  ir::Model model = read_model(*f.program, nullptr);
  return emit(model);
}

Bytes section_of(const Bytes& file, const char* kind) {
  const File f(file);
  const auto s = f.program->section(kind);
  return {s.begin(), s.end()};
}

Bytes sample() { return SpecWriter::write(sample_spec()); }

EmitSigner fixed_signer() {
  return {[](std::span<const std::byte>) {}, [] { return filled(128, 5); }};
}

Error code_of(const Bytes& file, const std::vector<EmitSection>& sections) {
  try {
    static_cast<void>(rewritten(file, sections));
    return Error::Ok;
  } catch (const Exception& e) {
    return e.code();
  }
}

TEST(Rewrite, GivesWhatEmitGivesWithTheSameSections) {
  const File f(sample());
  ir::Model model = read_model(*f.program, nullptr);
  const Bytes plain = emit(model);
  EmitOptions options;
  options.sections = {{"golden", filled(100, 1)}, {"notes", filled(3, 2)}};
  EXPECT_EQ(rewritten(plain, options.sections), emit(model, options));
  options.signer = fixed_signer();
  const Bytes with_all = emit(model, options);
  EXPECT_EQ(rewritten(plain, options.sections, options.signer), with_all);
  EXPECT_EQ(rewritten(with_all, options.sections, options.signer), with_all);
  EXPECT_EQ(rewritten(rewritten(with_all, {}), {}, options.signer), with_all);  // dropped, and signed again
}

// The writer of the tests lays its header out in another way than emit.
TEST(Rewrite, KeepsGraphAndConstantsOfAFileFromAnotherWriter) {
  FileSpec spec = sample_spec();
  spec.segments = {{0, 128}, {64, 128}, {0, 192}};  // they overlap; the last is a section's
  spec.constants[2].segment = 1;
  spec.constants[2].offset = 64;
  spec.sections = {{"notes", false, 2}};
  const Bytes file = SpecWriter::write(spec);
  const Bytes changed = rewritten(file, {{"golden", filled(70, 1)}});
  EXPECT_EQ(graph_of(changed), graph_of(file));
  EXPECT_EQ(section_of(changed, "golden"), filled(70, 1));
  EXPECT_EQ(section_of(changed, "notes"), section_of(file, "notes"));
  const File a(file), b(changed);
  for (uint32_t c = 0; c < 3; ++c) EXPECT_EQ(std::memcmp(a.program->constant_data(c), b.program->constant_data(c), c == 2 ? 1 : 8), 0) << c;
  EXPECT_EQ(rewritten(changed, {{"golden", filled(70, 1)}}), changed);
}

TEST(Rewrite, ReplacesSectionsOfTheSameKindAndDropsSignatures) {
  const Bytes first = rewritten(sample(), {{"golden", filled(100, 1)}, {"notes", filled(3, 2)}}, fixed_signer());
  EXPECT_EQ(section_of(first, "signature"), filled(128, 5));
  const Bytes second = rewritten(first, {{"golden", filled(9, 3)}});
  const File f(second);
  EXPECT_EQ(f.program->section_count("golden"), 1);
  EXPECT_EQ(f.program->section_count("notes"), 1);
  EXPECT_EQ(f.program->section_count("signature"), 0);
  EXPECT_EQ(section_of(second, "golden"), filled(9, 3));
  EXPECT_EQ(section_of(second, "notes"), filled(3, 2));
}

TEST(Rewrite, RefusesLaterVersionsAndSectionsOnOneAnother) {
  FileSpec spec = sample_spec();
  spec.minor = format::kVersionMinor + 1;
  EXPECT_EQ(code_of(SpecWriter::write(spec), {}), Error::BadVersion);
  spec = sample_spec();
  spec.data.resize(8192);
  spec.segments.push_back({192, 8000});
  for (int i = 0; i < 20; ++i) spec.sections.push_back({"notes", false, 1});
  EXPECT_EQ(code_of(SpecWriter::write(spec), {}), Error::BadFile);
}

// A file that loads, however it was broken, is refused or keeps its graph.
TEST(Rewrite, EveryFlippedBitKeepsTheGraphOrIsAnError) {
  const Bytes file = sample();
  int kept = 0;
  for (size_t i = 0; i + sizeof(format::Seal) < file.size(); ++i)
    for (const int bit : {0, 2, 5, 7}) {
      Bytes broken = file;
      broken[i] ^= std::byte(1 << bit);
      reseal(broken);
      Bytes graph;
      try {
        graph = graph_of(broken);
      } catch (const Exception&) {
        continue;
      }
      ++kept;
      try {
        EXPECT_EQ(graph_of(rewritten(broken, {{"golden", filled(10, 1)}})), graph) << "byte " << i << " bit " << bit;
      } catch (const Exception& e) {
        EXPECT_TRUE(e.code() == Error::BadVersion || e.code() == Error::BadFile) << "byte " << i << " bit " << bit << ": " << e.what();
      }
    }
  EXPECT_GT(kept, 100);
}

}  // namespace
}  // namespace gf::test
