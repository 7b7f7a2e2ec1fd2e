// Running the built tools as people do: a command line in, exit code, stdout and stderr out.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/test_data.h"

namespace gf::test {

using Json = nlohmann::json;

struct ToolResult {
  int code = -1;
  std::string out, err;

  /// The one JSON object that must be on stdout.
  Json json() const {
    const Json j = Json::parse(out, nullptr, false);
    EXPECT_FALSE(j.is_discarded()) << "stdout is not one JSON object: " << out << "\nstderr: " << err;
    return j.is_discarded() ? Json::object() : j;
  }
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs a shell command; stderr goes through a file in `folder`.
inline ToolResult run_command(const std::string& command, const TempFolder& folder) {
  ToolResult r;
  const std::string error_file = folder.path("stderr.txt").string();
  FILE* pipe = popen((command + " 2>" + error_file).c_str(), "r");
  if (pipe == nullptr) return r;
  char buffer[4096];
  for (size_t n = 0; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) r.out.append(buffer, n);
  const int status = pclose(pipe);
  r.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  r.err = read_text(error_file);
  return r;
}

/// Tests of the tools: a folder of their own, and the digit classifier converted into it.
class Tools : public ::testing::Test {
 protected:
  ToolResult tool(const std::string& name, const std::string& arguments) const {
    return run_command(tool_path(name).string() + " " + arguments, folder_);
  }
  std::string path(const std::string& name) const { return folder_.path(name).string(); }
  static std::string digits_onnx() { return source_path("examples/digits/digits.onnx").string(); }
  static std::string digit(int which) {
    return source_path("examples/digits/digit_" + std::to_string(which) + ".png").string();
  }
  /// The classifier as a .gf, converted on first use.
  std::string digits() {
    const std::string file = path("digits.gf");
    if (std::filesystem::exists(file)) return file;
    const ToolResult r = tool("gf-convert", digits_onnx() + " -o " + file);
    EXPECT_EQ(r.code, 0) << r.err;
    return file;
  }
  /// Expects exit code and a piece of text on stderr, and nothing on stdout.
  void expect_error(const std::string& name, const std::string& arguments, int code, const std::string& text) const {
    const ToolResult r = tool(name, arguments);
    EXPECT_EQ(r.code, code) << name << " " << arguments << "\n" << r.err;
    EXPECT_NE(r.err.find(text), std::string::npos)
        << name << " " << arguments << "\nshould say: " << text << "\nsays: " << r.err;
    EXPECT_EQ(r.out, "") << name << " " << arguments;
  }

  TempFolder folder_;
};

#define GF_EXPECT_FIELDS(object, ...) \
  for (const char* field : {__VA_ARGS__}) EXPECT_TRUE((object).contains(field)) << "missing field: " << field

}  // namespace gf::test
