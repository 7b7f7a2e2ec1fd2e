#include "tools/common/emit_c.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "io/file.h"
#include "io/path.h"
#include "runtime/core/exception.h"
#include "tools/common/cli.h"

namespace gf::cli {
namespace {

// An ELF machine. Objects hold data alone, so that only the class, the number and the ABI flags matter.
struct Target {
  const char* name;
  bool wide;            // ELF64
  uint16_t machine;     // e_machine
  uint32_t flags;       // e_flags
  bool is_host;
};

constexpr bool kX64 =
#if defined(__x86_64__)
    true;
#else
    false;
#endif
constexpr bool kArm64 =
#if defined(__aarch64__)
    true;
#else
    false;
#endif
constexpr bool kRiscv64 =
#if defined(__riscv) && __riscv_xlen == 64
    true;
#else
    false;
#endif
constexpr bool kX32 =
#if defined(__i386__)
    true;
#else
    false;
#endif
constexpr bool kArm =
#if defined(__arm__)
    true;
#else
    false;
#endif

constexpr Target kTargets[] = {
    {"x86-64", true, 62, 0, kX64},
    {"aarch64", true, 183, 0, kArm64},
    {"riscv64", true, 243, 0x5, kRiscv64},  // compressed instructions allowed, doubles in registers: Debian's ABI
    {"x86-32", false, 3, 0, kX32},
    {"arm", false, 40, 0x05000000, kArm},   // EABI 5, any float ABI
};

const Target& find_target(const std::string& name) {
  for (const Target& t : kTargets)
    if (name.empty() ? t.is_host : name == t.name) return t;
  throw UsageError(fmt::format("--emit-target: '{}' is not one of {}", name, fmt::join(object_targets(), ", ")));
}

std::string header_text(const std::string& symbol, const std::string& file, size_t size) {
  std::string guard = symbol + "_H";
  std::transform(guard.begin(), guard.end(), guard.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return fmt::format(
      "/* The model in {0}, written by gf-convert --emit-c. Constant, aligned to {1} bytes. */\n"
      "#ifndef {2}\n#define {2}\n\n#include <stddef.h>\n\n"
      "#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n"
      "extern const unsigned char {3}[{4}];\nextern const size_t {3}_size;\n\n"
      "#ifdef __cplusplus\n}}\n#endif\n\n#endif\n",
      file, kAlignment, guard, symbol, size);
}

void write_source(std::span<const std::byte> bytes, const std::string& path, const std::string& header,
                  const std::string& symbol) {
  io::AtomicFileWriter out(path);
  out.write(fmt::format("/* A GhostFlow model, written by gf-convert --emit-c. */\n#include \"{0}\"\n\n"
                        "#if defined(_MSC_VER)\n__declspec(align({2}))\n#endif\n"
                        "const unsigned char {1}[{3}]\n"
                        "#if !defined(_MSC_VER)\n    __attribute__((aligned({2})))\n#endif\n    = {{",
                        header, symbol, kAlignment, bytes.size()));
  std::string text;
  constexpr size_t kPerLine = 32;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i % kPerLine == 0) text += '\n';
    text += std::to_string(std::to_integer<unsigned>(bytes[i]));
    text += ',';
    if (text.size() > 1 << 16) {
      out.write(text);
      text.clear();
    }
  }
  out.write(text + fmt::format("\n}};\nconst size_t {}_size = {};\n", symbol, bytes.size()));
  out.commit();
}

/// Little-endian bytes, fields of 4 or 8 bytes by ELF class.
class ElfBytes {
 public:
  explicit ElfBytes(bool wide) : wide_(wide) {}
  void u8(unsigned v) { bytes_.push_back(static_cast<std::byte>(v)); }
  void number(uint64_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) u8(static_cast<unsigned>(v >> (8 * i)) & 0xff);
  }
  void u16(uint64_t v) { number(v, 2); }
  void u32(uint64_t v) { number(v, 4); }
  void word(uint64_t v) { number(v, wide_ ? 8 : 4); }
  void text(const std::string& s) {
    for (const char c : s) u8(static_cast<unsigned char>(c));
  }
  void align(size_t to) {
    while (bytes_.size() % to != 0) u8(0);
  }
  size_t size() const { return bytes_.size(); }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  bool wide_;
  std::vector<std::byte> bytes_;
};

struct Section {
  uint32_t name = 0, type = 0;
  uint64_t flags = 0, offset = 0, size = 0;
  uint32_t link = 0, info = 0;
  uint64_t alignment = 1, entry = 0;
};

void put_section(ElfBytes& out, const Section& s) {
  out.u32(s.name), out.u32(s.type), out.word(s.flags), out.word(0), out.word(s.offset), out.word(s.size);
  out.u32(s.link), out.u32(s.info), out.word(s.alignment), out.word(s.entry);
}

void put_symbol(ElfBytes& out, bool wide, uint32_t name, uint64_t value, uint64_t size, unsigned info, unsigned section) {
  out.u32(name);
  if (!wide) out.word(value), out.word(size);
  out.u8(info), out.u8(0), out.u16(section);
  if (wide) out.word(value), out.word(size);
}

