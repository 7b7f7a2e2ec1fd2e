#include <algorithm>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>
#include <queue>
#include <tuple>
#include <unordered_set>

#include "io/file.h"
#include "runtime/core/exception.h"
#include "trainer/data/tokenizer.h"
#include "trainer/data/unicode.h"

namespace gf::data {
namespace {

// GPT-2's files write every byte as a visible character: bytes that are one in Latin-1 stand for themselves, the others follow from U+0100.
struct ByteLetters {
  std::array<char32_t, 256> letter{};
  std::array<int, 0x144> byte{};                  // of a letter, or -1
  std::array<uint8_t, 256> in_order{};            // bytes by their letters
};
const ByteLetters& byte_letters() {
  static const ByteLetters table = [] {
    ByteLetters t;
    t.byte.fill(-1);
    char32_t next = 256;
    size_t place = 0;
    for (const bool visible : {true, false})
      for (unsigned b = 0; b < 256; ++b) {
        if (((b >= 33 && b <= 126) || (b >= 161 && b != 173)) != visible) continue;
        t.letter[b] = visible ? b : next++;
        t.byte[t.letter[b]] = static_cast<int>(b);
        t.in_order[place++] = static_cast<uint8_t>(b);
      }
    return t;
  }();
  return table;
}

enum class Kind { Letter, Number, Space, Other };
Kind kind_of(char32_t c) { return is_space(c) ? Kind::Space : is_letter(c) ? Kind::Letter : is_number(c) ? Kind::Number : Kind::Other; }

// The first word of `text`, which is not empty. As GPT-2's expression:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
std::string_view first_word(std::string_view text) {
  constexpr const char* kWho = "BpeTokenizer";
  for (const std::string_view ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"})
    if (text.starts_with(ending)) return text.substr(0, ending.size());
  size_t at = text.size() > 1 && text[0] == ' ' ? 1 : 0;
  const Kind kind = kind_of(take_code_point(text, at, kWho));
  if (kind != Kind::Space) {
    for (size_t next = at; next < text.size(); at = next)
      if (kind_of(take_code_point(text, next, kWho)) != kind) break;
    return text.substr(0, at);
  }
  // spaces: all of them at the end of the text, else without the last one, which belongs to what follows; a single one is a word
  size_t last = 0, end = 0;
  for (size_t next = 0; next < text.size();) {
    const size_t start = next;
    if (kind_of(take_code_point(text, next, kWho)) != Kind::Space) break;
    last = start;
    end = next;
  }
  return text.substr(0, end == text.size() || last == 0 ? end : last);
}

template <class F>
void for_each_word(std::string_view text, F&& f) {
  for (size_t at = 0; at < text.size();) take_code_point(text, at, "BpeTokenizer");  // errors with the place in the whole
  while (!text.empty()) {
    const std::string_view word = first_word(text);
    f(word);
    text.remove_prefix(word.size());
  }
}

[[noreturn]] void bad_file(const std::string& where, const std::string& what) { throw Exception(Error::BadFile, where + ": " + what); }

// The bytes that a written token stands for; false where it has other characters.
bool bytes_of(std::string_view written, std::string& out) {
  out.clear();
  for (size_t at = 0; at < written.size();) {
    const char32_t c = take_code_point(written, at, "BpeTokenizer");
    const int byte = c < byte_letters().byte.size() ? byte_letters().byte[c] : -1;
    if (byte < 0) return false;
    out += static_cast<char>(byte);
  }
  return true;
}

// Training: words that occur, with how often; pairs of neighbours in them.
struct Trainer {
  struct Word {
    std::vector<int32_t> tokens;
    int64_t count;
  };
  struct Candidate {
    int64_t count;
    uint64_t pair;
    bool operator<(const Candidate& o) const { return count != o.count ? count < o.count : pair > o.pair; }
  };
  std::vector<Word> words;
  std::unordered_map<uint64_t, int64_t> counts;
  std::unordered_map<uint64_t, std::vector<size_t>> places;   // words that have or had a pair
  std::priority_queue<Candidate> queue;                       // counts of once: the true ones are never larger

  static uint64_t pair(int32_t a, int32_t b) { return static_cast<uint64_t>(a) << 32 | static_cast<uint64_t>(b); }

  void count(size_t w, int64_t sign, std::unordered_set<uint64_t>* touched) {
    const Word& word = words[w];
    for (size_t i = 0; i + 1 < word.tokens.size(); ++i) {
      const uint64_t p = pair(word.tokens[i], word.tokens[i + 1]);
      counts[p] += sign * word.count;
      if (sign > 0 && touched != nullptr) touched->insert(p);
    }
  }
  void merge(uint64_t best, int32_t into) {
    std::unordered_set<uint64_t> touched;
    const std::vector<size_t> where = std::move(places[best]);
    places.erase(best);
    for (const size_t w : where) {
      count(w, -1, nullptr);
      std::vector<int32_t>& t = words[w].tokens;
      size_t to = 0;
      for (size_t i = 0; i < t.size(); ++to) {
        const bool here = i + 1 < t.size() && pair(t[i], t[i + 1]) == best;
        t[to] = here ? into : t[i];
        i += here ? 2 : 1;
      }
      t.resize(to);
      count(w, 1, &touched);
      for (size_t i = 0; i + 1 < t.size(); ++i)
        if (t[i] == into || t[i + 1] == into) places[pair(t[i], t[i + 1])].push_back(w);
    }
    for (const uint64_t p : touched)
      if (static_cast<int32_t>(p >> 32) == into || static_cast<int32_t>(p & 0xffffffffU) == into) queue.push({counts[p], p});
  }
};

}  // namespace

BpeTokenizer BpeTokenizer::train(std::string_view text, int64_t vocabulary_size) {
  if (vocabulary_size < 256 || vocabulary_size > INT32_MAX)
    throw Exception(Error::InvalidArgument, "BpeTokenizer: " + std::to_string(vocabulary_size) + " tokens are too few or too many; the bytes alone are 256");
  BpeTokenizer out;
  out.byte_token_.resize(256);
  for (const uint8_t b : byte_letters().in_order) {
    out.byte_token_[b] = static_cast<int32_t>(out.tokens_.size());
    out.tokens_.emplace_back(1, static_cast<char>(b));
  }
  Trainer trainer;
  std::unordered_map<std::string_view, size_t> known;
  for_each_word(text, [&](std::string_view word) {
    const auto [at, fresh] = known.emplace(word, trainer.words.size());
    if (fresh) {
      trainer.words.push_back({{}, 0});
      for (const char c : word) trainer.words.back().tokens.push_back(out.byte_token_[static_cast<uint8_t>(c)]);
    }
    ++trainer.words[at->second].count;
  });
  for (size_t w = 0; w < trainer.words.size(); ++w) {
    trainer.count(w, 1, nullptr);
    const std::vector<int32_t>& t = trainer.words[w].tokens;
    for (size_t i = 0; i + 1 < t.size(); ++i) trainer.places[Trainer::pair(t[i], t[i + 1])].push_back(w);
  }
  for (const auto& [p, n] : trainer.counts) trainer.queue.push({n, p});
  while (out.vocabulary_size() < vocabulary_size && !trainer.queue.empty()) {
    const Trainer::Candidate best = trainer.queue.top();
    trainer.queue.pop();
    if (const int64_t now = trainer.counts[best.pair]; now != best.count) {
      if (now > 1) trainer.queue.push({now, best.pair});
      continue;
    }
    if (best.count < 2) break;
    const auto left = static_cast<int32_t>(best.pair >> 32), right = static_cast<int32_t>(best.pair & 0xffffffffU);
    const auto into = static_cast<int32_t>(out.tokens_.size());
    out.merge_of_[pair(left, right)] = {static_cast<int32_t>(out.merges_.size()), into};
    out.merges_.emplace_back(left, right);
    out.tokens_.push_back(out.tokens_[static_cast<size_t>(left)] + out.tokens_[static_cast<size_t>(right)]);
    trainer.merge(best.pair, into);
  }
  out.special_.assign(out.tokens_.size(), false);
  return out;
}

void BpeTokenizer::encode_word(std::string_view word, std::vector<int32_t>& out) const {
  // A list of tokens, and a queue of its mergeable neighbours: what has changed since it was queued is passed over.
  struct Node {
    int32_t token;
    size_t previous, next;
  };
  constexpr size_t kNone = static_cast<size_t>(-1);
  std::vector<Node> nodes;
  for (size_t i = 0; i < word.size(); ++i) nodes.push_back({byte_token_[static_cast<uint8_t>(word[i])], i == 0 ? kNone : i - 1, i + 1 == word.size() ? kNone : i + 1});
  using Item = std::tuple<int32_t, size_t, int32_t, int32_t>;  // rank, place, left, right
  std::priority_queue<Item, std::vector<Item>, std::greater<>> queue;
  const auto look = [&](size_t at) {
    if (at == kNone || nodes[at].next == kNone) return;
    const int32_t left = nodes[at].token, right = nodes[nodes[at].next].token;
    if (const auto m = merge_of_.find(pair(left, right)); m != merge_of_.end()) queue.emplace(m->second.rank, at, left, right);
  };
  for (size_t i = 0; i < nodes.size(); ++i) look(i);
  while (!queue.empty()) {
    const auto [rank, at, left, right] = queue.top();
    queue.pop();
    const size_t next = nodes[at].next;
    if (nodes[at].token != left || next == kNone || nodes[next].token != right) continue;
    nodes[at].token = merge_of_.at(pair(left, right)).token;
    nodes[at].next = nodes[next].next;
    nodes[next].token = -1;
    if (nodes[at].next != kNone) nodes[nodes[at].next].previous = at;
    look(nodes[at].previous);
    look(at);
  }
  for (size_t at = 0; at != kNone; at = nodes[at].next) out.push_back(nodes[at].token);
}

std::vector<int32_t> BpeTokenizer::encode(std::string_view text) const {
  std::vector<int32_t> out;
  for_each_word(text, [&](std::string_view word) { encode_word(word, out); });
  return out;
}

std::string BpeTokenizer::decode(std::span<const int32_t> tokens) const {
  std::string text;
  for (const int32_t t : tokens) {
    if (t < 0 || t >= vocabulary_size())
      throw Exception(Error::InvalidArgument, "BpeTokenizer: there is no token " + std::to_string(t) + " of " + std::to_string(vocabulary_size()));
    text += tokens_[static_cast<size_t>(t)];
  }
  return text;
}

std::string BpeTokenizer::written(int32_t token) const {
  const auto t = static_cast<size_t>(token);
  if (special_[t]) return tokens_[t];
  std::string out;
  for (const char c : tokens_[t]) append_utf8(out, byte_letters().letter[static_cast<uint8_t>(c)]);
  return out;
}

int32_t BpeTokenizer::token(std::string_view name) const {
  for (int32_t t = 0; t < vocabulary_size(); ++t)
    if (written(t) == name) return t;
  throw Exception(Error::NotFound, "BpeTokenizer: there is no token '" + io::printable(name) + "'");
}

BpeTokenizer BpeTokenizer::parse(std::string_view vocabulary, std::string_view merges, const std::string& vocabulary_name, const std::string& merges_name) {
  const nlohmann::json json = nlohmann::json::parse(vocabulary.begin(), vocabulary.end(), nullptr, false);
  if (!json.is_object() || json.empty()) bad_file(vocabulary_name, "is no JSON object of tokens and their numbers");
  BpeTokenizer out;
  out.tokens_.resize(json.size());
  out.special_.assign(json.size(), true);
  out.byte_token_.assign(256, -1);
  std::unordered_map<std::string, int32_t> number_of;
  std::vector<bool> taken(json.size());
  for (const auto& [name, number] : json.items()) {
    const auto n = number.is_number_unsigned() ? number.get<uint64_t>() : json.size();
    if (n >= json.size() || taken[static_cast<size_t>(n)])
      bad_file(vocabulary_name, "token '" + io::printable(name) + "': its number is taken, or none of 0 to " + std::to_string(json.size() - 1));
    taken[static_cast<size_t>(n)] = true;
    out.tokens_[static_cast<size_t>(n)] = name;
    number_of[name] = static_cast<int32_t>(n);
  }
  std::string bytes;
  for (size_t b = 0; b < 256; ++b) {
    std::string name;
    append_utf8(name, byte_letters().letter[b]);
    const auto at = number_of.find(name);
    if (at == number_of.end()) bad_file(vocabulary_name, "has no token for byte " + std::to_string(b) + " ('" + name + "')");
    out.byte_token_[b] = at->second;
    out.special_[static_cast<size_t>(at->second)] = false;
  }
  for (size_t line = 1; !merges.empty(); ++line) {
    const size_t end = merges.find('\n');
    std::string_view text = merges.substr(0, end);
    merges.remove_prefix(end == std::string_view::npos ? merges.size() : end + 1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty() || (line == 1 && text.starts_with("#version"))) continue;
    const size_t space = text.find(' ');
    const std::string left(text.substr(0, space)), right(space == std::string_view::npos ? std::string_view() : text.substr(space + 1));
    const auto a = number_of.find(left), b = number_of.find(right), both = number_of.find(left + right);
    if (a == number_of.end() || b == number_of.end() || both == number_of.end())
      bad_file(merges_name, "line " + std::to_string(line) + ": '" + io::printable(text) + "' is no pair of tokens that together are one in " + vocabulary_name);
    if (!out.merge_of_.emplace(pair(a->second, b->second), Merge{static_cast<int32_t>(out.merges_.size()), both->second}).second)
      bad_file(merges_name, "line " + std::to_string(line) + ": '" + io::printable(text) + "' is there twice");
    out.merges_.emplace_back(a->second, b->second);
    out.special_[static_cast<size_t>(both->second)] = false;
  }
  for (size_t t = 0; t < out.tokens_.size(); ++t) {
    if (out.special_[t]) continue;
    if (!bytes_of(out.tokens_[t], bytes)) bad_file(vocabulary_name, "token '" + io::printable(out.tokens_[t]) + "' has a character that stands for no byte");
    out.tokens_[t] = bytes;
  }
  return out;
}

BpeTokenizer BpeTokenizer::load(const std::string& vocabulary, const std::string& merges, const io::Limits& limits) {
  const io::Bytes v = io::read_file(vocabulary, limits), m = io::read_file(merges, limits);
  const auto text = [](const io::Bytes& b) { return std::string_view(reinterpret_cast<const char*>(b.data()), b.size()); };
  return parse(text(v), text(m), io::printable(vocabulary), io::printable(merges));
}

void BpeTokenizer::save(const std::string& vocabulary, const std::string& merges) const {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (int32_t t = 0; t < vocabulary_size(); ++t) json.get_ref<nlohmann::ordered_json::object_t&>().emplace_back(written(t), t);
  std::string lines = "#version: 0.2\n";
  for (const auto& [left, right] : merges_) lines += written(left) + " " + written(right) + "\n";
  io::write_file(vocabulary, json.dump() + "\n");
  io::write_file(merges, lines);
}

}  // namespace gf::data
