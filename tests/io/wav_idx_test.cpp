// .wav against Python's wave module, .idx and .idx.gz.
#include <numeric>

#include "io/idx.h"
#include "io/load.h"
#include "io/wav.h"
#include "tests/io/io_test_support.h"

namespace gf::io {
namespace {

using namespace test;

void parse_sound(ByteSpan bytes) { (void)parse_wav(bytes, "test"); }
void parse_images(ByteSpan bytes) { (void)parse_idx(bytes, "test"); }

// A RIFF file with one fmt chunk of these fields and the payload.
Bytes wav_of(std::vector<uint16_t> format, std::string_view payload) {
  std::string fmt(reinterpret_cast<const char*>(format.data()), format.size() * 2);
  const auto u32 = [](size_t n) {
    const auto v = static_cast<uint32_t>(n);
    return std::string(reinterpret_cast<const char*>(&v), 4);
  };
  const std::string body = "WAVEfmt " + u32(fmt.size()) + fmt + "data" + u32(payload.size()) + std::string(payload);
  return bytes_of("RIFF" + u32(body.size()) + body);
}

TEST(IoWav, PcmOfEveryWidth) {
  EXPECT_EQ(parse_wav(golden("kWav8"), "t").samples.as<float>(), (std::vector<float>{-1, 0, 127.0F / 128, -0.5F}));
  EXPECT_EQ(parse_wav(golden("kWav24"), "t").samples.as<float>(),
            (std::vector<float>{-1, 8388607.0F / 8388608, 1.0F / 8388608, -1.0F / 8388608}));
  EXPECT_EQ(parse_wav(golden("kWav32"), "t").samples.as<float>(), (std::vector<float>{-1, 1, 0.5F}));
  const Wav stereo = parse_wav(golden("kWav16Stereo"), "t");
  EXPECT_EQ(stereo.sample_rate, 16000);
  EXPECT_EQ(stereo.channels, 2);
  EXPECT_EQ(stereo.samples.shape, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(stereo.samples.as<float>(),
            (std::vector<float>{-1, 32767.0F / 32768, 0, 1.0F / 32768, -1.0F / 32768, 0.5F}));
  const Wav mono = parse_wav(golden("kWav16Stereo"), "t", true);
  EXPECT_EQ(mono.samples.shape, (std::vector<int64_t>{3}));
  EXPECT_EQ(mono.samples.as<float>(), (std::vector<float>{-0.5F / 32768, 0.5F / 32768, 16383.0F / 65536}));
}

TEST(IoWav, FloatAndExtensible) {
  const float values[] = {0.25F, -3.5F};
  const std::string_view raw(reinterpret_cast<const char*>(values), sizeof values);
  EXPECT_EQ(parse_wav(wav_of({3, 1, 8000, 0, 32000, 0, 4, 32}, raw), "t").samples.as<float>(),
            (std::vector<float>{0.25F, -3.5F}));
  // WAVEFORMATEXTENSIBLE: codec 0xfffe, extra size 22, valid bits, mask, then the GUID that opens with the codec
  const std::vector<uint16_t> extensible{0xfffe, 1, 8000, 0, 16000, 0,  2,   16,    22,    16,
                                         4,      0, 1,    0, 0,     16, 128, 43520, 14336, 29083};
  EXPECT_EQ(parse_wav(wav_of(extensible, std::string_view("\x00\x40", 2)), "t").samples.as<float>(),
            (std::vector<float>{0.5F}));
}

TEST(IoWav, BrokenFiles) {
  const auto fmt = [](std::vector<uint16_t> f) { return error_of([&] { parse_sound(wav_of(std::move(f), "abcd")); }); };
  EXPECT_EQ(fmt({1, 1, 8000, 0, 16000, 0, 2, 16}), Error::Ok);
  EXPECT_EQ(fmt({1, 0, 8000, 0, 16000, 0, 0, 16}), Error::BadFile) << "no channels";
  EXPECT_EQ(fmt({1, 1, 8000, 0, 16000, 0, 0, 16}), Error::BadFile) << "no bytes per frame";
  EXPECT_EQ(fmt({1, 1, 0, 0, 16000, 0, 2, 16}), Error::BadFile) << "no rate";
  EXPECT_EQ(fmt({1, 3, 8000, 0, 16000, 0, 6, 16}), Error::BadFile) << "ends inside a frame";
  EXPECT_EQ(fmt({85, 1, 8000, 0, 16000, 0, 2, 16}), Error::Unsupported) << "MP3";
  EXPECT_EQ(fmt({1, 1, 8000, 0, 16000, 0, 2, 12}), Error::Unsupported);
  EXPECT_EQ(fmt({1, 1}), Error::BadFile);
  EXPECT_EQ(fmt({0xfffe, 1, 8000, 0, 16000, 0, 2, 16}), Error::BadFile);
  for (const char* name : {"kWav8", "kWav16Stereo", "kWav24"}) {
    expect_truncation_errors(golden(name), parse_sound);
    expect_flips_are_survived(golden(name), parse_sound);
  }
  EXPECT_EQ(error_of([] { parse_sound(golden("kIdx")); }), Error::BadFile);
}

TEST(IoWav, RealSpeech) {
  GF_SHARED_DATA_OR_SKIP(path, "models/silero-vad/test.wav");
  const Wav wav = read_wav(path);
  EXPECT_EQ(wav.sample_rate, 16000);
  EXPECT_EQ(wav.channels, 1);
  EXPECT_EQ(wav.samples.shape, (std::vector<int64_t>{960000}));
  // struct.unpack of the first two samples: 0xff6d = -147, 0xff50 = -176
  EXPECT_EQ(wav.samples.as<float>()[0], -147.0F / 32768);
  EXPECT_EQ(wav.samples.as<float>()[1], -176.0F / 32768);
}

TEST(IoIdx, TypesAndGzip) {
  std::vector<uint8_t> counting(12);
  std::iota(counting.begin(), counting.end(), uint8_t{0});
  const Array expected = Array::from(counting, {2, 2, 3});
  EXPECT_EQ(parse_idx(golden("kIdx"), "t"), expected);
  EXPECT_EQ(parse_idx(golden("kIdxFloat"), "t"), Array::from(std::vector<float>{1.5F, -0.25F}));
  const TemporaryFolder folder;
  write_file(folder.file("a.idx.gz"), golden("kIdxGzip"));
  EXPECT_EQ(load_array(folder.file("a.idx.gz")), expected);
  Limits limits;
  limits.max_inflated_bytes = 27;  // 16 + 12 bytes come out
  EXPECT_EQ(error_of([&] { (void)read_idx(folder.file("a.idx.gz"), limits); }), Error::LimitExceeded);
  limits.max_inflated_bytes = 28;
  EXPECT_EQ(read_idx(folder.file("a.idx.gz"), limits), expected);
  // two members one after the other are one stream; rubbish after them is not
  Bytes twice = golden("kIdxGzip");
  twice.insert(twice.end(), golden("kIdxGzip").begin(), golden("kIdxGzip").end());
  write_file(folder.file("b.txt"), twice);
  EXPECT_EQ(read_file_or_gzip(folder.file("b.txt")).size(), 2 * golden("kIdx").size());
  twice.push_back(std::byte{7});
  write_file(folder.file("b.txt"), twice);
  EXPECT_EQ(error_of([&] { (void)read_file_or_gzip(folder.file("b.txt")); }), Error::BadFile);
}

TEST(IoIdx, BrokenFiles) {
  expect_truncation_errors(golden("kIdx"), parse_images);
  expect_flips_are_survived(golden("kIdx"), parse_images);
  const TemporaryFolder folder;
  const auto unzip = [&folder](ByteSpan bytes) {
    write_file(folder.file("x"), bytes);
    (void)read_idx(folder.file("x"));
  };
  expect_truncation_errors(golden("kIdxGzip"), unzip);
  const auto file = [](std::string_view text) { return error_of([&] { parse_images(bytes_of(text)); }); };
  EXPECT_EQ(file(std::string_view("\0\0\x08\x02\xff\xff\xff\xff\xff\xff\xff\xff", 12)), Error::LimitExceeded);
  EXPECT_EQ(file(std::string_view("\0\0\x08\x09", 4)), Error::LimitExceeded);
  EXPECT_EQ(file(std::string_view("\0\0\x07\x01\0\0\0\0", 8)), Error::Unsupported);
  EXPECT_EQ(file(std::string_view("\0\0\x08\x01\0\0\0\0\0", 9)), Error::BadFile) << "a byte too many";
  EXPECT_EQ(file(std::string_view("\0\0\x08\x00\x05", 5)), Error::Ok) << "rank 0";
}

TEST(IoIdx, RealDigits) {
  GF_SHARED_DATA_OR_SKIP(path, "mnist/t3k-images-idx3-ubyte.gz");
  EXPECT_EQ(load_array(path).shape, (std::vector<int64_t>{3000, 28, 28}));
  const Array labels = read_idx(shared_data("mnist/t3k-labels-idx1-ubyte.gz"));
  EXPECT_EQ(labels.shape, (std::vector<int64_t>{3000}));
  const auto v = labels.as<int64_t>();
  EXPECT_EQ((std::vector<int64_t>(v.begin(), v.begin() + 5)), (std::vector<int64_t>{7, 2, 1, 0, 4})) << "as published";
  EXPECT_EQ(read_idx(shared_data("mnist/train-images-idx3-ubyte.gz")).count(), int64_t{60000} * 28 * 28);
}

TEST(IoLoad, UnknownEndingsAndMissingFiles) {
  EXPECT_EQ(error_of([] { (void)load_array("model.xyz"); }), Error::InvalidArgument);
  EXPECT_EQ(error_of([] { (void)load_array("/nonexistent/x.npy"); }), Error::NotFound);
  const TemporaryFolder folder;
  write_file(folder.file("two.npz"), golden("kNpzStored"));
  EXPECT_EQ(error_of([&] { (void)load_array(folder.file("two.npz")); }), Error::InvalidArgument);
  write_file(folder.file("A.NPY"), golden("kNpyScalar"));
  EXPECT_EQ(load_array(folder.file("A.NPY")).as<float>(), std::vector<float>{3.5F});
  write_file(folder.file("a.png"), golden("kPngRgb"));
  EXPECT_EQ(load_array(folder.file("a.png")).shape, (std::vector<int64_t>{1, 3, 7, 11}));
}

}  // namespace
}  // namespace gf::io
