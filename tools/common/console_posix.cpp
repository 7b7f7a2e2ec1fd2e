#include "tools/common/console.h"

namespace gf::cli {

std::vector<std::string> command_line(int argc, char** argv) { return {argv + (argc > 0 ? 1 : 0), argv + argc}; }

}  // namespace gf::cli
