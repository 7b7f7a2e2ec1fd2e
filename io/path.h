// File names are UTF-8 everywhere in the project. std::filesystem takes plain strings in a character set of the system's choice
// on Windows: these two convert.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace gf::io {

inline std::filesystem::path path_of(std::string_view utf8) { return std::filesystem::path(std::u8string(utf8.begin(), utf8.end())); }

/// With the system's separators.
inline std::string text_of(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
}

}  // namespace gf::io
