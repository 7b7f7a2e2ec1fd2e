// Golden vectors: runs with their answers, kept in a model's file (section `golden`, FORMAT.md), so that anyone who holds the
// file can see whether a machine, a build or a later version still gives them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/common/cli.h"
#include "tools/common/compare.h"

namespace gf::cli {

struct GoldenRun {
  std::string entry;
  std::vector<HostTensor> inputs, outputs;  ///< as the entry numbers them
};
struct Golden {
  double rtol = 1e-4, atol = 1e-5;  ///< |a - b| <= atol + rtol * |b|
  std::vector<GoldenRun> runs;      ///< in order; State is reset before the first of an entry and carried over after it
};

std::vector<std::byte> encode_golden(const Golden& golden);
/// The golden section of `program`; nothing when it has none. Throws BadFile, with the place, for bytes that are not as
/// FORMAT.md says or that do not fit the entries.
std::optional<Golden> read_golden(const Program& program);

/// Runs every entry `count` times on seeded random numbers (integers are 1), sizes that vary a little above their lower
/// bounds; `given`: "name=FILE" for inputs that shall not be random. Run it with portable kernels: the answers are then
/// those of the reference.
Golden make_golden(Model& model, int count, uint64_t seed, const std::vector<std::string>& given);

struct GoldenResult {
  std::string entry, output;  ///< output: the first that differs, else ""
  int run = 0;                ///< of this entry
  Comparison comparison;      ///< of that output, else the largest differences of all
};
/// Runs the vectors again and compares.
std::vector<GoldenResult> verify_golden(Model& model, const Golden& golden);

}  // namespace gf::cli
