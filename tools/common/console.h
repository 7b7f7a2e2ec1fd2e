// What a program gets from the console it was started in. console_posix.cpp, console_windows.cpp.
#pragma once

#include <string>
#include <vector>

namespace gf::cli {

/// The words after the program's name, in UTF-8. On Windows also makes the console show UTF-8 until the program ends.
std::vector<std::string> command_line(int argc, char** argv);
/// stderr is a terminal that lines may be written over on (and NO_COLOR does not ask for plain text).
bool stderr_is_terminal();

}  // namespace gf::cli
