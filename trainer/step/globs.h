// Names chosen by globs: '*' is any characters, '?' one. Plain values.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace gf {

inline bool glob_matches(const char* glob, const char* name) {
  for (; *glob != 0; ++glob, ++name) {
    if (*glob == '*') {
      do
        if (glob_matches(glob + 1, name)) return true;
      while (*name++ != 0);
      return false;
    }
    if (*name == 0 || (*glob != '?' && *glob != *name)) return false;
  }
  return *name == 0;
}
inline bool matches_any(const std::vector<std::string>& globs, const std::string& name) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& g) { return glob_matches(g.c_str(), name.c_str()); });
}
/// "a, b, c"
inline std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& n : names) text += (text.empty() ? "" : ", ") + n;
  return text;
}

}  // namespace gf
