// Tokenizers: merges and encodings against Hugging Face's tokenizers (golden/tokenizer.json, made by make_tokenizer_goldens.py), round trips,
// bad files.
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/data/data_support.h"
#include "tests/support/expect_refused.h"
#include "tests/support/test_data.h"
#include "trainer/data/text.h"
#include "trainer/data/tokenizer.h"

namespace gf::test {
namespace {

using namespace data;

nlohmann::json golden() { return nlohmann::json::parse(std::ifstream(std::string(kSourceDir) + "/tests/data/golden/tokenizer.json")); }

std::string merges_of(const nlohmann::json& g) {
  std::string lines = "#version: 0.2\n";
  for (const auto& m : g["merges"]) lines += m.get<std::string>() + "\n";
  return lines;
}

void expect_encodes(const BpeTokenizer& t, const nlohmann::json& g) {
  for (const auto& c : g["cases"]) {
    const std::string text = c["text"];
    EXPECT_EQ(t.encode(text), c["tokens"].get<std::vector<int32_t>>()) << text;
    EXPECT_EQ(t.decode(t.encode(text)), text);
  }
}

TEST(BpeTokenizer, ReadsVocabularyAndMerges) {
  const auto g = golden();
  const BpeTokenizer t = BpeTokenizer::parse(g["vocabulary"].dump(), merges_of(g), "vocab.json", "merges.txt");
  EXPECT_EQ(t.vocabulary_size(), 700);
  expect_encodes(t, g);
}

TEST(BpeTokenizer, TrainsTheSameMerges) {
  const auto g = golden();
  const BpeTokenizer t = BpeTokenizer::train(read_text(source_path("LICENSE").string()), 700);
  expect_encodes(t, g);
  const TempFolder folder;
  t.save(folder.path("vocab.json").string(), folder.path("merges.txt").string());
  EXPECT_EQ(read_text(folder.path("merges.txt").string()), merges_of(g));
  EXPECT_EQ(nlohmann::json::parse(read_text(folder.path("vocab.json").string())), g["vocabulary"]);
  const BpeTokenizer again = BpeTokenizer::load(folder.path("vocab.json").string(), folder.path("merges.txt").string());
  expect_encodes(again, g);
  EXPECT_EQ(again.token("\u0120the"), t.encode(" the")[0]);
}

TEST(BpeTokenizer, SpecialTokensAreDecodedAndNeverEncoded) {
  auto g = golden();
  g["vocabulary"]["<|endoftext|>"] = 700;
  const BpeTokenizer t = BpeTokenizer::parse(g["vocabulary"].dump(), merges_of(g), "v", "m");
  EXPECT_EQ(t.token("<|endoftext|>"), 700);
  EXPECT_EQ(t.decode(std::vector<int32_t>{700}), "<|endoftext|>");
  const auto tokens = t.encode("<|endoftext|>");
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), 700), 0);
  expect_refused(Error::NotFound, "there is no token 'nothing'", [&] { (void)t.token("nothing"); });
}

TEST(BpeTokenizer, LongWordsAreNoTrap) {
  const BpeTokenizer t = BpeTokenizer::train(std::string(64, 'a') + " " + std::string(64, 'a'), 262);
  EXPECT_EQ(t.vocabulary_size(), 262);
  const auto tokens = t.encode(std::string(1 << 18, 'a'));  // quadratic work would take minutes
  EXPECT_EQ(t.decode(tokens).size(), size_t{1} << 18);
  EXPECT_EQ(tokens.size(), size_t{1} << 12);  // 2^6 letters each
}

TEST(BpeTokenizer, StopsWhenNoPairComesTwice) {
  const BpeTokenizer t = BpeTokenizer::train("abcd", 1000);
  EXPECT_EQ(t.vocabulary_size(), 256);
  EXPECT_EQ(BpeTokenizer::train("", 300).vocabulary_size(), 256);
}

