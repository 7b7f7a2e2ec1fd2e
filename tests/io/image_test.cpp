// Pictures against PIL: decoding, resize (bit for bit), crop and normalisation.
#include "io/image.h"

#include <cmath>

#include "io/inflate.h"
#include "tests/io/io_test_support.h"

namespace gf::io {
namespace {

using namespace test;

Image decoded(const std::string& name) { return decode_image(golden(name), name); }
std::vector<uint8_t> pixels(const std::string& name) { return golden_numbers<uint8_t>(name); }
void parse(ByteSpan bytes) { (void)decode_image(bytes, "test"); }

TEST(IoImage, PngAsPilReadsIt) {
  const Image rgb = decoded("kPngRgb");
  EXPECT_EQ(rgb.width, 11);
  EXPECT_EQ(rgb.height, 7);
  EXPECT_EQ(rgb.channels, 3);
  EXPECT_EQ(rgb.pixels, pixels("kPngRgbPixels"));
  EXPECT_EQ(decoded("kPngRgba").pixels, pixels("kPngRgbPixels")) << "transparency dropped";
  EXPECT_EQ(decoded("kPngPalette").pixels, pixels("kPngPalettePixels"));
  const Image gray = decoded("kPngGray");
  EXPECT_EQ(gray.channels, 1);
  EXPECT_EQ(gray.pixels, pixels("kPngGrayPixels"));
  EXPECT_EQ(to_gray(rgb).pixels, pixels("kPngGrayPixels")) << "PIL's convert('L')";
}

TEST(IoImage, JpegIsNearLibjpeg) {
  const Image jpeg = decoded("kJpeg");
  const auto expected = pixels("kJpegPixels");
  ASSERT_EQ(jpeg.pixels.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_LE(std::abs(jpeg.pixels[i] - expected[i]), 3) << i;
}

TEST(IoImage, ResizeIsPilsBitForBit) {
  const Image rgb = decoded("kPngRgb");
  const std::pair<int, int> sizes[] = {{5, 3}, {11, 3}, {4, 7}, {1, 1}, {16, 9}, {22, 14}, {3, 10}, {10, 6}};
  for (const auto& [w, h] : sizes)
    EXPECT_EQ(resize_bilinear(rgb, w, h).pixels, pixels("kResize" + std::to_string(w) + "x" + std::to_string(h)));
  EXPECT_EQ(resize_bilinear(rgb, 11, 7).pixels, rgb.pixels);
  EXPECT_EQ(error_of([&] { (void)resize_bilinear(rgb, 0, 4); }), Error::InvalidArgument);
  EXPECT_EQ(error_of([&] { (void)center_crop(rgb, 12, 4); }), Error::InvalidArgument);
}

TEST(IoImage, WholePreparation) {
  const auto expected = golden_numbers<double>("kPreparedHwc");
  const std::string numbers = ",scale=1/255,mean=0.485/0.456/0.406,std=0.229/0.224/0.225,size=6,crop=5x4";
  const Array hwc = image_to_array(decoded("kPngRgb"), parse_image_options("nhwc" + numbers));
  EXPECT_EQ(hwc.shape, (std::vector<int64_t>{1, 5, 4, 3}));
  const auto v = hwc.as<float>();
  ASSERT_EQ(v.size(), expected.size());
  for (size_t i = 0; i < v.size(); ++i) EXPECT_NEAR(static_cast<double>(v[i]), expected[i], 1e-6) << i;

  const Array chw = image_to_array(decoded("kPngRgb"), parse_image_options("nchw" + numbers));
  EXPECT_EQ(chw.shape, (std::vector<int64_t>{1, 3, 5, 4}));
  for (size_t p = 0; p < 20; ++p)
    for (size_t c = 0; c < 3; ++c) EXPECT_EQ(chw.as<float>()[c * 20 + p], v[p * 3 + c]);

  const auto raw = image_to_array(decoded("kPngRgb"), parse_image_options("nhwc")).as<float>();
  const auto bgr = image_to_array(decoded("kPngRgb"), parse_image_options("nhwc,bgr,mean=1/2/3")).as<float>();
  for (size_t i = 0; i < raw.size(); i += 3)
    for (size_t c = 0; c < 3; ++c) EXPECT_EQ(bgr[i + c], raw[i + 2 - c] - static_cast<float>(c + 1));
  const Array gray = image_to_array(decoded("kPngRgb"), parse_image_options("gray,scale=2,mean=1,std=4"));
  EXPECT_EQ(gray.shape, (std::vector<int64_t>{1, 1, 7, 11}));
  EXPECT_EQ(gray.as<float>()[0], (static_cast<float>(pixels("kPngGrayPixels")[0]) * 2 - 1) / 4);
  EXPECT_EQ(image_to_array(decoded("kPngGray"), parse_image_options("")).shape, (std::vector<int64_t>{1, 3, 7, 11}));
}

TEST(IoImage, OptionErrorsNameThePart) {
  for (const char* text : {"nchw,",
                           ",",
                           "NCHW",
                           "nchw,nhwc",
                           "rgb,gray",
                           "scale=",
                           "scale=x",
                           "scale=1/0",
                           "scale=1/2/3",
                           "scale=nan",
                           "mean=1/2",
                           "mean=1/2/3/4",
                           "std=0",
                           "std=1/0/1",
                           "size=0",
                           "size=-4",
                           "size=4x",
                           "size=1x2x3",
                           "size=99999",
                           "crop=axb",
                           "scale=1,scale=2",
                           "colour=3",
                           "gray,mean=1/2/3",
                           "size=18446744073709551617"}) {
    std::string message;
    EXPECT_EQ(error_of([&] { (void)parse_image_options(text); }, &message), Error::InvalidArgument) << text;
    EXPECT_NE(message.find("image options"), std::string::npos) << message;
  }
  EXPECT_EQ(error_of([] { (void)image_to_array(decoded("kPngRgb"), parse_image_options("crop=8")); }),
            Error::InvalidArgument);
}

TEST(IoImage, WrittenPngReadsBack) {
  const TemporaryFolder folder;
  for (const char* name : {"kPngRgb", "kPngGray"}) {
    write_png(folder.file("x.png"), decoded(name));
    EXPECT_EQ(read_image(folder.file("x.png")).pixels, decoded(name).pixels);
  }
  EXPECT_EQ(error_of([] { (void)png_bytes(Image{2, 2, 3, {1, 2, 3}}); }), Error::InvalidArgument);
  EXPECT_EQ(error_of([] { (void)png_bytes(Image{0, 2, 3, {}}); }), Error::InvalidArgument);
}

TEST(IoImage, DamageIsATypedError) {
  for (const char* name : {"kPngRgb", "kPngPalette", "kJpeg"}) {
    expect_truncation_errors(golden(name), parse);
    expect_flips_are_survived(golden(name), parse);
  }
  for (const char* name : {"kIdx", "kWav8"}) EXPECT_EQ(error_of([&] { parse(golden(name)); }), Error::BadFile);
  Bytes flipped = golden("kPngRgb");
  flipped[60] ^= std::byte{1};
  EXPECT_EQ(error_of([&] { parse(flipped); }), Error::BadChecksum);
}

// With the CRCs made right again, damage reaches the decoder itself.
TEST(IoImage, DamagedPngWithRightCrcs) {
  for (const char* name : {"kPngRgb", "kPngRgba", "kPngPalette", "kPngGray"}) {
    const Bytes& file = golden(name);
    const auto big_endian = [&file](size_t at) {
      uint32_t value = 0;
      for (size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<uint32_t>(file[at + i]);
      return value;
    };
    for (size_t chunk = 8; chunk < file.size(); chunk += big_endian(chunk) + 12) {
      const size_t size = big_endian(chunk);
      for (size_t at = chunk + 4; at < chunk + 8 + size; ++at)
        for (unsigned mask = 1; mask < 256; mask *= 2) {
          Bytes changed = file;
          changed[at] ^= static_cast<std::byte>(mask);
          const uint32_t crc = crc32_of(ByteSpan(changed).subspan(chunk + 4, size + 4));
          for (size_t i = 0; i < 4; ++i) changed[chunk + 8 + size + i] = static_cast<std::byte>(crc >> (24 - 8 * i));
          (void)error_of([&] { parse(changed); });
        }
    }
  }
}

// 300 symbols in one Huffman table, all inside their segment: stb 2.27 alone would write past its tables (under the
// sanitizers an error, else silently).
TEST(IoImage, JpegWithTooManyHuffmanSymbols) {
  std::string file("\xff\xd8\xff\xc4\x01\x3f\x00", 7);
  file += std::string(14, '\0') + std::string("\x2d\xff", 2) + std::string(300, '\1') + "\xff\xd9";
  std::string message;
  EXPECT_EQ(error_of([&] { parse(bytes_of(file)); }, &message), Error::BadFile);
  EXPECT_NE(message.find("Huffman"), std::string::npos) << message;
}

TEST(IoImage, AbsurdSizesAreRefusedBeforeMemoryIsTaken) {
  // a PNG header with correct CRCs that claims 32768 x 32768
  const Bytes huge =
      bytes_of(std::string_view("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x80\0\0\0\x80\0\x08\x02\0\0\0\x4b\x1e\x34\x28"
                                "\0\0\0\0IEND\xae\x42\x60\x82",
                                45));
  EXPECT_EQ(error_of([&] { parse(huge); }), Error::LimitExceeded);
  Limits limits;
  limits.max_pixels = 76;
  EXPECT_EQ(error_of([&] { (void)decode_image(golden("kPngRgb"), "t", limits); }), Error::LimitExceeded);
}

}  // namespace
}  // namespace gf::io
