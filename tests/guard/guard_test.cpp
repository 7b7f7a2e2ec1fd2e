// The guards hold this source tree, and each is shown to catch a planted violation in a tree of its own.
#include "tests/guard/guard_support.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/test_data.h"

namespace gf::guard {
namespace {

using test::source_path;
using test::TempFolder;

std::vector<IncludeRule> rules() { return read_include_table(source_path("tests/guard/include_table.txt")); }

TEST(Guard, SourcesAreFound) {
  const auto files = source_files(source_path());
  EXPECT_GT(files.size(), 100U);  // a guard over an empty list would always be content
  EXPECT_NE(std::find(files.begin(), files.end(), "runtime/core/error.h"), files.end());
}

TEST(Guard, IncludesFollowTheTable) {
  const auto found = check_includes(source_path(), rules());
  EXPECT_TRUE(found.empty()) << to_text(found);
}

TEST(Guard, CoreUsesNoHeapNoExceptionsNoRtti) {
  const auto found = check_core_words(source_path(), rules());
  EXPECT_TRUE(found.empty()) << to_text(found);
}

TEST(Guard, OneListOfOps) {
  const auto found = check_op_lists(source_path());
  EXPECT_TRUE(found.empty()) << to_text(found);
}

TEST(Guard, EveryFolderHasAShortReadme) {
  const auto found = check_readmes(source_path());
  EXPECT_TRUE(found.empty()) << to_text(found);
}

TEST(Guard, NoPathsOfAMachine) {
  const auto found = check_machine_paths(source_path());
  EXPECT_TRUE(found.empty()) << to_text(found);
}

// Planted violations: file, content, and a part of the message that must come.
struct Planted {
  const char* file;
  const char* content;
  const char* message;  ///< nullptr: nothing may be found
};

class PlantedInclude : public ::testing::TestWithParam<Planted> {};
TEST_P(PlantedInclude, IsJudgedRight) {
  const TempFolder tree;
  tree.write(GetParam().file, GetParam().content);
  const auto found = check_includes(tree.path(), rules());
  if (GetParam().message == nullptr) {
    EXPECT_TRUE(found.empty()) << to_text(found);
  } else {
    ASSERT_EQ(found.size(), 1U) << to_text(found);
    EXPECT_EQ(found[0].file, GetParam().file);
    EXPECT_NE(found[0].what.find(GetParam().message), std::string::npos) << found[0].what;
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, PlantedInclude,
    ::testing::Values(
        Planted{"runtime/core/a.h", "#include \"runtime/exec/session.h\"\n", "may not include runtime/exec/session.h"},
        Planted{"runtime/core/a.h", "#include <vector>\n", "may not include <vector>"},
        Planted{"runtime/core/a.cpp", "  #  include <iostream>\n", "may not include <iostream>"},
        Planted{"runtime/platform/a.h", "#include <sys/mman.h>\n", "may not include <sys/mman.h>"},
        Planted{"runtime/platform/a.cpp", "#include <sys/mman.h>\n", nullptr},
        Planted{"runtime/exec/a.cpp", "#include \"ops/cpu/table.h\"\n", "may not include ops/cpu/table.h"},
        Planted{"runtime/load/a.cpp", "#include \"runtime/exec/session.h\"\n", "runtime/load may not include"},
        Planted{"schema/ops/a.h", "#include \"graph/ir/graph.h\"\n", "may not include graph/ir/graph.h"},
        Planted{"ops/cpu/a.cpp", "#include \"ops/cuda/table.h\"\n", "may not include ops/cuda/table.h"},
        Planted{"ops/cpu/a.cpp", "#include \"runtime/core/exception.h\"\n", "the core never throws"},
        Planted{"ops/cpu/a.cpp", "#include <hwy/highway.h>\n", "may not include <hwy/highway.h>"},
        Planted{"ops/cpu/simd/a.cpp", "#include <hwy/highway.h>\n", nullptr},
        Planted{"io/a.cpp", "#include \"graph/ir/graph.h\"\n", "may not include graph/ir/graph.h"},
        Planted{"graph/a.cpp", "#include \"runtime/exec/session.h\"\n", "may not include runtime/exec/session.h"},
        Planted{"graph/a.cpp", "#include <vector>\n#include \"runtime/core/exception.h\"\n", nullptr},
        Planted{"converter/a.cpp", "#include \"facade/evaluate.h\"\n", "may not include facade/evaluate.h"},
        Planted{"tools/a.cpp", "#include \"runtime/exec/session.h\"\n", "may not include runtime/exec/session.h"},
        Planted{"facade/a.cpp", "#include \"tests/support/compare.h\"\n", "may not include tests/support/compare.h"},
        Planted{"bench/a.cpp", "#include \"tests/support/compare.h\"\n", "may not include tests/support/compare.h"},
        Planted{"elsewhere/a.cpp", "int a;\n", "no row of include_table.txt"},
        Planted{"runtime/core/a.h", "// #include <vector>\n/* \n#include <map>\n*/\n", nullptr}));

class PlantedWord : public ::testing::TestWithParam<Planted> {};
TEST_P(PlantedWord, IsJudgedRight) {
  const TempFolder tree;
  tree.write(GetParam().file, GetParam().content);
  const auto found = check_core_words(tree.path(), rules());
  if (GetParam().message == nullptr) {
    EXPECT_TRUE(found.empty()) << to_text(found);
  } else {
    ASSERT_EQ(found.size(), 1U) << to_text(found);
    EXPECT_NE(found[0].what.find(GetParam().message), std::string::npos) << found[0].what;
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, PlantedWord,
    ::testing::Values(Planted{"runtime/core/a.cpp", "int* p = new int;\n", "placement new"},
                      Planted{"runtime/core/a.cpp", "auto p = new (memory) int;\n", nullptr},
                      Planted{"runtime/core/a.cpp", "\ndelete p;\n", "delete"},
                      Planted{"runtime/core/a.h", "A(const A&) = delete;\n", nullptr},
                      Planted{"runtime/exec/a.cpp", "void* p = malloc(3);\n", "malloc"},
                      Planted{"runtime/exec/a.cpp", "void* p = std::calloc(3, 1);\n", "calloc"},
                      Planted{"runtime/exec/a.cpp", "pool.free(3);\n", nullptr},
                      Planted{"ops/cpu/a.cpp", "throw 3;\n", "throw"},
                      Planted{"ops/cpu/a.cpp", "try {\n", "try"},
                      Planted{"ops/cpu/a.cpp", "auto* b = dynamic_cast<B*>(a);\n", "dynamic_cast"},
                      Planted{"ops/cpu/a.cpp", "std::vector<int> v;\n", "std::vector"},
                      Planted{"schema/ops/a.h", "std::string name;\n", "std::string"},
                      Planted{"schema/ops/a.h", "std::string_view name;\n", nullptr},
                      Planted{"schema/a.cpp", "std::function<void()> f;\n", "std::function"},
                      Planted{"schema/a.cpp", "const char* t = \"new std::string throw\";  // try new malloc(\n", nullptr},
                      Planted{"graph/a.cpp", "std::vector<int> v; throw 3; new int;\n", nullptr}));

std::string ops_header(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "#include \"schema/ops/my_op" + std::to_string(i) + ".h\"\n";
  return text;
}

TEST(PlantedOpList, IsFoundInEachSpelling) {
  const auto list = [](const std::string& before, const std::string& after, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += before + std::to_string(i) + after;
    return text;
  };
  const std::vector<std::string> spellings = {
      list("    case op::MyOp", ":\n      return 1;\n", 12), list("\"MyOp", "\",\n", 12), list("GF_ROW(my_op", ")\n", 12),
      "int table[] = {" + list("kFirst, MyOp", ", ", 12) + "};\n"};
  for (const auto& text : spellings) {
    const TempFolder tree;
    tree.write("schema/ops.h", ops_header(20));
    tree.write("graph/names.cpp", text);
    const auto found = check_op_lists(tree.path());
    ASSERT_EQ(found.size(), 1U) << text;
    EXPECT_EQ(found[0].file, "graph/names.cpp");
  }
}

TEST(PlantedOpList, LeavesTablesRowsAndShortListsAlone) {
  const TempFolder tree;
  tree.write("schema/ops.h", ops_header(20) + "using AllOps = OpList<>;\n");
  std::string eleven;
  std::string rows;
  for (int i = 0; i < 20; ++i) {
    if (i < 11) eleven += "case op::MyOp" + std::to_string(i) + ":\n";
    rows += "GF_CPU_KERNEL(my_op" + std::to_string(i) + ")\n";
  }
  tree.write("graph/few.cpp", eleven);
  tree.write("ops/cpu/kernels.def", rows);
  tree.write("ops/cuda/table.cpp", rows);
  tree.write("converter/onnx/import_math.cpp", rows);
  const auto found = check_op_lists(tree.path());
  EXPECT_TRUE(found.empty()) << to_text(found);
}

TEST(PlantedOpList, AllowedFilesNeedTheirRow) {
  const TempFolder tree;
  tree.write("schema/ops.h", ops_header(20));
  std::string list;
  for (int i = 0; i < 20; ++i) list += "case op::MyOp" + std::to_string(i) + ":\n";
  tree.write("graph/rules.cpp", list);
  tree.write("tests/guard/op_lists_allowed.txt", "# comment\ngraph/rules.cpp | because\n");
  auto found = check_op_lists(tree.path());
  EXPECT_TRUE(found.empty()) << to_text(found);
  tree.write("graph/rules.cpp", "int nothing;\n");
  found = check_op_lists(tree.path());
  ASSERT_EQ(found.size(), 1U) << to_text(found);
  EXPECT_NE(found[0].what.find("remove its row"), std::string::npos);
}

TEST(PlantedReadme, MissingOrLongIsFound) {
  const TempFolder tree;
  tree.write("graph/ir/a.cpp", "int a;\n");
  tree.write("graph/README.md", "# graph\n");
  auto found = check_readmes(tree.path());
  ASSERT_EQ(found.size(), 1U) << to_text(found);
  EXPECT_EQ(found[0].file, "graph/ir");
  std::string text;
  for (int i = 0; i < 61; ++i) text += "line\n";
  tree.write("graph/ir/README.md", text);
  found = check_readmes(tree.path());
  ASSERT_EQ(found.size(), 1U) << to_text(found);
  EXPECT_NE(found[0].what.find("61 lines"), std::string::npos);
}

TEST(PlantedMachinePath, IsFound) {
  const TempFolder tree;
  tree.write("tools/a.sh", std::string("cd /ho") + "me/someone/x\n");
  tree.write("tools/b.sh", std::string("cd \"$PWD/wo") + "rk/x\"\ncd build/wo" + "rk/x\n");
  const auto found = check_machine_paths(tree.path());
  ASSERT_EQ(found.size(), 1U) << to_text(found);
  EXPECT_EQ(found[0].file, "tools/a.sh");
}

TEST(IncludeTable, WrongRowsAreErrors) {
  const TempFolder tree;
  const auto file = tree.write("table.txt", "runtime/core | runtime/core | plain\n");
  EXPECT_THROW(read_include_table(file), std::runtime_error);
}

}  // namespace
}  // namespace gf::guard
