// Writes seeds for gf_load_fuzz into a folder: the sample file with every part of the format, and files of one node for each
// op of the golden cases. Made in the build, so that they always have the format that the code has.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include "tests/ops/one_op_file.h"
#include "tests/runtime/sample_spec.h"
#include "tests/support/paths.h"

namespace {

constexpr size_t kPerOp = 4;              // cases of one op: enough to show its attributes and types
constexpr size_t kLargestSeed = 8 * 1024;  // larger files are mostly weights, which teach a fuzzer nothing

void write(const std::filesystem::path& path, const std::vector<std::byte>& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace gf;
  if (argc != 2) {
    std::cerr << "usage: make_seeds FOLDER\n";
    return 2;
  }
  const std::filesystem::path folder(argv[1]);
  std::filesystem::create_directories(folder);
  write(folder / "sample.gf", test::SpecWriter::write(test::sample_spec()));
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
