// Golden vectors and signatures: stored, checked, and what is said when something was changed.
#include <algorithm>
#include <cstring>

#include "facade/host_run.h"
#include "io/file.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "runtime/core/crc32c.h"
#include "schema/format/format.h"
#include "schema/format/model_generated.h"
#include "tests/runtime/sample_spec.h"
#include "tests/tools/tool_support.h"
#include "tools/common/golden.h"
#include "tools/common/keys.h"

namespace gf::test {
namespace {

// The key pair of RFC 8410, sections 10.1 and 10.3.
constexpr char kPrivatePem[] = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
constexpr char kPublicPem[] = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
// Any other point: 32 bytes of 1.
constexpr char kOtherPem[] = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n-----END PUBLIC KEY-----\n";

// Makes the checksums of a changed file right again, as somebody who tampers would.
std::string sealed(std::string text) {
  format::Seal s{};
  std::memcpy(&s, text.data() + text.size() - sizeof s, sizeof s);
  uint32_t header = 0;
  std::memcpy(&header, text.data(), 4);
  s.crc32c = crc32c(text.data(), text.size() - sizeof s);
  if (header <= text.size() - sizeof s - 4) s.header_crc32c = crc32c(text.data(), header + size_t{4});
  s.seal_crc32c = crc32c(&s, offsetof(format::Seal, seal_crc32c));
  std::memcpy(text.data() + text.size() - sizeof s, &s, sizeof s);
  return text;
}

Model model_of(const std::string& text) {
  ModelOptions options;
  options.threads = 1;
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return Model::from_bytes(bytes, options);
}

struct Place {
  uint64_t offset = 0, bytes = 0;
};
Place section_of(const std::string& file, const std::string& kind) {
  const fb::Model& m = *fb::GetSizePrefixedModel(file.data());
  for (const fb::Section* s : *m.sections())
    if (s->kind()->str() == kind) return {m.segments()->Get(s->segment())->offset(), m.segments()->Get(s->segment())->bytes()};
  return {};
}

// Is this a build with GF_SIGNATURE?
bool can_sign() {
  try {
    static_cast<void>(cli::signer_of({}));
    return true;
  } catch (const Exception& e) {
    return e.code() != Error::NotImplemented;
  }
}

class Trust : public Tools {
 protected:
  std::string signed_digits() {
    const std::string file = path("signed.gf"), key = folder_.write("key.pem", kPrivatePem).string();
    const ToolResult r = tool("gf-convert", digits_onnx() + " -o " + file + " --golden 2 --sign " + key);
    EXPECT_EQ(r.code, 0) << r.err;
    return file;
  }
  std::string public_key() { return folder_.write("public.pem", kPublicPem).string(); }
};

TEST_F(Trust, GoldenRunsAreStoredAndHold) {
  ASSERT_EQ(tool("gf-convert", digits_onnx() + " -o " + path("g.gf") + " --golden 3 --dim N=1..8").code, 0);
  const Json j = tool("gf-run", path("g.gf") + " --verify-golden --json").json();
  EXPECT_EQ(j["equal"], true);
  ASSERT_EQ(j["golden"].size(), 3u);
  for (const Json& r : j["golden"]) EXPECT_EQ(r["equal"], true);
  const ToolResult text = tool("gf-run", path("g.gf") + " --verify-golden");
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("3 golden runs"), std::string::npos) << text.out;
  EXPECT_EQ(tool("gf-info", path("g.gf") + " --json").json()["sections"][0]["kind"], "golden");
}

TEST_F(Trust, GoldenRunsOfSeveralEntriesAndOfState) {
  const std::string lstm = source_path("tests/golden/lstm/model.onnx").string();
  ASSERT_EQ(tool("gf-convert", digits_onnx() + " other=" + digits_onnx() + " -o " + path("two.gf") + " --golden 1").code, 0);
  EXPECT_EQ(tool("gf-run", path("two.gf") + " --verify-golden --json").json()["golden"].size(), 2u);
  ASSERT_EQ(tool("gf-convert", lstm + " -o " + path("l.gf") + " --golden 4").code, 0);
  EXPECT_EQ(tool("gf-run", path("l.gf") + " --verify-golden").code, 0);
}

TEST_F(Trust, GoldenInputsMayBeGiven) {
  ASSERT_EQ(tool("gf-convert", digits_onnx() + " -o " + path("g.gf") + " --golden 1 --golden-input image=" + digit(7)).code, 0);
  const Model model = Model::load(path("g.gf"));
  const auto golden = cli::read_golden(model.program());
  ASSERT_TRUE(golden.has_value());
  const std::vector<float> p = golden->runs[0].outputs[0].as<float>();
  EXPECT_EQ(std::max_element(p.begin(), p.end()) - p.begin(), 7);
  expect_error("gf-convert", digits_onnx() + " -o " + path("h.gf") + " --golden 1 --golden-input nobody=" + digit(7), 2, "nobody");
}

TEST_F(Trust, AChangedAnswerIsFound) {
  ASSERT_EQ(tool("gf-convert", digits_onnx() + " -o " + path("g.gf") + " --golden 2").code, 0);
  std::string file = read_text(path("g.gf"));
  const Place golden = section_of(file, "golden");
  const io::SafeTensors parsed = io::parse_safetensors(std::as_bytes(std::span(file.data() + golden.offset, golden.bytes)), "test");
  for (const io::SafeTensor& t : parsed.tensors) {
    if (t.name != "1/out/0") continue;
    const float wrong = 0.75F;  // of ten probabilities the third
    std::memcpy(file.data() + (reinterpret_cast<const char*>(t.data.data()) - file.data()) + 8, &wrong, sizeof wrong);
  }
  const std::string changed = folder_.write("c.gf", sealed(file)).string();
  const ToolResult r = tool("gf-run", changed + " --verify-golden");
  EXPECT_EQ(r.code, 1);
  EXPECT_NE(r.err.find("run 1 of entry 'main': output 'probabilities' differs"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("0.75"), std::string::npos) << r.err;
  EXPECT_EQ(tool("gf-run", changed + " --verify-golden --json").code, 1);
}

TEST_F(Trust, NoGoldenVectorsIsAnError) { expect_error("gf-run", digits() + " --verify-golden", 1, "no golden vectors"); }

// Every byte of a small golden section flipped, and every length cut, with right checksums: an answer or an error.
TEST_F(Trust, HostileGoldenSectionsAreErrors) {
  ASSERT_EQ(tool("gf-convert", digits_onnx() + " -o " + path("g.gf") + " --golden 1").code, 0);
  const std::string file = read_text(path("g.gf"));
  const Place golden = section_of(file, "golden");
  const auto read = [](const std::string& text) {
    try {
      const Model m = model_of(sealed(text));
      const auto g = cli::read_golden(m.program());
      return g.has_value() ? g->runs.size() : size_t{0};
    } catch (const Exception& e) {
      EXPECT_TRUE(e.code() == Error::BadFile || e.code() == Error::BadVersion || e.code() == Error::LimitExceeded ||
                  e.code() == Error::Unsupported || e.code() == Error::ShapeMismatch)
          << e.what();
      return size_t{0};
    }
  };
  ASSERT_EQ(read(file), 1u);
  uint64_t header = 0;
  std::memcpy(&header, file.data() + golden.offset, sizeof header);
  size_t errors = 0;
  for (uint64_t i = 0; i < header + 8; ++i)
    for (const int bit : {0, 3, 7}) {
      std::string changed = file;
      changed[golden.offset + i] = static_cast<char>(changed[golden.offset + i] ^ (1 << bit));
      errors += read(changed) == 0 ? 1 : 0;
    }
  EXPECT_GT(errors, header);  // most bits matter; those of a tolerance's digits may not
  const std::pair<const char*, const char*> swaps[] = {
      {"\"rtol\":\"0.0001\"", "\"rtol\":\"inf   \""}, {"\"rtol\":\"0.0001\"", "\"rtol\":\"-0.001\""}, {"\"version\":\"1\"", "\"version\":\"2\""},
      {"\"run.0\":\"main\"", "\"run.0\":\"nain\""},   {"\"run.0\":\"main\"", "\"run.1\":\"main\""},   {"0/out/0", "0/out/9"},
      {"0/in/0", "1/in/0"}};
  for (const auto& [from, to] : swaps) {
    std::string changed = file;
    const size_t at = changed.find(from, golden.offset);
    ASSERT_NE(at, std::string::npos) << from;
    changed.replace(at, std::strlen(from), to);
    EXPECT_EQ(read(changed), 0u) << from << " -> " << to;
  }
}

TEST_F(Trust, SignedFilesAreValid) {
  if (!can_sign()) GTEST_SKIP() << "built without GF_SIGNATURE";
  const ToolResult r = tool("gf-info", signed_digits() + " --verify-signature " + public_key());
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("signature valid"), std::string::npos) << r.out;
  EXPECT_EQ(tool("gf-info", signed_digits() + " --json --verify-signature " + public_key()).json()["signature"], "valid");
  EXPECT_EQ(tool("gf-run", signed_digits() + " --verify-golden").code, 0);
}

TEST_F(Trust, SigningIsDeterministicAndEndsAtTheSeal) {
  if (!can_sign()) GTEST_SKIP() << "built without GF_SIGNATURE";
  const std::string a = read_text(signed_digits()), b = read_text(signed_digits());
  EXPECT_EQ(a, b);
  const Place s = section_of(a, "signature");
  EXPECT_EQ(s.bytes, 128u);
  EXPECT_EQ(s.offset + 128 + 32, a.size());
}

TEST_F(Trust, AnotherKeyAndNoSignatureAreErrors) {
  if (!can_sign()) GTEST_SKIP() << "built without GF_SIGNATURE";
  expect_error("gf-info", signed_digits() + " --verify-signature " + folder_.write("other.pem", kOtherPem).string(), 1, "another key");
  expect_error("gf-info", digits() + " --verify-signature " + public_key(), 1, "not signed");
}

// Every byte in front of the signature, one after the other, with right checksums; and the signature's own.
TEST_F(Trust, AnyChangedByteIsFound) {
  if (!can_sign()) GTEST_SKIP() << "built without GF_SIGNATURE";
  const std::string file = read_text(signed_digits());
  const Place s = section_of(file, "signature");
  const cli::Key key = cli::read_public_key(public_key());
  const auto code = [&](const std::string& text) {
    try {
      const Model m = model_of(sealed(text));
      cli::check_signature(m.program(), key);
      return Error::Ok;
    } catch (const Exception& e) {
      return e.code();
    }
  };
  ASSERT_EQ(code(file), Error::Ok);
  for (uint64_t i = 0; i < s.offset; i += 97) {
    std::string changed = file;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_NE(code(changed), Error::Ok) << "byte " << i;
  }
  std::string changed = file;
  changed[s.offset - 5] = static_cast<char>(changed[s.offset - 5] ^ 1);  // data: the loader has nothing against it
  EXPECT_EQ(code(changed), Error::BadChecksum);
  for (uint64_t i = 0; i < 128; ++i) {
    changed = file;
    changed[s.offset + i] = static_cast<char>(changed[s.offset + i] ^ 1);
    EXPECT_EQ(code(changed), i < 64 ? Error::BadChecksum : i < 96 ? Error::InvalidArgument : i < 100 ? Error::BadVersion : Error::BadFile) << "byte " << i;
  }
}

// A file that exists gets what a conversion would have put into it, and nothing else of it changes.
TEST_F(Trust, AnExistingFileBecomesWhatAConversionGives) {
  if (!can_sign()) GTEST_SKIP() << "built without GF_SIGNATURE";
  const std::string key = folder_.write("key.pem", kPrivatePem).string();
  const ToolResult r = tool("gf-convert", digits() + " -o " + path("later.gf") + " --golden 2 --sign " + key);
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.err, "");
  EXPECT_TRUE(read_text(path("later.gf")) == read_text(signed_digits()));
  EXPECT_EQ(tool("gf-info", path("later.gf") + " --verify-signature " + public_key()).code, 0);
  EXPECT_EQ(tool("gf-run", path("later.gf") + " --verify-golden").code, 0);
  std::string file = read_text(path("later.gf"));
  file[section_of(file, "signature").offset - 1] ^= 1;
  expect_error("gf-info", folder_.write("flipped.gf", sealed(file)).string() + " --verify-signature " + public_key(), 1, "changed");
}

