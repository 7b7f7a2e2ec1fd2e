// The file of a checkpoint: what it promises to other readers of safetensors, and every kind of bad file. (Cut, flipped and mixed files:
// crash_test.cpp. A reader in another language over files of a save loop: kill_test.py.)
#include "trainer/checkpoint/container.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/checkpoint/hostile.h"
#include "tests/checkpoint/numbered.h"
#include "tests/support/expect_refused.h"
#include "tests/support/test_data.h"

namespace gf::test {
namespace {

Checkpoint parse(const io::Bytes& bytes, const io::Limits& limits = {}) { return parse_checkpoint(bytes, "test", limits); }
void refused(Error code, const std::string& text, const io::Bytes& bytes) {
  expect_refused(code, text, [&] { (void)parse(bytes); });
}
io::Bytes bytes_of(const std::string& text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

TEST(CheckpointFile, OutAndIn) {
  const TempFolder folder;
  const std::string path = folder.path("a.safetensors").string();
  Numbered numbered(3);
  Snapshot s = numbered.at(12);
  s.graph = "0badcafe";
  write_checkpoint(path, s);
  const Checkpoint c = read_checkpoint(path);
  EXPECT_EQ(c.step, 12);
  EXPECT_EQ(c.graph, "0badcafe");
  EXPECT_EQ(number_of(c), 3);
  EXPECT_EQ(io::read_file(path), checkpoint_bytes(s));
  Checkpoint none = parse(checkpoint_bytes({}));
  EXPECT_EQ(none.step, 0);
  EXPECT_TRUE(none.tensors.empty() && none.counters.empty() && none.graph.empty());
  none = parse(checkpoint_bytes(s));
  const Checkpoint moved = std::move(none);  // views go with the bytes
  EXPECT_EQ(number_of(moved), 3);
}

// Any reader of safetensors opens it, and finds large tensors aligned for vectors and for mapping.
TEST(CheckpointFile, IsASafetensorsFile) {
  const std::vector<float> large(64), more(32);
  const std::vector<int64_t> odd(3);
  const std::vector<uint8_t> bytes(5, 7);
  const Snapshot s = {.step = 1,
                      .counters = {{"epoch", "2"}},
                      .tensors = {{"bytes", DType::U8, {5}, std::as_bytes(std::span(bytes))},
                                  {"odd", DType::I64, {3}, std::as_bytes(std::span(odd))},
                                  {"large", DType::F32, {8, 8}, std::as_bytes(std::span(large))},
                                  {"more", DType::F32, {32}, std::as_bytes(std::span(more))}}};
  const io::Bytes file = checkpoint_bytes(s);
  const io::SafeTensors read = io::parse_safetensors(file, "test");
  ASSERT_EQ(read.tensors.size(), 4U);
  EXPECT_EQ(read.metadata.at("epoch"), "2");
  EXPECT_EQ(read.metadata.at("gf.step"), "1");
  EXPECT_EQ(read.metadata.at("gf.crc32c.bytes"), crc_text(std::string(5, '\7')));
  const char* order[] = {"large", "more", "odd", "bytes"};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(read.tensors[i].name, order[i]);
    const auto offset = static_cast<size_t>(read.tensors[i].data.data() - file.data());
    EXPECT_EQ(offset % (i < 2 ? checkpoint::kAlignment : dtype_bits(read.tensors[i].dtype) / 8), 0U) << order[i];
  }
}

TEST(CheckpointFile, NamesAndTextsOfAllKinds) {
  const float x = 1;
  Snapshot s = {.step = 1};
  const std::string strange = "\"gf.header_crc32c\":\"00000000\" \\ \n \u00e4", zero("a\0b", 3);
  for (const std::string& name : {strange, zero, std::string(1 << 20, 'n')}) s.tensors.push_back({name, DType::F32, {}, std::as_bytes(std::span(&x, 1))});
  s.counters = {{strange, strange}, {"empty", ""}, {zero, zero}};
  const Checkpoint c = parse(checkpoint_bytes(s));
  EXPECT_EQ(c.counters, s.counters);
  for (const io::SafeTensor& t : s.tensors) EXPECT_NE(c.find(t.name), nullptr);
}

TEST(CheckpointFile, EveryBitPatternComesBack) {
  const std::vector<float> values = {std::nanf(""), -std::nanf("7"), std::numeric_limits<float>::infinity(), -0.0F, std::numeric_limits<float>::denorm_min()};
  const uint16_t halves[] = {0x7fff, 0x7f81, 0x8000, 0x0001};
  const uint8_t eights[] = {0x7f, 0xff, 0x80, 0x01};
  const Snapshot s = {.step = 1,
                      .tensors = {{"f", DType::F32, {5}, std::as_bytes(std::span(values))},
                                  {"b", DType::BF16, {4}, std::as_bytes(std::span(halves))},
                                  {"e", DType::F8E4M3FN, {4}, std::as_bytes(std::span(eights))},
                                  {"none", DType::F32, {0, 3}, {}}}};
  const Checkpoint c = parse(checkpoint_bytes(s));
  for (const io::SafeTensor& t : s.tensors) {
    const io::SafeTensor* f = c.find(t.name);
    ASSERT_NE(f, nullptr);
    EXPECT_EQ(f->shape, t.shape);
    EXPECT_TRUE(std::equal(t.data.begin(), t.data.end(), f->data.begin(), f->data.end())) << t.name;
  }
}

// --- the list of hostile inputs, by its rows

TEST(CheckpointHostile, TheHandMadeFileIsRight) {
  const Checkpoint c = parse(HandMade().file());
  EXPECT_EQ(c.step, 5);
  EXPECT_EQ(c.find("a")->to_array().view<float>()[1], 2.0F);
}

TEST(CheckpointHostile, ShortFilesAndOtherFormats) {  // 1, 3
  for (size_t size = 0; size < 10; ++size) refused(Error::BadFile, "test: too short", io::Bytes(size, std::byte{'{'}));
  const io::Bytes file = HandMade().file();
  for (size_t size = 10; size < file.size(); ++size)
    expect_refused(Error::BadFile, "test: ", [&] { (void)parse({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)}); });
  refused(Error::BadFile, "another format", bytes_of("\x93NUMPY\1{'descr': '<f4'}"));
  refused(Error::BadFile, "another format", bytes_of("PK\3\4 a zip archive of npy files"));
  refused(Error::BadFile, "test: ", bytes_of("GFM1GFM1GFM1GFM1GFM1GFM1"));
  refused(Error::BadFile, "does not open", file_of(" {}", ""));
  for (const std::string& tail : {std::string("\0", 1), std::string("PK\5\6") + std::string(18, '\0'), std::string("%PDF-1.4")}) {
    io::Bytes longer = file;
    for (const char c : tail) longer.push_back(static_cast<std::byte>(c));
    refused(Error::BadFile, "does not cover the whole file", longer);
  }
  refused(Error::BadFile, "no checkpoint", file_of("{}", ""));  // plain safetensors
  refused(Error::BadFile, "no checkpoint", file_of(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x"));
}

TEST(CheckpointHostile, Versions) {  // 4
  for (const char* version : {"0", "2", "4711"}) {
    HandMade h;
    h.version = "\"gf.checkpoint\":\"" + std::string(version) + "\",";
    refused(Error::BadVersion, "version " + std::string(version), h.file());
  }
  for (const char* version : {"", "x", "-1", "1 ", "01x", "99999999999999999999"}) {
    HandMade h;
    h.version = "\"gf.checkpoint\":\"" + std::string(version) + "\",";
    refused(Error::BadFile, "gf.checkpoint", h.file());
  }
  HandMade twice;
  twice.version += twice.version;
  refused(Error::BadFile, "repeats the key", twice.file());
}

TEST(CheckpointHostile, LengthsOfTheHeader) {  // 5
  const io::Bytes file = HandMade().file();
  for (const uint64_t length : {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{1} << 32, uint64_t{file.size()}, uint64_t{file.size()} - 7, uint64_t{0}, uint64_t{1}}) {
    io::Bytes bad = file;
    std::memcpy(bad.data(), &length, sizeof length);
    refused(Error::BadFile, "safetensors header", bad);
  }
  io::Limits limits;
  limits.max_header_bytes = 50;
  expect_refused(Error::LimitExceeded, "header", [&] { (void)parse(file, limits); });
}

TEST(CheckpointHostile, PartsThatAreMissing) {  // 8
  HandMade h;
  h.step = "";
  refused(Error::BadFile, "gf.step", h.file());
  h = {};
  h.seal = "\"x\":\"y\"";
  refused(Error::BadFile, "no checksum", h.file());
  h = {};
  h.more_tensors = R"(,"b":{"dtype":"U8","shape":[0],"data_offsets":[8,8]})";
  refused(Error::BadFile, "2 tensors and 1 checksums", h.file());
  h.more_metadata = R"("gf.crc32c.c":"00000000",)";
  refused(Error::BadFile, "'b' has no checksum", h.file());
  h.more_metadata = R"("gf.crc32c.b":"00000000",)";
  EXPECT_EQ(parse(h.file()).tensors.size(), 2U);
  for (const char* part : {"dtype", "shape", "offsets"}) {
    h = {};
    (std::string(part) == "dtype" ? h.dtype : std::string(part) == "shape" ? h.shape : h.offsets) = "null";
    refused(Error::BadFile, "entry 'a'", h.file());
  }
  h = {};
  h.more_metadata = "\"k\":null,";
  refused(Error::BadFile, "is not text", h.file());
}

TEST(CheckpointHostile, Steps) {  // 45
  for (const char* step : {"-1", "9223372036854775808", "18446744073709551616", "1e3", "", " 5", "5.0", "nan"}) {
    HandMade h;
    h.step = "\"gf.step\":\"" + std::string(step) + "\",";
    refused(Error::BadFile, "gf.step", h.file());
  }
  HandMade h;
  h.step = R"("gf.step":"9223372036854775807",)";
  EXPECT_EQ(parse(h.file()).step, INT64_MAX);
}

TEST(CheckpointHostile, TypesAndNames) {  // 10, 11, 23
  HandMade h;
  for (const char* dtype : {"\"Q4_0\"", "\"\"", "\"f32\""}) {
    h.dtype = dtype;
    refused(Error::Unsupported, "dtype", h.file());
  }
  h.dtype = "255";
  refused(Error::BadFile, "no dtype name", h.file());
  h = {};
  h.name = "\xff";
  refused(Error::BadFile, "not valid JSON", h.file());
  h.name = "\\u0000\\u001b[31m";
  h.crc = "00000000";
  try {
    (void)parse(h.file());
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::BadChecksum);
    for (const char c : std::string(e.what())) EXPECT_GE(c, ' ') << "control bytes reach the log";
  }
  h = {};
  h.more_tensors = R"(,"a":{"dtype":"U8","shape":[0],"data_offsets":[8,8]})";
  refused(Error::BadFile, "repeats the key 'a'", h.file());
}

TEST(CheckpointHostile, Sizes) {  // 15 to 19, 22
  const auto with = [](const char* dtype, const char* shape, const char* offsets) {
    HandMade h;
    h.dtype = dtype;
    h.shape = shape;
    h.offsets = offsets;
    return h.file();
  };
  refused(Error::BadFile, "non-negative", with("\"F32\"", "[-2]", "[0,8]"));
  refused(Error::BadFile, "needs 0 bytes", with("\"F32\"", "[0]", "[0,8]"));
  refused(Error::BadFile, "2^63", with("\"F32\"", "[9223372036854775808]", "[0,8]"));
  refused(Error::BadFile, "needs", with("\"F32\"", "[2147483648]", "[0,8]"));
  refused(Error::BadFile, "needs 4 bytes", with("\"F32\"", "[]", "[0,8]"));
  refused(Error::LimitExceeded, "", with("\"F32\"", "[4294967296,4294967296]", "[0,8]"));
  refused(Error::LimitExceeded, "", with("\"F32\"", "[9223372036854775807]", "[0,8]"));
  refused(Error::LimitExceeded, "", with("\"F32\"", "[0,4294967296,4294967296]", "[0,0]"));
  refused(Error::LimitExceeded, "dimensions", with("\"F32\"", "[1,1,1,1,1,1,1,1,2]", "[0,8]"));
  std::string deep = "[1";
  for (int i = 0; i < 10000; ++i) deep += ",1";
  refused(Error::LimitExceeded, "10001 dimensions", with("\"F32\"", (deep + "]").c_str(), "[0,8]"));
  for (const char* offsets : {"[0,7]", "[1,8]", "[0,16]", "[8,0]", "[0,18446744073709551615]", "[-8,0]", "[0]", "[0,8,8]", "[0.0,8]", "8"})
    refused(Error::BadFile, "entry 'a'", with("\"F32\"", "[2]", offsets));
  HandMade h;
  h.more_metadata = R"("gf.crc32c.b":"00000000",)";
  h.more_tensors = R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]})";
  refused(Error::BadFile, "overlaps", h.file());
  h.data += "12345678";
  h.more_tensors = R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]})";
  refused(Error::BadFile, "hole", h.file());
  h.more_tensors = R"(,"b":{"dtype":"F32","shape":[4611686018427387903],"data_offsets":[8,16]})";  // 2^64 - 4 bytes
  expect_refused(Error::LimitExceeded, "", [&] { (void)parse(h.file()); });
  h = {};  // half bytes
  h.dtype = "\"F4\"";
  h.shape = "[16]";
  EXPECT_EQ(parse(h.file()).find("a")->shape, std::vector<int64_t>{16});
  for (const char* shape : {"[15]", "[17]", "[18]"}) {
    h.shape = shape;
    refused(Error::BadFile, "entry 'a'", h.file());
  }
}

