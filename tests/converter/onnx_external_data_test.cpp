// Tests of external ONNX tensor data: what is read, and every path, link and range that must be refused
// (rows 38 to 41 of the hostile-input checklist).
#include "converter/onnx/external_data.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "converter/onnx/tensor_data.h"
#include "converter/onnx/writer.h"
#include "tests/converter/onnx_test_util.h"

namespace gf::onnx::test {
namespace {

namespace fs = std::filesystem;

Tensor external_tensor(std::vector<StringPair> entries, std::vector<int64_t> dims = {4}) {
  Tensor t;
  t.name = "w";
  t.data_type = TensorType::Int8;
  t.dims = std::move(dims);
  t.location = Tensor::Location::External;
  t.external_data = std::move(entries);
  return t;
}

class OnnxExternalData : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(dir_ / "model/sub/deep");
    dir_.write("model/w.bin", "0123456789");
    dir_.write("model/sub/deep/v.bin", "abcdefgh");
    dir_.write("secret", "secret data");
  }

  std::string read(const Tensor& t, FileMode mode = FileMode::Map) {
    ExternalData external(dir_ / "model", mode);
    return std::string(tensor_bytes(t, &external, "graph.initializer[0]").text());
  }
  void refuse(Error code, std::string_view part, const Tensor& t) {
    expect_error(
        code, part, [&] { (void)read(t); }, t.external_data.empty() ? "" : t.external_data[0].value.substr(0, 40));
  }
  void refuse_location(Error code, std::string_view part, const std::string& location) {
    refuse(code, part, external_tensor({{"location", location}}));
  }

  const TempDir dir_;
};

TEST_F(OnnxExternalData, ReadsRangesOfFilesBelowTheModel) {
  for (const FileMode mode : {FileMode::Map, FileMode::Read}) {
    EXPECT_EQ(read(external_tensor({{"location", "w.bin"}}), mode), "0123");
    EXPECT_EQ(read(external_tensor({{"location", "w.bin"}, {"offset", "6"}, {"length", "4"}}), mode), "6789");
    EXPECT_EQ(read(external_tensor({{"location", "sub/deep/v.bin"}, {"offset", "1"}}), mode), "bcde");
    EXPECT_EQ(read(external_tensor({{"location", "w.bin"}, {"checksum", "abc"}}), mode), "0123");
    EXPECT_EQ(read(external_tensor({{"location", "w.bin"}, {"offset", "10"}}, {0}), mode), "");
  }
}

TEST_F(OnnxExternalData, OneFileIsReadOnceAndOutlivesTheReader) {
  std::string big(1 << 20, 'x');
  big.replace(0, 4, "abcd");
  dir_.write("model/big.bin", big);
  Bytes first;
  Bytes second;
  {
    ExternalData external(dir_ / "model");
    first = tensor_bytes(external_tensor({{"location", "big.bin"}}), &external);
    second = tensor_bytes(external_tensor({{"location", "big.bin"}, {"offset", "2"}}), &external);
    EXPECT_EQ(second.data(), first.data() + 2);  // overlapping ranges share one mapping
  }
  EXPECT_EQ(first.text(), "abcd");
  EXPECT_EQ(second.text(), "cdxx");
}

TEST_F(OnnxExternalData, TheModelsFolderMayBeRelativeOrALink) {
  fs::create_directory_symlink(dir_ / "model", dir_ / "link");
  ExternalData through_link(dir_ / "link");
  EXPECT_EQ(tensor_bytes(external_tensor({{"location", "w.bin"}}), &through_link).text(), "0123");
  ExternalData here("");
  expect_error(Error::NotFound, "does not exist", [&] {
    (void)tensor_bytes(external_tensor({{"location", "gf_no_such_file"}}), &here);
  });
  ExternalData nowhere(dir_ / "nowhere");
  expect_error(Error::NotFound, "folder", [&] {
    (void)tensor_bytes(external_tensor({{"location", "w.bin"}}), &nowhere);
  });
}