TEST_F(Trust, WeightsOfAnExistingFileStay) {
  ASSERT_EQ(tool("gf-convert", digits() + " -o " + path("g.gf") + " --golden 1").code, 0);
  const std::string before = read_text(digits()), after = read_text(path("g.gf"));
  const auto weights = [](const std::string& file) {
    const fb::Segment& s = *fb::GetSizePrefixedModel(file.data())->segments()->Get(0);
    return file.substr(s.offset(), s.bytes());
  };
  ASSERT_GT(weights(before).size(), 1000u);
  EXPECT_TRUE(weights(before) == weights(after));
}

TEST_F(Trust, OldSectionsAreReplacedWithANote) {
  const std::string old = signed_digits();
  const ToolResult r = tool("gf-convert", old + " -o " + path("new.gf") + " --golden 3 --json");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json j = r.json();
  GF_EXPECT_FIELDS(j, "output", "file_bytes", "sections", "notes");
  ASSERT_EQ(j["sections"].size(), 1u) << j;
  EXPECT_EQ(j["sections"][0]["kind"], "golden");
  ASSERT_EQ(j["notes"].size(), 2u) << j;
  EXPECT_NE(j["notes"][0].get<std::string>().find("'golden' of the old file was replaced"), std::string::npos) << j;
  EXPECT_NE(j["notes"][1].get<std::string>().find("signature was dropped"), std::string::npos) << j;
  EXPECT_EQ(tool("gf-run", path("new.gf") + " --verify-golden --json").json()["golden"].size(), 3u);
}