TEST(BpeTokenizer, BadInput) {
  const auto g = golden();
  const std::string vocabulary = g["vocabulary"].dump();
  const auto refuse = [](const std::string& what, const std::string& v, const std::string& m) {
    expect_refused(Error::BadFile, what, [&] { (void)BpeTokenizer::parse(v, m, "v.json", "m.txt"); });
  };
  refuse("v.json: is no JSON object", "", "");
  refuse("v.json: is no JSON object", "[1, 2]", "");
  refuse("v.json: is no JSON object", vocabulary.substr(0, 200), "");
  refuse("v.json: is no JSON object", std::string(100000, '['), "");
  refuse("v.json: has no token for byte 0", R"({"a": 0})", "");
  refuse("token 'b': its number is taken, or none of 0 to 1", R"({"a": 0, "b": 0})", "");
  refuse("token 'b': its number is taken", R"({"a": 0, "b": 7})", "");
  refuse("token 'b': its number is taken", R"({"a": 0, "b": -1})", "");
  refuse("token 'b': its number is taken", R"({"a": 0, "b": "1"})", "");
  refuse("m.txt: line 2: 'alone' is no pair of tokens", vocabulary, "#version: 0.2\nalone\n");
  refuse("m.txt: line 1: 'q q' is no pair of tokens that together are one in v.json", vocabulary, "q q\n");
  refuse("m.txt: line 2: 't h' is there twice", vocabulary, "t h\nt h\n");
  expect_refused(Error::InvalidArgument, "the bytes alone are 256", [] { (void)BpeTokenizer::train("x", 255); });
  expect_refused(Error::BadData, "BpeTokenizer: byte 2 of the text is no UTF-8", [] { (void)BpeTokenizer::train("ab\xff", 300); });
  const BpeTokenizer t = BpeTokenizer::train("abcd", 256);
  for (const char* bad : {"ab\x80", "ab\xc3", "ab\xc0\x80", "ab\xed\xa0\x80", "ab\xf5\x80\x80\x80", "ab\xe2\x82"})
    expect_refused(Error::BadData, "byte 2 of the text is no UTF-8", [&] { (void)t.encode(bad); });
  expect_refused(Error::InvalidArgument, "there is no token 256 of 256", [&] { (void)t.decode(std::vector<int32_t>{256}); });
  expect_refused(Error::InvalidArgument, "there is no token -1", [&] { (void)t.decode(std::vector<int32_t>{-1}); });
  expect_refused(Error::NotFound, "gone", [] { (void)BpeTokenizer::load("/nowhere/gone.json", "/nowhere/gone.txt"); });
}

TEST(CharTokenizer, NumbersCharactersInOrder) {
  const CharTokenizer t = CharTokenizer::from_text("hé\nllo 日");
  EXPECT_EQ(t.vocabulary_size(), 7);  // \n, space, h, l, o, é, 日
  EXPECT_EQ(t.encode("olé\n"), (std::vector<int32_t>{4, 3, 5, 0}));
  EXPECT_EQ(t.decode(t.encode("lol 日")), "lol 日");
  const TempFolder folder;
  const std::string file = folder.path("chars.json").string();
  t.save(file);
  EXPECT_EQ(CharTokenizer::load(file).encode("olé\n"), t.encode("olé\n"));
  expect_refused(Error::BadData, "CharTokenizer: byte 2: the vocabulary lacks the character 'e' (number 101)", [&] { (void)t.encode("h e"); });
  expect_refused(Error::BadData, "is no UTF-8", [&] { (void)t.encode("h\xff"); });
  expect_refused(Error::InvalidArgument, "there is no token 7 of 7", [&] { (void)t.decode(std::vector<int32_t>{7}); });
  expect_refused(Error::BadData, "the text is empty", [] { (void)CharTokenizer::from_text(""); });
  for (const char* bad : {"", "{}", "[]", "[\"ab\"]", "[\"b\", \"a\"]", "[\"a\", \"a\"]", "[1]", "[\"\"]"})
    expect_refused(Error::BadFile, "bad.json", [&] { (void)CharTokenizer::load(folder.write("bad.json", bad).string()); });
}

// 65 different characters, as everybody who has trained on it knows.
TEST(CharTokenizer, TinyShakespeare) {
  GF_SKIP_WITHOUT_DATA("text/tinyshakespeare.txt");
  const std::string text = read_text(data_path("text/tinyshakespeare.txt").string());
  const CharTokenizer t = CharTokenizer::from_text(text);
  EXPECT_EQ(t.vocabulary_size(), 65);
  const auto tokens = t.encode(text);
  EXPECT_EQ(tokens.size(), 1115394U);
  EXPECT_EQ(t.decode(tokens), text);
}

}  // namespace
}  // namespace gf::test
