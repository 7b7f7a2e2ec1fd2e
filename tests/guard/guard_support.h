// Checks of the source tree. Each is a function over a folder, so that tests can show it a tree with a planted violation.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace gf::guard {

struct Violation {
  std::string file;  ///< relative to the root
  int line = 0;
  std::string what;
};

/// One row of include_table.txt.
struct IncludeRule {
  std::string prefix;
  std::vector<std::string> project;
  std::vector<std::string> other;      ///< "any" or names; "plain" is expanded
  std::vector<std::string> other_cpp;  ///< allowed in .cpp on top
  bool core = false;
};

/// Reads include_table.txt. Throws std::runtime_error with the line on a row that is not understood.
std::vector<IncludeRule> read_include_table(const std::filesystem::path& file);

/// Source files (.h .cpp .cu .cuh .def .inc) below root, relative, sorted; build folders and hidden ones left out.
std::vector<std::string> source_files(const std::filesystem::path& root);

/// Every #include against the table. A source file that no row covers is a violation too.
std::vector<Violation> check_includes(const std::filesystem::path& root, const std::vector<IncludeRule>& rules);

/// throw, try, catch, new, delete, malloc, RTTI, std::string, ... in files of core rows.
std::vector<Violation> check_core_words(const std::filesystem::path& root, const std::vector<IncludeRule>& rules);

/// A second list of ops: 12 or more different op names of schema/ops.h within 40 lines, outside schema/ops.h,
/// ops/*/kernels.def, the tables of backends and the importer's rows, and files that tests/guard/op_lists_allowed.txt
/// below root names with a reason. A row there that is no longer needed is a violation too.
std::vector<Violation> check_op_lists(const std::filesystem::path& root);

/// Every folder with sources has a README.md of at most 60 lines (test groups: tests/README.md speaks for them).
std::vector<Violation> check_readmes(const std::filesystem::path& root);

/// Absolute paths of somebody's machine in source files, scripts and documents.
std::vector<Violation> check_machine_paths(const std::filesystem::path& root);

/// The text without comments (and, if asked, without the insides of string and character literals); lines stay.
std::string strip(const std::string& text, bool strings_too);

/// For failure messages: one line each.
std::string to_text(const std::vector<Violation>& violations);

}  // namespace gf::guard
