// The little of Unicode that tokenizers need: UTF-8, letters, numbers, spaces. Internal. Thread rule: reentrant.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gf::data {

/// Takes one code point off `text` at `at`, and moves `at` behind it. Throws BadData with the byte's place: "who: byte 17 is no UTF-8".
char32_t take_code_point(std::string_view text, size_t& at, const char* who);
void append_utf8(std::string& text, char32_t c);

bool is_letter(char32_t c);                       ///< category L
bool is_number(char32_t c);                       ///< category N
bool is_space(char32_t c);                        ///< White_Space

}  // namespace gf::data