TEST_F(OnnxExternalData, PathsOutsideTheFolderAreRefused) {
  const std::string secret = (dir_ / "secret").string();
  refuse_location(Error::BadFile, "is absolute", secret);
  refuse_location(Error::BadFile, "is absolute", "/etc/passwd");
  refuse_location(Error::BadFile, "is absolute", "//host/share");
  refuse_location(Error::BadFile, "'..'", "../secret");
  refuse_location(Error::BadFile, "'..'", "sub/../../secret");
  refuse_location(Error::BadFile, "'..'", "sub/..");
  refuse_location(Error::BadFile, "'..'", "..");
  refuse_location(Error::BadFile, "'.'", ".");
  refuse_location(Error::BadFile, "'.'", "./w.bin");
  refuse_location(Error::BadFile, "empty part", "sub//deep/v.bin");
  refuse_location(Error::BadFile, "empty part", "w.bin/");
  refuse_location(Error::BadFile, "is empty", "");
  refuse_location(Error::BadFile, "backslash", "..\\secret");
  refuse_location(Error::BadFile, "backslash", "sub\\..\\..\\secret");
  refuse_location(Error::BadFile, "backslash", "\\\\host\\share\\file");
  refuse_location(Error::BadFile, "colon", "C:/secret");
  refuse_location(Error::BadFile, "colon", "w.bin:stream");
  refuse_location(Error::BadFile, "control bytes", std::string("w.bin\0/../secret", 16));
  refuse_location(Error::BadFile, "control bytes", "w\x1b[31m.bin");
  refuse_location(Error::BadFile, "UTF-8", "w\xff.bin");
  refuse_location(Error::BadFile, "the limit is 4096", std::string(1 << 20, 'a'));
  refuse_location(Error::BadFile, "more than 255 bytes", std::string(300, 'a'));
  refuse_location(Error::BadFile, "another program's memory", "*/_ORT_MEM_ADDR_/*");
  refuse_location(Error::NotFound, "does not exist", "missing.bin");
  refuse_location(Error::NotFound, "does not exist", "missing/w.bin");
}

TEST_F(OnnxExternalData, LinksAndSpecialFilesAreRefused) {
  fs::create_symlink(dir_ / "secret", dir_ / "model/link.bin");
  refuse_location(Error::IoError, "symbolic link", "link.bin");
  fs::create_symlink("w.bin", dir_ / "model/inner.bin");  // even to a file of its own
  refuse_location(Error::IoError, "symbolic link", "inner.bin");
  fs::create_directory_symlink(dir_.path(), dir_ / "model/up");
  refuse_location(Error::IoError, "'up', a symbolic link", "up/secret");
  fs::create_directory_symlink("deep", dir_ / "model/sub/same");
  refuse_location(Error::IoError, "symbolic link", "sub/same/v.bin");
  fs::create_symlink("/dev/zero", dir_ / "model/zero");
  refuse_location(Error::IoError, "symbolic link", "zero");
  fs::create_directory_symlink("/proc/self", dir_ / "model/proc");
  refuse_location(Error::IoError, "symbolic link", "proc/environ");
  fs::create_hard_link(dir_ / "secret", dir_ / "model/hard.bin");
  refuse_location(Error::IoError, "2 hard links", "hard.bin");
  ASSERT_EQ(mkfifo((dir_ / "model/pipe").c_str(), 0600), 0);
  refuse_location(Error::IoError, "not a regular file", "pipe");  // and does not wait for a writer
  refuse_location(Error::IoError, "not a regular file", "sub");
  refuse_location(Error::IoError, "not a folder", "w.bin/x");
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = (dir_ / "model/sock").string();
  ASSERT_LT(name.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, name.c_str(), name.size());
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  refuse_location(Error::IoError, "", "sock");
  close(fd);
  ExternalData proc("/proc/self");  // regular by type, but the size says 0 bytes
  expect_error(Error::BadFile, "which has only 0", [&] {
    (void)tensor_bytes(external_tensor({{"location", "environ"}}), &proc);
  });
}

