// MNIST, CIFAR and image folders: real files where the shared data has them, small ones written here byte by byte, and bad input.
#include <zlib.h>

#include <cmath>

#include "io/image.h"
#include "tests/data/data_support.h"
#include "tests/support/expect_refused.h"
#include "tests/support/heap_counter.h"
#include "tests/support/test_data.h"
#include "trainer/data/vision.h"

namespace gf::test {
namespace {

using namespace data;

std::string text(const std::filesystem::path& p) { return p.string(); }

TEST(MNIST, ReadsTheFilesOfTheShared3000) {
  GF_SKIP_WITHOUT_DATA("mnist/t3k-images-idx3-ubyte.gz");
  const MNIST digits(text(data_path("mnist/t3k-images-idx3-ubyte.gz")), text(data_path("mnist/t3k-labels-idx1-ubyte.gz")));
  EXPECT_EQ(digits.size(), 3000);
  EXPECT_EQ(fields_text(digits.fields()), "image float32 [1, 28, 28], label int64 []");
  // against the bytes of the file itself: header of 16 and 8 bytes, then pixels and labels
  const io::Bytes images = io::read_file_or_gzip(text(data_path("mnist/t3k-images-idx3-ubyte.gz"))), labels = io::read_file_or_gzip(text(data_path("mnist/t3k-labels-idx1-ubyte.gz")));
  for (const int64_t i : {0, 1234, 2999}) {
    const auto s = sample(digits, i);
    EXPECT_EQ(s[1].array.as<int64_t>()[0], std::to_integer<int64_t>(labels[8 + static_cast<size_t>(i)]));
    const auto pixels = s[0].array.as<float>();
    for (size_t p = 0; p < 784; ++p) ASSERT_EQ(pixels[p], static_cast<float>(std::to_integer<int>(images[16 + static_cast<size_t>(i) * 784 + p])) / 255.0F);
  }
}

// Mean and deviation of the training pictures are in every tutorial: 0.1307 and 0.3081.
TEST(MNIST, TrainingPicturesHaveTheirKnownStatistics) {
  GF_SKIP_WITHOUT_DATA("mnist/train-images-idx3-ubyte.gz");
  const auto digits = std::make_shared<MNIST>(text(data_path("mnist/train-images-idx3-ubyte.gz")), text(data_path("mnist/train-labels-idx1-ubyte.gz")));
  if (digits->size() != 60000) GTEST_SKIP() << "the file holds " << digits->size() << " pictures, not the 60,000 of which the statistics are known";
  DataLoader loader(digits, {.batch_size = 1000, .shuffle = true, .num_workers = 2});
  double sum = 0, square = 0;
  std::vector<int64_t> classes(10);
  for (auto& b : loader) {
    for (const float v : b["image"].view<float>()) {
      sum += static_cast<double>(v);
      square += static_cast<double>(v) * static_cast<double>(v);
    }
    for (const int64_t c : b["label"].view<int64_t>()) ++classes[static_cast<size_t>(c)];
  }
  const double n = 60000.0 * 784, mean = sum / n;
  EXPECT_NEAR(mean, 0.1307, 5e-5);
  EXPECT_NEAR(std::sqrt(square / n - mean * mean), 0.3081, 5e-5);
  EXPECT_EQ(classes[1], 6742);  // as published
  EXPECT_EQ(classes[5], 5421);
}

struct Files {
  TempFolder folder;
  std::string write(const std::string& name, const std::string& content) const { return text(folder.write(name, content)); }
};

TEST(MNIST, BadInput) {
  const Files f;
  const std::string images = f.write("images", idx_file({2, 2, 2}, "abcdefgh")), labels = f.write("labels", idx_file({2}, {1, 9}));
  const MNIST good(images, labels);
  EXPECT_EQ(good.size(), 2);
  EXPECT_EQ(good.label(1), 9);
  const auto refuse = [&](Error code, const std::string& what, const std::string& i, const std::string& l, VisionSettings s = {}) {
    expect_refused(code, what, [&] { MNIST m(i, l, std::move(s)); });
  };
  refuse(Error::NotFound, "nowhere", f.folder.path("nowhere").string(), labels);
  refuse(Error::IoError, text(f.folder.path()), text(f.folder.path()), labels);
  refuse(Error::BadFile, "magic: not an idx file", f.write("magic", "\x1f\x00 not idx"), labels);
  refuse(Error::BadFile, "short", f.write("short", idx_file({2, 2, 2}, "abcdefg")), labels);
  refuse(Error::BadFile, "empty", f.write("empty", ""), labels);
  refuse(Error::BadFile, "none: has no pictures", f.write("none", idx_file({0, 28, 28}, "")), f.write("none_l", idx_file({0}, "")));
  refuse(Error::TypeMismatch, "labels: holds uint8 [2] where pictures, uint8 [n, height, width], are wanted; are the files in the right order?", labels, images);
  refuse(Error::TypeMismatch, "where labels, uint8 [n], are wanted", images, images);
  refuse(Error::ShapeMismatch, "three: has 3 labels, but", images, f.write("three", idx_file({3}, "\1\2\3")));
  refuse(Error::BadData, "ten: label 10 of sample 1 is out of range; there are 10 classes", images, f.write("ten", idx_file({2}, "\1\n")));
  refuse(Error::LimitExceeded, "images", images, labels, {.limits = {.max_array_bytes = 7}});
  refuse(Error::LimitExceeded, "images", images, labels, {.limits = {.max_file_bytes = 7}});
  refuse(Error::LimitExceeded, "huge", f.write("huge", idx_file({0xffffffff, 0xffff, 0xffff}, "abc")), labels);  // absurd counts, tiny file
  refuse(Error::ShapeMismatch, "RandomCrop: 9 x 9 does not fit", images, labels, {.transform = transforms(RandomCrop(9))});
}

std::string gzip(const std::string& bytes) {
  std::string out(bytes.size() + 1024, '\0');
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  return out;
}

TEST(MNIST, FindsItsFilesInAFolder) {
  const Files f;
  const std::string folder = text(f.folder.path());
  expect_refused(Error::NotFound, "holds none of train-images-idx3-ubyte with train-labels-idx1-ubyte", [&] { (void)MNIST::in_folder(folder, true); });
  f.write("train-images-idx3-ubyte", idx_file({2, 2, 2}, "abcdefgh"));
  expect_refused(Error::NotFound, "train-labels-idx1-ubyte", [&] { (void)MNIST::in_folder(folder, true); });
  f.write("train-labels-idx1-ubyte.gz", gzip(idx_file({2}, {1, 9})));
  EXPECT_EQ(MNIST::in_folder(folder, true)->size(), 2);
  expect_refused(Error::NotFound, "t10k-images-idx3-ubyte with t10k-labels-idx1-ubyte, or t3k-images", [&] { (void)MNIST::in_folder(folder, false); });
  f.write("t3k-images-idx3-ubyte", idx_file({1, 2, 2}, "abcd"));
  f.write("t3k-labels-idx1-ubyte", idx_file({1}, {3}));
  EXPECT_EQ(MNIST::in_folder(folder, false)->label(0), 3);
  f.write("t10k-images-idx3-ubyte", idx_file({2, 2, 2}, "abcdefgh"));
  f.write("t10k-labels-idx1-ubyte", idx_file({2}, {4, 5}));
  EXPECT_EQ(MNIST::in_folder(folder, false)->label(0), 4);  // all of them rather than some
}

// Compressed files: the same samples, cut and flipped ones are errors, and a small file cannot take all memory.
TEST(VisionDataset, CompressedFilesAreBounded) {
  const Files f;
  const std::string labels = f.write("l", idx_file({2}, {1, 9})), packed = gzip(idx_file({2, 2, 2}, "abcdefgh"));
  EXPECT_EQ(sample(MNIST(f.write("i.gz", packed), labels), 1)[0].array.as<float>()[3], 'h' / 255.0F);
  for (size_t n = 0; n < packed.size(); ++n) EXPECT_THROW(MNIST(f.write("cut.gz", packed.substr(0, n)), labels), Exception) << n;
  for (size_t n = 0; n < packed.size(); ++n) {
    std::string flipped = packed;
    flipped[n] = static_cast<char>(flipped[n] ^ 0x10);
    try {  // names and times in the header may differ
      EXPECT_EQ(MNIST(f.write("flipped.gz", flipped), labels).size(), 2) << n;
    } catch (const Exception& e) {
      EXPECT_NE(std::string(e.what()).find("flipped.gz"), std::string::npos) << e.what();
    }
  }
  const std::string zeros(3073 * 4000, '\0'), bomb = f.write("bomb.bin.gz", gzip(zeros));
  EXPECT_EQ(CIFAR(CIFAR::Kind::Cifar10, {bomb}).size(), 4000);
  const auto refuse = [&](const std::string& what, io::Limits limits) {
    expect_refused(Error::LimitExceeded, what, [&] { CIFAR c(CIFAR::Kind::Cifar10, {bomb}, {.limits = limits}); });
  };
  refuse("bomb.bin.gz: decompresses to more than 200 times its size", {.free_inflated_bytes = 1 << 20});
  refuse("bomb.bin.gz: decompresses to more than 1048576 bytes", {.max_inflated_bytes = 1 << 20});
}

TEST(CIFAR, ReadsRecords) {
  const Files f;
  std::string one(1, '\x3'), two(1, '\x9');
  for (int c = 0; c < 3; ++c)
    for (int p = 0; p < 1024; ++p) {
      one += static_cast<char>(c * 80 + p % 32);
      two += static_cast<char>(c * 80 + p / 32);
    }
  const CIFAR d(CIFAR::Kind::Cifar10, {f.write("a.bin", one + two), f.write("b.bin", two)}, {.transform = transforms(CenterCrop(32))});
  EXPECT_EQ(d.size(), 3);
  EXPECT_EQ(d.classes()[static_cast<size_t>(d.label(0))], "cat");
  EXPECT_EQ(d.label(2), 9);
  EXPECT_EQ(fields_text(d.fields()), "image uint8 [32, 32, 3], label int64 []");
  const auto pixels = sample(d, 1)[0].array;
  for (size_t p = 0; p < 1024; ++p)
    for (size_t c = 0; c < 3; ++c) ASSERT_EQ(std::to_integer<size_t>(pixels.data[3 * p + c]), c * 80 + p / 32);
  const std::string fine = f.write("c.bin", std::string("\x13\x63") + one.substr(1));
  EXPECT_EQ(CIFAR(CIFAR::Kind::Cifar100, {fine}).label(0), 0x63);
  EXPECT_EQ(CIFAR(CIFAR::Kind::Cifar100Coarse, {fine}).label(0), 0x13);
  const auto refuse = [&](Error code, const std::string& what, CIFAR::Kind kind, const std::vector<std::string>& files) {
    expect_refused(code, what, [&] { CIFAR c(kind, files); });
  };
  refuse(Error::InvalidArgument, "no files", CIFAR::Kind::Cifar10, {});
  refuse(Error::NotFound, "gone.bin", CIFAR::Kind::Cifar10, {text(f.folder.path("gone.bin"))});
  refuse(Error::BadFile, "cut.bin: 3072 bytes are no whole number of records of 3073; is it the binary version of CIFAR-10?", CIFAR::Kind::Cifar10,
         {f.write("cut.bin", one.substr(1))});
  refuse(Error::BadFile, "nothing.bin: 0 bytes", CIFAR::Kind::Cifar10, {f.write("nothing.bin", "")});
  refuse(Error::BadFile, "CIFAR-100?", CIFAR::Kind::Cifar100, {f.write("a.bin", one)});
  refuse(Error::BadData, "label.bin: label 10 of record 1 is out of range; there are 10 classes", CIFAR::Kind::Cifar10, {f.write("label.bin", one + "\n" + one.substr(1))});
  refuse(Error::BadData, "label 100 of record 0", CIFAR::Kind::Cifar100, {f.write("label2.bin", "\1d" + one.substr(1))});
  refuse(Error::BadData, "label 20 of record 0", CIFAR::Kind::Cifar100Coarse, {f.write("label3.bin", "\x14\1" + one.substr(1))});
}

void write_png(const Files& f, const std::string& name, int64_t h, int64_t w, uint8_t value, int64_t channels = 3) {
  f.write(name, "");
  io::write_png(text(f.folder.path(name)), {w, h, channels, std::vector<uint8_t>(static_cast<size_t>(h * w * channels), value)});
}

TEST(ImageFolder, NumbersClassesAndFilesByName) {
  const Files f;
  write_png(f, "root/dog/b.png", 4, 4, 20);
  write_png(f, "root/cat/z.PNG", 4, 4, 12);
  write_png(f, "root/cat/deep/er/y.png", 4, 4, 11, 1);
  f.write("root/cat/notes.txt", "no picture");
  f.write("root/readme.txt", "no folder");
  const ImageFolder d(text(f.folder.path("root")), {.transform = transforms(CenterCrop(2))});
  ASSERT_EQ(d.size(), 3);
  EXPECT_EQ(d.classes(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(fields_text(d.fields()), "image uint8 [2, 2, 3], label int64 []");
  std::vector<int> values, labels;
  for (int64_t i = 0; i < 3; ++i) {
    const auto s = sample(d, i);
    values.push_back(std::to_integer<int>(s[0].array.data[0]));
    labels.push_back(static_cast<int>(s[1].array.as<int64_t>()[0]));
  }
  EXPECT_EQ(values, (std::vector<int>{11, 12, 20}));
  EXPECT_EQ(labels, (std::vector<int>{0, 0, 1}));
  const ImageFolder gray(text(f.folder.path("root")), {}, ImageFolder::Channels::Gray);
  EXPECT_EQ(fields_text(gray.fields()), "image float32 [1, 4, 4], label int64 []");
}

TEST(ImageFolder, BadInput) {
  const Files f;
  const auto folder = [&](const std::string& name) { return text(f.folder.path(name)); };
  const auto refuse = [&](Error code, const std::string& what, const std::string& name, VisionSettings s = {}) {
    expect_refused(code, what, [&] { ImageFolder d(folder(name), std::move(s)); });
  };
  refuse(Error::NotFound, "nowhere: there is no such folder", "nowhere");
  f.write("file", "x");
  refuse(Error::IoError, "file: is no folder", "file");
  f.write("flat/a.png", "x");
  refuse(Error::BadData, "flat: has no folders; one folder per class is wanted", "flat");
  write_png(f, "hole/a/1.png", 4, 4, 1);
  std::filesystem::create_directories(f.folder.path("hole/b"));
  refuse(Error::BadData, "this class has no pictures (.png, .jpg, .jpeg)", "hole");
  f.write("damaged/a/1.png", "no picture at all");
  refuse(Error::BadFile, "1.png", "damaged");
  write_png(f, "sizes/a/1.png", 4, 4, 1);
  write_png(f, "sizes/a/2.png", 5, 4, 1);
  refuse(Error::LimitExceeded, "has more than 1 pictures", "sizes", {.limits = {.max_entries = 1}});
  refuse(Error::LimitExceeded, "1.png", "sizes", {.limits = {.max_pixels = 15}});
  const auto d = std::make_shared<ImageFolder>(folder("sizes"));
  for (const int workers : {0, 1}) {
    DataLoader loader(d, {.batch_size = 2, .num_workers = workers});
    expect_refused(Error::ShapeMismatch, "2.png): the picture of 3 x 5 x 4 uint8 becomes 3 x 5 x 4 float32 where others become 3 x 4 x 4 float32; add Resize", [&] { (void)loader.next(); });
  }
  // a picture that goes away while training
  std::filesystem::remove(f.folder.path("sizes/a/1.png"));
  DataLoader loader(d, {.batch_size = 1, .num_workers = 1});
  expect_refused(Error::NotFound, "DataLoader: sample 0", [&] { (void)loader.next(); });
}

// What a random transform does to a sample depends on (seed, epoch, sample), not on threads, batches or what was read before.
TEST(VisionDataset, AugmentationIsTheSameForAnyNumberOfThreads) {
  const Files f;
  std::string pixels;
  for (int i = 0; i < 40 * 12 * 12; ++i) pixels += static_cast<char>(i * 7);
  const auto d = std::make_shared<MNIST>(
      f.write("i", idx_file({40, 12, 12}, pixels)), f.write("l", idx_file({40}, std::string(40, '\1'))),
      VisionSettings{.transform = transforms(RandomRotation(15), RandomCrop(12, 2), RandomHorizontalFlip(), ToFloat(), RandomErasing())});
  const auto all = [&](int64_t batch, int workers) {
    std::vector<std::vector<float>> by_sample(80);
    DataLoader loader(d, {.batch_size = batch, .shuffle = true, .seed = 4, .num_workers = workers});
    for (size_t e = 0; e < 2; ++e)
      for (auto& b : loader)
        for (size_t i = 0; i < static_cast<size_t>(b.size()); ++i) {
          const auto v = b["image"].view<float>().subspan(i * 144, 144);
          by_sample[e * 40 + static_cast<size_t>(b.indices()[i])].assign(v.begin(), v.end());
        }
    return by_sample;
  };
  const auto expected = all(8, 0);
  EXPECT_NE(expected[0], expected[40]);  // another epoch, another crop
  for (const int workers : {1, 2, 4})
    for (const int64_t batch : {3, 8}) EXPECT_EQ(all(batch, workers), expected);
}

TEST(VisionDataset, TakesNothingFromTheHeapAfterAnEpoch) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  const Files f;
  const auto d = std::make_shared<MNIST>(f.write("i", idx_file({30, 8, 8}, std::string(30 * 64, 'a'))), f.write("l", idx_file({30}, std::string(30, '\1'))),
                                         VisionSettings{.transform = transforms(RandomCrop(8, 2), RandomHorizontalFlip(), RandomRotation(10), ToFloat(), Normalize({0.5F}, {0.5F}), RandomErasing())});
  for (const int workers : {0, 2}) {
    DataLoader loader(d, {.batch_size = 4, .shuffle = true, .num_workers = workers});
    const auto run = [&] {
      for (int e = 0; e < 4; ++e)
        while (loader.next() != nullptr) {
        }
    };
    // a worker's memory is there once it has had a picture, and on a busy machine one may wait long for its first
    uint64_t calls = 1;
    for (int i = 0; calls != 0 && i < 50; ++i) calls = count_heap_calls(run).allocations;
    EXPECT_EQ(calls, 0U) << workers;
  }
}

}  // namespace
}  // namespace gf::test
