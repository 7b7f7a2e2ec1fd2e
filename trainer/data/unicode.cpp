#include "trainer/data/unicode.h"

#include <algorithm>
#include <iterator>

#include "runtime/core/exception.h"

namespace gf::data {
namespace {

struct Range {
  char32_t first, last;
};
#include "trainer/data/unicode_ranges.inc"

template <size_t N>
bool within(const Range (&ranges)[N], char32_t c) {
  const Range* r = std::lower_bound(std::begin(ranges), std::end(ranges), c, [](const Range& a, char32_t b) { return a.last < b; });
  return r != std::end(ranges) && c >= r->first;
}

}  // namespace

char32_t take_code_point(std::string_view text, size_t& at, const char* who) {
  const auto bad = [&]() -> char32_t { throw Exception(Error::BadData, std::string(who) + ": byte " + std::to_string(at) + " of the text is no UTF-8"); };
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) {
    ++at;
    return first;
  }
  const size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  if (first < 0xc2 || first > 0xf4 || text.size() - at <= more) return bad();
  char32_t c = first & (0x3fU >> more);
  for (size_t i = 1; i <= more; ++i) {
    const auto next = static_cast<unsigned char>(text[at + i]);
    if ((next & 0xc0U) != 0x80) return bad();
    c = c << 6 | (next & 0x3fU);
  }
  constexpr char32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
  if (c < kLeast[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return bad();
  at += more + 1;
  return c;
}

void append_utf8(std::string& text, char32_t c) {
  const auto tail = [&](int shift) { text += static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += static_cast<char>(0xc0 | c >> 6);
    tail(0);
  } else if (c < 0x10000) {
    text += static_cast<char>(0xe0 | c >> 12);
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xf0 | c >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_letter(char32_t c) { return within(kLetters, c); }
bool is_number(char32_t c) { return within(kNumbers, c); }
bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

}  // namespace gf::data
