// safetensors against a file that the safetensors package wrote, and the rules of its format.
#include "io/safetensors.h"

#include "tests/io/io_test_support.h"

namespace gf::io {
namespace {

using namespace test;

void parse(ByteSpan bytes) { (void)parse_safetensors(bytes, "test"); }

Bytes with_header(const std::string& header, size_t payload) {
  std::string file(8, '\0');
  for (size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);
  return bytes_of(file + header + std::string(payload, '\1'));
}
Error error_for(const std::string& header, size_t payload) {
  return error_of([&] { parse(with_header(header, payload)); });
}

TEST(IoSafetensors, ReadsWhatThePackageWrote) {
  const TemporaryFolder folder;
  write_file(folder.file("a.safetensors"), golden("kSafetensors"));
  std::map<std::string, std::string> metadata;
  const auto arrays = read_safetensors(folder.file("a.safetensors"), &metadata);
  EXPECT_EQ(metadata, (std::map<std::string, std::string>{{"format", "np"}}));
  std::map<std::string, Array> by_name;
  for (const auto& [name, array] : arrays) by_name[name] = array;
  ASSERT_EQ(by_name.size(), 4U);
  EXPECT_EQ(by_name["weight"], Array::from(std::vector<float>{0, 1, 2, 3, 4, 5}, {2, 3}));
  EXPECT_EQ(by_name["bias"].dtype, DType::F16);
  EXPECT_EQ(by_name["bias"].as<float>(), (std::vector<float>{1.5F, -2.0F}));
  EXPECT_EQ(by_name["brain"].dtype, DType::BF16);
  EXPECT_EQ(by_name["brain"].as<float>(), (std::vector<float>{1.0F, -3.0F}));
  EXPECT_EQ(by_name["flag"].as<int64_t>(), (std::vector<int64_t>{1, 0, 1}));

  // written again (our order of data: by size, then by name) it has the package's size and content
  write_safetensors(folder.file("b.safetensors"), arrays, metadata);
  EXPECT_EQ(read_file(folder.file("b.safetensors")).size(), golden("kSafetensors").size());
  const auto again = read_safetensors(folder.file("b.safetensors"));
  const char* order[] = {"weight", "bias", "brain", "flag"};
  ASSERT_EQ(again.size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(again[i].name, order[i]);
    EXPECT_EQ(again[i].array, by_name[again[i].name]);
  }
}

TEST(IoSafetensors, DamageIsATypedError) {
  expect_truncation_errors(golden("kSafetensors"), parse);
  expect_flips_are_survived(golden("kSafetensors"), parse);
  Bytes longer = golden("kSafetensors");
  longer.push_back(std::byte{0});
  EXPECT_EQ(error_of([&] { parse(longer); }), Error::BadFile) << "bytes that no tensor covers";
}

TEST(IoSafetensors, HeaderRules) {
  const std::string a = R"("a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
  EXPECT_EQ(error_for("{}", 0), Error::Ok);
  EXPECT_EQ(error_for("{" + a + "}", 2), Error::Ok);
  EXPECT_EQ(error_for("{" + a + "}   ", 2), Error::Ok) << "padded with spaces";
  EXPECT_EQ(error_for(" {" + a + "}", 2), Error::BadFile) << "must open with '{'";
  EXPECT_EQ(error_for("{" + a + "," + a + "}", 2), Error::BadFile) << "repeated name";
  EXPECT_EQ(error_for(R"({"a":{"dtype":"U8","dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2), Error::BadFile);
  EXPECT_EQ(error_for("{" + a + R"(,"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})", 4), Error::BadFile)
      << "hole";
  EXPECT_EQ(error_for("{" + a + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", 3), Error::BadFile)
      << "overlap";
  EXPECT_EQ(error_for("{" + a + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2), Error::BadFile)
      << "shared";
  EXPECT_EQ(error_for("{" + a + R"(,"b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})", 2), Error::Ok) << "empty";
  const auto entry = [](const std::string& dtype, const std::string& shape, const std::string& offsets,
                        size_t payload) {
    return error_for("{\"a\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}",
                     payload);
  };
  EXPECT_EQ(entry("\"F32\"", "[]", "[0,4]", 4), Error::Ok);
  EXPECT_EQ(entry("\"F32\"", "[2]", "[0,4]", 4), Error::BadFile);
  EXPECT_EQ(entry("\"F32\"", "[-1]", "[0,4]", 4), Error::BadFile);
  EXPECT_EQ(entry("\"F32\"", "[1.0]", "[0,4]", 4), Error::BadFile);
  EXPECT_EQ(entry("\"F32\"", "[4294967296,4294967296]", "[0,4]", 4), Error::LimitExceeded);
  EXPECT_EQ(entry("\"F32\"", "[18446744073709551615]", "[0,4]", 4), Error::BadFile);
  EXPECT_EQ(entry("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]", 4), Error::LimitExceeded);
  EXPECT_EQ(entry("\"F32\"", "[1]", "[4,0]", 4), Error::BadFile);
  EXPECT_EQ(entry("\"F32\"", "[1]", "[0,5]", 4), Error::BadFile);
  EXPECT_EQ(entry("\"F32\"", "[1]", "[0]", 4), Error::BadFile);
  EXPECT_EQ(entry("\"F32\"", "1", "[0,4]", 4), Error::BadFile);
  EXPECT_EQ(entry("7", "[1]", "[0,4]", 4), Error::BadFile);
  EXPECT_EQ(entry("\"Q4\"", "[1]", "[0,4]", 4), Error::Unsupported);
  EXPECT_EQ(entry("\"F4\"", "[2]", "[0,1]", 1), Error::Ok);
  EXPECT_EQ(entry("\"F4\"", "[1]", "[0,1]", 1), Error::BadFile) << "half a byte";
  EXPECT_EQ(error_for(R"({"__metadata__":{"k":1}})", 0), Error::BadFile);
  EXPECT_EQ(error_for(R"({"__metadata__":[]})", 0), Error::BadFile);
  EXPECT_EQ(error_for(R"({"a":5})", 0), Error::BadFile);
  EXPECT_EQ(error_for(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}})", 0), Error::BadFile);
  EXPECT_EQ(error_for("{\"a\":" + std::string(100000, '['), 0), Error::BadFile) << "deep nesting";
  EXPECT_EQ(error_for("{\"\xff\":1}", 0), Error::BadFile) << "not UTF-8";
  EXPECT_EQ(error_of([] { parse(bytes_of("\xff\xff\xff\xff\xff\xff\xff\xff{}")); }), Error::BadFile);
  Limits limits;
  limits.max_header_bytes = 10;
  EXPECT_EQ(error_of([&] { (void)parse_safetensors(golden("kSafetensors"), "t", limits); }), Error::LimitExceeded);
}

TEST(IoSafetensors, WriterRefusesWhatTheFormatCannotHold) {
  const TemporaryFolder folder;
  const auto write = [&folder](const std::vector<NamedArray>& arrays) {
    return error_of([&] { write_safetensors(folder.file("x"), arrays); });
  };
  const Array one = Array::zeros(DType::F32, {1});
  EXPECT_EQ(write({{"a", one}, {"a", one}}), Error::InvalidArgument);
  EXPECT_EQ(write({{"", one}}), Error::InvalidArgument);
  EXPECT_EQ(write({{"__metadata__", one}}), Error::InvalidArgument);
  EXPECT_EQ(write({{"\xff", one}}), Error::InvalidArgument);
  EXPECT_EQ(write({{"a", Array::zeros(DType::U4, {2})}}), Error::Unsupported);
  EXPECT_FALSE(std::filesystem::exists(folder.file("x")));
}

}  // namespace
}  // namespace gf::io