TEST(CheckpointHostile, BoolBytes) {  // 20
  HandMade h;
  h.dtype = "\"BOOL\"";
  h.shape = "[8]";
  h.data = std::string("\0\1\1\0\0\1\1\1", 8);
  EXPECT_EQ(parse(h.file()).tensors.size(), 1U);
  h.data[3] = 2;
  refused(Error::BadFile, "other than 0 and 1", h.file());
}

TEST(CheckpointHostile, Checksums) {  // 46
  HandMade h;
  refused(Error::BadChecksum, "header", h.file(false));
  for (const char* crc : {"00000000", "", "zzzzzzzz", "ffffffffff"}) {
    h.crc = *crc == '\0' ? " " : crc;
    refused(Error::BadChecksum, "tensor 'a'", h.file());
  }
  h = {};
  io::Bytes file = h.file();
  file.back() ^= std::byte{1};
  refused(Error::BadChecksum, "tensor 'a' does not match its checksum", file);
  h.seal += R"(,"more":"\"gf.header_crc32c\":\"00000000\"")";  // quoted: no second place
  EXPECT_EQ(parse(h.file()).step, 5);
  // another program has written the header anew, with spaces: its checksum is not ours any more
  std::string spaced = HandMade().header();
  spaced.insert(spaced.find("\"gf.step\":") + 10, " ");
  io::Bytes changed = file_of(spaced, HandMade().data, false);
  refused(Error::BadChecksum, "changed by another program", changed);
}

// Counts are compared before anything is looked up by name.
TEST(CheckpointHostile, ManyEntries) {
  HandMade h;
  for (int i = 0; i < 20000; ++i) h.more_tensors += ",\"t" + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[8,8]})";
  refused(Error::BadFile, "20001 tensors and 1 checksums", h.file());
  refused(Error::BadFile, "nested too deeply", file_of("{\"__metadata__\":" + std::string(100000, '['), ""));
}

}  // namespace
}  // namespace gf::test
