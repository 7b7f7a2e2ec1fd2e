// Time to open a .gf file for use: map it, verify its structure, read no weights. Prints the median, the fastest and
// the first of many loads, and how much memory became resident.
// Usage: load_bench FILE.gf [loads]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "facade/evaluate.h"
#include "runtime/load/program.h"
#include "runtime/platform/clock.h"
#include "runtime/platform/mapped_file.h"

namespace {

// VmRSS of this process in bytes (Linux); 0 elsewhere.
long resident_bytes() {
  std::FILE* f = std::fopen("/proc/self/statm", "r");
  if (f == nullptr) return 0;
  long size = 0, resident = 0;
  const int read = std::fscanf(f, "%ld %ld", &size, &resident);
  std::fclose(f);
  return read == 2 ? resident * 4096 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: load_bench FILE.gf [loads]\n"), 2;
  const int loads = argc > 2 ? std::max(1, std::atoi(argv[2])) : 200;
  const gf::Tables tables = gf::default_tables(false);
  std::vector<double> times;
  size_t file_bytes = 0;
  const long before = resident_bytes();
  long after = before;
  for (int i = 0; i < loads; ++i) {
    gf::ErrorDetail detail;
    const int64_t start = gf::monotonic_ns();
    auto file = gf::MappedFile::open(argv[1], &detail);
    if (!file.ok()) return std::fprintf(stderr, "%s\n", detail.text), 1;
    const auto program = gf::Program::load(file->bytes(), tables.ops, {}, &detail);
    if (!program.ok()) return std::fprintf(stderr, "%s: %s\n", argv[1], detail.text), 1;
    times.push_back(static_cast<double>(gf::monotonic_ns() - start) * 1e-6);
    file_bytes = file->bytes().size();
    after = std::max(after, resident_bytes());
  }
  const double first = times[0];
  std::sort(times.begin(), times.end());
  std::printf("%.1f MB: load %.3f ms median of %d (%.3f fastest, %.3f first), %.2f MB became resident\n",
              static_cast<double>(file_bytes) * 1e-6, times[times.size() / 2], loads, times[0], first,
              static_cast<double>(after - before) * 1e-6);
  return 0;
}