TEST_F(Trust, AFileMayBeChangedInPlace) {
  if (!can_sign()) GTEST_SKIP() << "built without GF_SIGNATURE";
  const std::string file = digits(), key = folder_.write("key.pem", kPrivatePem).string();
  ASSERT_EQ(tool("gf-convert", file + " -o " + file + " --golden 2").code, 0);
  ASSERT_EQ(tool("gf-convert", file + " -o " + file + " --sign " + key + " --emit-c " + path("d.c")).code, 0);
  EXPECT_EQ(tool("gf-run", file + " --verify-golden").code, 0);
  EXPECT_EQ(tool("gf-info", file + " --verify-signature " + public_key()).code, 0);
  EXPECT_NE(read_text(path("d.h")).find("d_gf_size"), std::string::npos);
  const std::string once = read_text(file);
  const ToolResult again = tool("gf-convert", file + " -o " + file + " --sign " + key);
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("signature was replaced"), std::string::npos) << again.err;
  EXPECT_TRUE(read_text(file) == once);
}

TEST_F(Trust, WrongUseOfAnExistingFile) {
  const std::string key = folder_.write("key.pem", kPrivatePem).string(), sign = " --sign " + key;
  expect_error("gf-convert", digits() + " -o " + path("again.onnx") + " --golden 2", 2, "write a .gf");
  expect_error("gf-convert", digits() + sign, 2, "-o OUT.gf");
  expect_error("gf-convert", digits() + " " + digits() + " -o " + path("x.gf") + sign, 2, "that one file");
  expect_error("gf-convert", digits() + " -o " + path("x.gf"), 2, "--golden N and --sign KEY");
  expect_error("gf-convert", digits() + " -o " + path("x.gf") + " --golden 1 --dim N=1..2", 2, "--dim");
  expect_error("gf-convert", digits() + " -o " + path("x.gf") + " --golden-input image=" + digit(3), 2, "--golden N");
  expect_error("gf-convert", digits() + " -o " + path("x.gf") + " --golden 1 --golden-input nobody=" + digit(3), 2, "nobody");
  expect_error("gf-convert", path("none.gf") + " -o " + path("x.gf") + " --golden 1", 1, "none.gf");
  std::string damaged = read_text(digits());
  damaged[damaged.size() / 2] ^= 1;
  expect_error("gf-convert", folder_.write("damaged.gf", damaged).string() + " -o " + path("x.gf") + " --golden 1", 1, "damaged.gf");
  expect_error("gf-convert", folder_.write("cut.gf", damaged.substr(0, 900)).string() + " -o " + path("x.gf") + sign, 1, "truncated");
  expect_error("gf-convert", digits() + " -o " + path("x.gf") + " --sign " + folder_.write("short.pem", std::string(kPrivatePem).erase(60, 4)).string(), 1, "not an Ed25519 key");
  EXPECT_FALSE(std::filesystem::exists(path("x.gf")));
}

