#include "tools/common/console.h"

#include <unistd.h>

#include <cstdlib>

namespace gf::cli {

std::vector<std::string> command_line(int argc, char** argv) { return {argv + (argc > 0 ? 1 : 0), argv + argc}; }

bool stderr_is_terminal() { return isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr; }

}  // namespace gf::cli
