#include "tools/common/console.h"

#include <windows.h>

#include <io.h>
#include <shellapi.h>

#include <cstdio>
#include <cstdlib>

namespace gf::cli {
namespace {

UINT old_code_page = 0;

std::string utf8(const wchar_t* text) {
  const int bytes = WideCharToMultiByte(CP_UTF8, 0, text, -1, nullptr, 0, nullptr, nullptr);
  std::string out(static_cast<size_t>(bytes > 0 ? bytes : 1), '\0');
  if (bytes > 0) WideCharToMultiByte(CP_UTF8, 0, text, -1, out.data(), bytes, nullptr, nullptr);
  out.pop_back();  // the terminator
  return out;
}

}  // namespace

// `argv` has been through the system's character set, where characters may have been lost.
std::vector<std::string> command_line(int /*argc*/, char** /*argv*/) {
  old_code_page = GetConsoleOutputCP();
  if (old_code_page != 0 && SetConsoleOutputCP(CP_UTF8) != 0) std::atexit([] { SetConsoleOutputCP(old_code_page); });
  int count = 0;
  wchar_t** words = CommandLineToArgvW(GetCommandLineW(), &count);
  std::vector<std::string> arguments;
  for (int i = 1; i < count; ++i) arguments.push_back(utf8(words[i]));
  LocalFree(words);
  return arguments;
}

bool stderr_is_terminal() { return _isatty(_fileno(stderr)) != 0 && std::getenv("NO_COLOR") == nullptr; }

}  // namespace gf::cli