TEST_F(OnnxExternalData, RangesAndKeysAreChecked) {
  const auto with = [](std::vector<StringPair> more) {
    more.insert(more.begin(), {"location", "w.bin"});
    return external_tensor(std::move(more));
  };
  refuse(Error::BadFile, "offset is '-1'", with({{"offset", "-1"}}));
  refuse(Error::BadFile, "offset is '1e3'", with({{"offset", "1e3"}}));
  refuse(Error::BadFile, "offset is ''", with({{"offset", ""}}));
  refuse(Error::BadFile, "offset is ' 1'", with({{"offset", " 1"}}));
  refuse(Error::BadFile, "offset is '0x10'", with({{"offset", "0x10"}}));
  refuse(Error::BadFile, "offset is '9223372036854775808'", with({{"offset", "9223372036854775808"}}));
  refuse(Error::BadFile, "offset is '99999999999999999999999'", with({{"offset", "99999999999999999999999"}}));
  refuse(Error::BadFile, "which has only 10", with({{"offset", "9223372036854775807"}}));
  refuse(Error::BadFile, "needs bytes 7 to 11", with({{"offset", "7"}}));
  refuse(Error::BadFile, "needs bytes 11 to 15", with({{"offset", "11"}}));
  refuse(Error::BadFile, "length is '-4'", with({{"length", "-4"}}));
  refuse(Error::BadFile, "length 5 but the tensor needs 4", with({{"length", "5"}}));
  refuse(Error::BadFile, "length 0 but the tensor needs 4", with({{"length", "0"}}));
  refuse(Error::BadFile, "'offset' more than once", with({{"offset", "0"}, {"offset", "1"}}));
  refuse(Error::BadFile, "'location' more than once", with({{"location", "w.bin"}}));
  refuse(Error::BadFile, "unknown key '__class__'", with({{"__class__", "x"}}));
  refuse(Error::BadFile, "gives no location", external_tensor({{"offset", "0"}}));
  refuse(Error::BadFile, "which has only 10", external_tensor({{"location", "w.bin"}}, {11}));
  refuse(Error::LimitExceeded, "above the limit", external_tensor({{"location", "w.bin"}}, {INT64_MAX, 4}));
  refuse(Error::BadFile, "EXTERNAL but external_data is empty", external_tensor({}));
}

TEST_F(OnnxExternalData, WithoutPermissionAndLimits) {
  const Tensor t = external_tensor({{"location", "w.bin"}});
  expect_error(Error::IoError, "here: tensor 'w' has its data in another file",
               [&] { (void)tensor_bytes(t, nullptr, "here"); });
  ReadLimits limits;
  limits.max_file_bytes = 9;
  ExternalData external(dir_ / "model", FileMode::Map, limits);
  expect_error(Error::LimitExceeded, "the limit is 9", [&] { (void)tensor_bytes(t, &external); });
  Tensor strings = external_tensor({{"location", "w.bin"}});
  strings.data_type = TensorType::String;
  refuse(Error::BadFile, "STRING tensor cannot keep", strings);
}

TEST_F(OnnxExternalData, ReadModeIsSafeFromLaterChanges) {
  dir_.write("model/big.bin", std::string(1 << 20, 'x'));
  ExternalData external(dir_ / "model", FileMode::Read);
  const Bytes bytes = tensor_bytes(external_tensor({{"location", "big.bin"}}, {1 << 20}), &external);
  fs::resize_file(dir_ / "model/big.bin", 1);
  EXPECT_EQ(bytes.span().back(), std::byte{'x'});
}

TEST_F(OnnxExternalData, WholeModelsWithExternalWeights) {
  Model m;
  m.ir_version = 8;
  m.opset_import.push_back({"", 13});
  m.graph.initializer.push_back(external_tensor({{"location", "w.bin"}, {"offset", "2"}}));
  dir_.write("model/m.onnx", std::string(Bytes::take(write_model(m)).text()));
  const Model again = read_model_file(dir_ / "model/m.onnx");
  ExternalData external(dir_ / "model");
  EXPECT_EQ(tensor_bytes(again.graph.initializer[0], &external).text(), "2345");
}

}  // namespace
}  // namespace gf::onnx::test
