// Writes seeds for the fuzzers of .gf files into folders: gf_load, the sample file with every part of the format and files of
// one node for each op of the golden cases; golden and signature, such sections of the sample file. Made in the build, so
// that they always have the format that the code has.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include "tests/ops/one_op_file.h"
#include "tests/runtime/sample_spec.h"
#include "tests/support/paths.h"
#include "tools/common/golden.h"
#if GF_SIGNATURE
#include "tests/fuzz/sample_signature.h"
#endif

namespace {

constexpr size_t kPerOp = 4;              // cases of one op: enough to show its attributes and types
constexpr size_t kLargestSeed = 8 * 1024;  // larger files are mostly weights, which teach a fuzzer nothing

void write(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// Sections of the sample file.
void write_sections(const std::filesystem::path& folder, const std::vector<std::byte>& sample) {
  using namespace gf;
  ModelOptions options;
  options.threads = 1;
  options.isa = Isa::Portable;
  Model model = Model::from_bytes(sample, options);
  for (const int runs : {1, 3}) write(folder / "golden" / std::to_string(runs), cli::encode_golden(cli::make_golden(model, runs, 1, {})));
#if GF_SIGNATURE
  write(folder / "signature" / "right", test::sample_signature({}));
#endif
}

}  // namespace

int main(int argc, char** argv) {
  using namespace gf;
  if (argc != 2) {
    std::cerr << "usage: make_seeds FOLDER\n";
    return 2;
  }
  const std::filesystem::path all(argv[1]), folder = all / "gf_load";
  const std::vector<std::byte> sample = test::SpecWriter::write(test::sample_spec());
  write(folder / "sample.gf", sample);
  write_sections(all, sample);
  const OpTable ops = default_tables(false).ops;
  std::map<std::string, size_t> written;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(test::kSourceDir) / "tests/ops/data")) {
    if (entry.path().extension() != ".json") continue;
    for (const auto& c : test::golden_cases(entry.path().stem().string())) {
      size_t& count = written[c["op"].get<std::string>()];
      if (count >= kPerOp) continue;
      try {
        const auto file = test::one_op_file(c, ops, count % 2 == 0);
        if (file.size() > kLargestSeed) continue;
        write(folder / (c["op"].get<std::string>() + std::to_string(count) + ".gf"), file);
        ++count;
      } catch (const Exception& e) {
        std::cerr << c["op"] << ": " << e.what() << '\n';
        return 1;
      }
    }
  }
  std::cout << written.size() << " ops\n";
  return 0;
}
