// How much of a mapped file is in this process's memory, from /proc/self/smaps; nothing where the system has none.
#pragma once

#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace gf::test {

/// Resident bytes of all mappings of the file at `path` (absolute).
inline std::optional<uint64_t> resident_bytes(const std::string& path) {
  std::ifstream maps("/proc/self/smaps");
  if (!maps) return std::nullopt;
  uint64_t total = 0;
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first.find('-') != std::string::npos && first.back() != ':') inside = line.ends_with(path);
    uint64_t kilobytes = 0;
    if (inside && first == "Rss:" && words >> kilobytes) total += kilobytes * 1024;
  }
  return total;
}

}  // namespace gf::test
