// Where tests find their data, and how they skip when it is absent. Paths come from the environment first, so that an
// executable can run on another machine than the one that built it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

#include "tests/support/paths.h"

namespace gf::test {

/// `relative` below the source tree ($GF_SOURCE_DIR).
inline std::filesystem::path source_path(const std::string& relative = "") {
  const char* given = std::getenv("GF_SOURCE_DIR");
  return std::filesystem::path(given != nullptr ? given : kSourceDir) / relative;
}

/// Executables of this build ($GF_BIN_DIR).
inline std::filesystem::path tool_path(const std::string& name) {
  const char* given = std::getenv("GF_BIN_DIR");
  return std::filesystem::path(given != nullptr ? given : kBinDir) / name;
}

/// `relative` below the shared test data: $GF_TEST_DATA, else ../shared/data beside the sources. May not exist.
inline std::filesystem::path data_path(const std::string& relative = "") {
  const char* given = std::getenv("GF_TEST_DATA");
  const auto root = given != nullptr ? std::filesystem::path(given) : source_path("../shared/data");
  return root / relative;
}
inline bool has_data(const std::string& relative) {
  std::error_code ignored;
  return std::filesystem::exists(data_path(relative), ignored);
}

/// How much to test: 0 plain, 1 `run.sh --all`, 2 `run.sh --long` ($GF_TEST_TIER).
inline int test_tier() {
  const char* given = std::getenv("GF_TEST_TIER");
  const std::string tier = given != nullptr ? given : "plain";
  return tier == "long" ? 2 : tier == "all" ? 1 : 0;
}

/// A folder of its own that is removed at the end of the test.
class TempFolder {
 public:
  TempFolder() {
    const char* base = std::getenv("TMPDIR");
    path_ = (std::filesystem::path(base != nullptr && *base != '\0' ? base : "/tmp") / "gf_test_XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make the folder " + path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::filesystem::path path(const std::string& relative = "") const { return std::filesystem::path(path_) / relative; }
  /// Writes a file, making folders as needed; returns its path.
  std::filesystem::path write(const std::string& relative, const std::string& content) const {
    const auto file = path(relative);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }

 private:
  std::string path_;
};

}  // namespace gf::test

/// Skips the test, with a line that says what is missing, unless the shared data holds `relative`.
#define GF_SKIP_WITHOUT_DATA(relative) \
  if (!::gf::test::has_data(relative)) \
  GTEST_SKIP() << "shared test data absent: " << (relative) << " (set GF_TEST_DATA to its folder)"

/// Skips the test unless this run is of tier 1 (--all) or 2 (--long).
#define GF_SKIP_BELOW_TIER(tier) \
  if (::gf::test::test_tier() < (tier)) \
  GTEST_SKIP() << "only with tests/run.sh " << ((tier) == 1 ? "--all" : "--long")