// Header, the model at an offset that is a multiple of its alignment, its size as a word, symbols, names, section table.
void write_object(std::span<const std::byte> bytes, const std::string& path, const std::string& symbol, const Target& target) {
  const bool wide = target.wide;
  const uint64_t word = wide ? 8 : 4;
  if (!wide && bytes.size() > 0x7fff0000)
    throw Exception(Error::LimitExceeded, fmt::format("a model of {} bytes does not fit a 32-bit program", bytes.size()));
  const uint64_t data_offset = kAlignment;
  const uint64_t size_at = (bytes.size() + word - 1) / word * word;  // of the size, inside the section
  const uint64_t data_end = data_offset + size_at + word;
  const uint64_t header_bytes = wide ? 64 : 52, section_bytes = wide ? 64 : 40, symbol_bytes = wide ? 24 : 16;

  const std::string names = std::string(1, '\0') + symbol + '\0' + symbol + "_size" + '\0';
  const std::string section_names =
      std::string(1, '\0') + ".rodata." + symbol + '\0' + ".note.GNU-stack" + '\0' + ".symtab" + '\0' + ".strtab" + '\0' + ".shstrtab" + '\0';
  const auto name_at = [&](const std::string& name) { return static_cast<uint32_t>(section_names.find(name + '\0')); };

  ElfBytes tail(wide);  // all that follows the data; begins at a multiple of `word`
  constexpr unsigned kGlobalObject = 0x11;
  put_symbol(tail, wide, 0, 0, 0, 0, 0);
  put_symbol(tail, wide, 1, 0, bytes.size(), kGlobalObject, 1);
  put_symbol(tail, wide, static_cast<uint32_t>(2 + symbol.size()), size_at, word, kGlobalObject, 1);
  const size_t names_at = tail.size();
  tail.text(names);
  const size_t section_names_at = tail.size();
  tail.text(section_names);
  tail.align(8);
  const uint64_t sections_at = data_end + tail.size();
  constexpr uint32_t kProgbits = 1, kSymtab = 2, kStrtab = 3;
  put_section(tail, {});
  put_section(tail, {name_at(".rodata." + symbol), kProgbits, 2, data_offset, size_at + word, 0, 0, kAlignment, 0});
  put_section(tail, {name_at(".note.GNU-stack"), kProgbits, 0, data_end, 0, 0, 0, 1, 0});
  put_section(tail, {name_at(".symtab"), kSymtab, 0, data_end, 3 * symbol_bytes, 4, 1, word, symbol_bytes});
  put_section(tail, {name_at(".strtab"), kStrtab, 0, data_end + names_at, names.size(), 0, 0, 1, 0});
  put_section(tail, {name_at(".shstrtab"), kStrtab, 0, data_end + section_names_at, section_names.size(), 0, 0, 1, 0});

  ElfBytes head(wide);
  head.text("\x7f" "ELF");
  head.u8(wide ? 2 : 1), head.u8(1), head.u8(1);  // class, little endian, version
  head.align(16);
  head.u16(1), head.u16(target.machine), head.u32(1);  // relocatable
  head.word(0), head.word(0), head.word(sections_at), head.u32(target.flags);
  head.u16(header_bytes), head.u16(0), head.u16(0), head.u16(section_bytes), head.u16(6), head.u16(5);
  head.align(kAlignment);

  ElfBytes size(wide);
  while (bytes.size() + size.size() < size_at) size.u8(0);
  size.word(bytes.size());
  io::AtomicFileWriter out(path);
  for (const auto part : {std::span<const std::byte>(head.bytes()), bytes, std::span<const std::byte>(size.bytes()),
                          std::span<const std::byte>(tail.bytes())})
    out.write(part);
  out.commit();
}

}  // namespace

std::vector<std::string> object_targets() {
  std::vector<std::string> names;
  for (const Target& t : kTargets) names.emplace_back(t.name);
  return names;
}

std::string c_symbol(const std::string& path) {
  std::string name = io::text_of(io::path_of(path).stem());
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 || static_cast<unsigned char>(c) > 127) c = '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) != 0) name = "_" + name;
  return name + "_gf";
}

void emit_c(std::span<const std::byte> bytes, const std::string& path, const std::string& target) {
  const std::filesystem::path file = io::path_of(path);
  const std::string extension = io::text_of(file.extension());
  if (extension != ".c" && extension != ".o")
    throw UsageError(fmt::format("--emit-c {}: the file must end in .c (source) or .o (object)", path));
  const std::filesystem::path header = std::filesystem::path(file).replace_extension(".h");
  const std::string symbol = c_symbol(path);
  io::write_file(io::text_of(header), std::as_bytes(std::span<const char>(header_text(symbol, io::text_of(file.filename()), bytes.size()))));
  if (extension == ".c")
    write_source(bytes, path, io::text_of(header.filename()), symbol);
  else
    write_object(bytes, path, symbol, find_target(target));
}

}  // namespace gf::cli
