#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/file.h"
#include "runtime/core/exception.h"
#include "trainer/data/tokenizer.h"
#include "trainer/data/unicode.h"

namespace gf::data {

CharTokenizer CharTokenizer::from_text(std::string_view text) {
  std::vector<bool> there(0x110000);
  for (size_t at = 0; at < text.size();) there[take_code_point(text, at, "CharTokenizer")] = true;
  std::vector<char32_t> characters;
  for (char32_t c = 0; c < 0x110000; ++c)
    if (there[c]) characters.push_back(c);
  if (characters.empty()) throw Exception(Error::BadData, "CharTokenizer: the text is empty");
  return CharTokenizer(std::move(characters));
}

std::vector<int32_t> CharTokenizer::encode(std::string_view text) const {
  std::vector<int32_t> out;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t c = take_code_point(text, at, "CharTokenizer");
    const auto found = std::lower_bound(characters_.begin(), characters_.end(), c);
    if (found == characters_.end() || *found != c)
      throw Exception(Error::BadData, "CharTokenizer: byte " + std::to_string(start) + ": the vocabulary lacks the character '" +
                                          io::printable(text.substr(start, at - start)) + "' (number " + std::to_string(static_cast<uint32_t>(c)) + ")");
    out.push_back(static_cast<int32_t>(found - characters_.begin()));
  }
  return out;
}

std::string CharTokenizer::decode(std::span<const int32_t> tokens) const {
  std::string text;
  for (const int32_t t : tokens) {
    if (t < 0 || t >= vocabulary_size())
      throw Exception(Error::InvalidArgument, "CharTokenizer: there is no token " + std::to_string(t) + " of " + std::to_string(vocabulary_size()));
    append_utf8(text, characters_[static_cast<size_t>(t)]);
  }
  return text;
}

void CharTokenizer::save(const std::string& file) const {
  nlohmann::json list = nlohmann::json::array();
  for (const char32_t c : characters_) {
    std::string one;
    append_utf8(one, c);
    list.push_back(one);
  }
  io::write_file(file, list.dump() + "\n");
}

CharTokenizer CharTokenizer::load(const std::string& file, const io::Limits& limits) {
  const io::Bytes bytes = io::read_file(file, limits);
  const std::string where = io::printable(file);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  const nlohmann::json list = nlohmann::json::parse(text, text + bytes.size(), nullptr, false);
  if (!list.is_array() || list.empty()) throw Exception(Error::BadFile, where + ": is no JSON list of characters, as CharTokenizer::save writes it");
  std::vector<char32_t> characters;
  for (const auto& item : list) {
    const std::string one = item.is_string() ? item.get<std::string>() : std::string();
    size_t at = 0;
    if (!one.empty()) characters.push_back(take_code_point(one, at, "CharTokenizer"));
    const bool ascending = characters.size() < 2 || characters.back() > characters[characters.size() - 2];
    if (one.empty() || at != one.size() || !ascending)
      throw Exception(Error::BadFile, where + ": item " + std::to_string(&item - &list[0]) + " is no character, or stands behind a larger one");
  }
  return CharTokenizer(std::move(characters));
}

}  // namespace gf::data
