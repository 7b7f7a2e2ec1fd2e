// Tokenizers: text (UTF-8) to token numbers and back. CharTokenizer: one token per character. BpeTokenizer: byte-level byte-pair encoding
// as GPT-2 has it (Sennrich et al. 2015; Radford et al. 2019), trained here or read from vocab.json and merges.txt.
// Thread rule: immutable once made.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "io/array.h"

namespace gf::data {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual int64_t vocabulary_size() const = 0;
  /// Throws BadData where the text has what the vocabulary lacks, or is no UTF-8: with the byte's place.
  virtual std::vector<int32_t> encode(std::string_view text) const = 0;
  /// Throws InvalidArgument: a number that is no token.
  virtual std::string decode(std::span<const int32_t> tokens) const = 0;
};

/// Tokens are the characters (code points) of a text, numbered in their order.
class CharTokenizer : public Tokenizer {
 public:
  /// The characters of this text. Throws BadData: empty, no UTF-8.
  static CharTokenizer from_text(std::string_view text);
  /// A JSON list of the characters. Throws NotFound, IoError, BadFile.
  static CharTokenizer load(const std::string& file, const io::Limits& limits = {});
  void save(const std::string& file) const;

  int64_t vocabulary_size() const override { return static_cast<int64_t>(characters_.size()); }
  std::vector<int32_t> encode(std::string_view text) const override;
  std::string decode(std::span<const int32_t> tokens) const override;

 private:
  explicit CharTokenizer(std::vector<char32_t> characters) : characters_(std::move(characters)) {}
  std::vector<char32_t> characters_;              ///< ascending
};

/// Text is cut into words (letters, numbers, other signs, each with the space in front; English endings), a word into bytes, and the pair
/// of neighbours that was merged first in training is merged first, until no such pair is left.
class BpeTokenizer : public Tokenizer {
 public:
  /// Learns merges from a text until there are `vocabulary_size` tokens or no pair comes twice: of pairs that come equally often, the one
  /// of smaller token numbers. The first 256 tokens are the bytes. Throws InvalidArgument: fewer than 256 tokens; BadData: no UTF-8.
  static BpeTokenizer train(std::string_view text, int64_t vocabulary_size);
  /// GPT-2's files: tokens with their numbers, and merges in their order. Tokens that no merge makes ("<|endoftext|>") are special: encode()
  /// never gives them, decode() and token() know them. Throws NotFound, IoError; BadFile with the file and the line or token.
  static BpeTokenizer load(const std::string& vocabulary, const std::string& merges, const io::Limits& limits = {});
  static BpeTokenizer parse(std::string_view vocabulary, std::string_view merges, const std::string& vocabulary_name, const std::string& merges_name);
  void save(const std::string& vocabulary, const std::string& merges) const;

  int64_t vocabulary_size() const override { return static_cast<int64_t>(tokens_.size()); }
  std::vector<int32_t> encode(std::string_view text) const override;
  std::string decode(std::span<const int32_t> tokens) const override;
  /// The number of a token as it stands in the vocabulary file, where spaces and control bytes have letters of their own ("Ġthe"). Throws NotFound.
  int32_t token(std::string_view written) const;

 private:
  BpeTokenizer() = default;
  void encode_word(std::string_view word, std::vector<int32_t>& out) const;
  std::string written(int32_t token) const;

  struct Merge {
    int32_t rank, token;
  };
  static uint64_t pair(int32_t left, int32_t right) { return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right); }

  std::vector<std::string> tokens_;               ///< bytes of each; of special ones, their text
  std::vector<bool> special_;
  std::vector<int32_t> byte_token_;               ///< token of each byte
  std::vector<std::pair<int32_t, int32_t>> merges_;
  std::unordered_map<uint64_t, Merge> merge_of_;  ///< of pair()
};

}  // namespace gf::data