// A custom op is code of the program that runs the model: the tools say so instead of naming a build option.
TEST_F(Trust, FilesWithCustomOpsNameTheOp) {
  FileSpec spec = sample_spec();
  spec.ops[0] = {kFirstCustomOpId, "lab.wobble"};
  const std::vector<std::byte> bytes = SpecWriter::write(spec);
  const std::string file = folder_.write("custom.gf", std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())).string();
  expect_error("gf-run", file, 3, "custom op 'lab.wobble' is not registered");
  expect_error("gf-run", file, 3, "gf-run cannot run it");
}

TEST_F(Trust, KeyFilesThatAreNotKeys) {
  const std::string to = " -o " + path("x.gf") + " --sign ";
  expect_error("gf-convert", digits_onnx() + to + folder_.write("a.pem", kPublicPem).string(), 1, "no PEM private key");
  expect_error("gf-convert", digits_onnx() + to + folder_.write("b.pem", "").string(), 1, "no PEM private key");
  expect_error("gf-convert", digits_onnx() + to + folder_.write("c.pem", "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n").string(), 1, "not an Ed25519 key");
  expect_error("gf-convert", digits_onnx() + to + folder_.write("d.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n").string(), 1, "encrypted");
  expect_error("gf-convert", digits_onnx() + to + path("none.pem"), 1, "none.pem");
  EXPECT_FALSE(std::filesystem::exists(path("x.gf")));
}

}  // namespace
}  // namespace gf::test
