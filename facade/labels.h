// How the labels of a model lie in its metadata: a line each. Private to the facade.
#pragma once

#include <algorithm>
#include <string_view>

namespace gf {

/// Cuts the first line off `rest` and returns it without its end (LF or CR LF).
inline std::string_view take_label(std::string_view& rest) {
  const size_t end = std::min(rest.find('\n'), rest.size());
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace gf
