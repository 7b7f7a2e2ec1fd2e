// gf-convert --emit-c: the array and the object are compiled, linked (statically too), run, and hold the bytes of the .gf.
#include "tests/tools/tool_support.h"

namespace gf::test {
namespace {

// Writes the model to stdout, and its alignment and size symbol to the exit code: 0 when all is right.
constexpr const char* kProgram = R"c(
#include <stdio.h>
#include "digits.h"
int main(void) {
  if ((size_t)digits_gf % 64 != 0) return 1;
  if (sizeof digits_gf != digits_gf_size) return 2;
  return fwrite(digits_gf, 1, digits_gf_size, stdout) == digits_gf_size ? 0 : 3;
}
)c";

class EmitC : public Tools {
 protected:
  /// The classifier as `name` (digits.c, digits.o), the .gf beside it as a.gf.
  void emit(const std::string& name) {
    const ToolResult r = tool("gf-convert", digits_onnx() + " -o " + path("a.gf") + " --emit-c " + path(name));
    ASSERT_EQ(r.code, 0) << r.err;
    std::ofstream(path("main.c")) << kProgram;
  }
  void expect_program_holds_the_model(const std::string& command) {
    const ToolResult built = run_command("cd " + path("") + " && " + command + " -o program", folder_);
    ASSERT_EQ(built.code, 0) << command << "\n" << built.err;
    const ToolResult r = run_command(path("program"), folder_);
    EXPECT_EQ(r.code, 0) << command;
    EXPECT_EQ(r.out, read_text(path("a.gf"))) << command;
  }
};

TEST_F(EmitC, TheArrayCompilesAsC99AndAsCpp) {
  emit("digits.c");
  expect_program_holds_the_model("cc -std=c99 -Wall -Wextra -Wpedantic -Werror main.c digits.c");
  expect_program_holds_the_model("cc -static -ffunction-sections -fdata-sections -Wl,--gc-sections main.c digits.c");
  expect_program_holds_the_model("c++ -Wall -Wextra -Werror -Wno-deprecated -x c++ main.c digits.c");
}

TEST_F(EmitC, TheObjectLinksStaticallyAndInAnyPlace) {
  emit("digits.o");
  expect_program_holds_the_model("cc -std=c99 -Wall -Wextra -Wpedantic -Werror -Wl,--fatal-warnings main.c digits.o");
  expect_program_holds_the_model("cc -static -Wl,--gc-sections -Wl,--fatal-warnings main.c digits.o");
  std::ofstream(path("odd.c")) << "const char odd[3] = {1, 2, 3};\n";  // what stands before it does not move it off its alignment
  expect_program_holds_the_model("cc -fno-pie -no-pie odd.c digits.o main.c");
  expect_program_holds_the_model("cc -c main.c odd.c && ar rc libmodel.a odd.o digits.o && cc main.o libmodel.a");
  const ToolResult r = run_command("readelf --wide --sections --symbols " + path("digits.o"), folder_);
  EXPECT_EQ(r.err, "") << "readelf complains";
  EXPECT_NE(r.out.find(".rodata.digits_gf"), std::string::npos) << r.out;
}

TEST_F(EmitC, ObjectsOfEveryMachineAreUnderstoodByReadelf) {
  struct Machine {
    const char *target, *elf_class, *name;
  };
  for (const Machine& m : {Machine{"x86-64", "ELF64", "X86-64"}, {"aarch64", "ELF64", "AArch64"}, {"riscv64", "ELF64", "RISC-V"},
                           {"x86-32", "ELF32", "80386"}, {"arm", "ELF32", "ARM"}}) {
    ASSERT_EQ(tool("gf-convert", digits() + " --emit-c " + path("m.o") + " --emit-target " + m.target).code, 0) << m.target;
    const ToolResult r = run_command("readelf --wide --file-header --sections --symbols " + path("m.o"), folder_);
    EXPECT_EQ(r.err, "") << m.target;
    for (const char* text : {m.elf_class, m.name, "m_gf_size", ".rodata.m_gf"})
      EXPECT_NE(r.out.find(text), std::string::npos) << m.target << ": no " << text << " in\n" << r.out;
    const size_t section = read_text(path("m.o")).find(read_text(digits()));
    EXPECT_EQ(section, 64U) << m.target;
  }
}

TEST_F(EmitC, NamesBecomeIdentifiers) {
  ASSERT_EQ(tool("gf-convert", digits() + " --emit-c " + path("7-my.net.c")).code, 0);
  EXPECT_NE(read_text(path("7-my.net.h")).find("extern const unsigned char _7_my_net_gf["), std::string::npos);
}

TEST_F(EmitC, WrongUseIsSaid) {
  expect_error("gf-convert", digits() + " --emit-c " + path("a.txt"), 2, "must end in .c (source) or .o (object)");
  expect_error("gf-convert", digits() + " --emit-c " + path("a.o") + " --emit-target pdp11", 2, "pdp11");
  expect_error("gf-convert", digits() + " -o " + path("b.gf") + " --emit-c " + path("a.c"), 2, "gf-convert IN.gf --emit-c FILE.c");
  expect_error("gf-convert", digits() + " --emit-c " + path("no/such/a.c"), 1, "no/such");
  std::ofstream(path("broken.gf")) << "not a model";
  expect_error("gf-convert", path("broken.gf") + " --emit-c " + path("a.c"), 1, "not a .gf file");
}

}  // namespace
}  // namespace gf::test
