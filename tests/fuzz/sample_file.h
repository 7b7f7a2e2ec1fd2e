// The sample file with sections of any contents, for fuzzers of sections.
#pragma once

#include <span>
#include <vector>

#include "graph/emit/rewrite.h"
#include "runtime/core/exception.h"
#include "runtime/include/ghostflow/tables.h"
#include "tests/runtime/sample_spec.h"
#include "tests/support/block.h"

namespace gf::test {

/// The view of a file that is as it should be.
inline Program load_sample(const Block& file) {
  ErrorDetail detail;
  const auto program = Program::load(file.span(), default_tables(false).ops, {}, &detail);
  if (!program.ok()) throw Exception(program.error(), detail.text);
  return *program;
}

class SampleFile {
 public:
  SampleFile() : plain_(Block::copy(SpecWriter::write(sample_spec()))), program_(load_sample(plain_)) {}
  Block with(const std::vector<EmitSection>& sections, const EmitSigner& signer = {}) const {
    std::vector<std::byte> bytes;
    rewrite(program_, sections, signer, [&bytes](std::span<const std::byte> piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
    return Block::copy(bytes);
  }

 private:
  Block plain_;
  Program program_;
};

}  // namespace gf::test
