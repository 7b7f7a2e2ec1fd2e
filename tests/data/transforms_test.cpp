// Transforms: the deterministic ones against torchvision and Pillow (golden/transforms.json, made by make_transform_goldens.py), the random
// ones by what must hold for every draw, by their frequencies, and by equal draws.
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/data/data_support.h"
#include "tests/support/expect_refused.h"
#include "tests/support/paths.h"
#include "trainer/data/mixing.h"
#include "trainer/data/transforms.h"

namespace gf::test {
namespace {

using namespace data;

Picture picture_of(int64_t h, int64_t w, int64_t c, const std::vector<uint8_t>& pixels) {
  Picture p;
  p.reset({c, h, w, false});
  p.pixels = pixels;
  return p;
}
Draws draws_of(int64_t index) { return {1, Purpose::Sample, 0, index}; }

// Pixel number i is i.
Picture numbered(int64_t h, int64_t w, int64_t c = 1) {
  std::vector<uint8_t> v(static_cast<size_t>(h * w * c));
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<uint8_t>(i);
  return picture_of(h, w, c, v);
}
Picture as_floats(Picture p) {
  Picture spare;
  Draws draws;
  ToFloat().apply(p, spare, draws);
  return p;
}

struct Golden {
  nlohmann::json file = nlohmann::json::parse(std::ifstream(std::string(kSourceDir) + "/tests/data/golden/transforms.json"));
  Picture picture(const std::string& name) const {
    const auto& p = file["pictures"][name];
    return picture_of(p["shape"][0], p["shape"][1], p["shape"][2], p["pixels"].get<std::vector<uint8_t>>());
  }
};

Picture applied(const Transform& t, Picture p) {
  Picture spare;
  Draws draws;
  const PictureFormat promised = t.format(p);
  t.apply(p, spare, draws);
  EXPECT_EQ(promised, p.format());
  return p;
}

Picture computed(const std::string& op, const std::vector<double>& a, Picture in) {
  const auto whole = [&](size_t i) { return static_cast<int64_t>(a[i]); };
  Picture out;
  if (op == "to_float") return as_floats(std::move(in));
  if (op == "normalize") {
    const auto half = static_cast<std::ptrdiff_t>(a.size() / 2);
    return applied(Normalize({a.begin(), a.begin() + half}, {a.begin() + half, a.end()}), as_floats(std::move(in)));
  }
  if (op == "center_crop") return applied(CenterCrop(whole(0), whole(1)), std::move(in));
  if (op == "resize") return applied(a.size() == 1 ? Resize(whole(0)) : Resize(whole(0), whole(1)), std::move(in));
  if (op == "hflip") horizontal_flip(in, out);
  else if (op == "vflip") vertical_flip(in, out);
  else if (op == "crop") crop(in, out, whole(0), whole(1), whole(2), whole(3));
  else if (op == "rotate") rotate(in, out, a[0], a[1] == 0 ? Interpolation::Nearest : Interpolation::Bilinear);
  else {
    if (op == "brightness") adjust_brightness(in, a[0]);
    else if (op == "contrast") adjust_contrast(in, a[0]);
    else if (op == "saturation") adjust_saturation(in, a[0]);
    else if (op == "hue") adjust_hue(in, a[0]);
    else ADD_FAILURE() << "unknown case " << op;
    return in;
  }
  return out;
}

TEST(Transforms, AreTorchvisions) {
  const Golden golden;
  std::map<std::string, int> seen;
  for (const auto& c : golden.file["cases"]) {
    const std::string op = c["op"];
    ++seen[op];
    SCOPED_TRACE(op + " of " + c["in"].get<std::string>() + " " + c["arguments"].dump());
    const bool floats = c["floats"];
    Picture in = golden.picture(c["in"]);
    if (floats && op != "to_float" && op != "normalize") in = as_floats(std::move(in));
    const Picture out = computed(op, c["arguments"].get<std::vector<double>>(), std::move(in));
    ASSERT_EQ((std::vector<int64_t>{out.channels, out.height, out.width}), c["shape"].get<std::vector<int64_t>>());
    ASSERT_EQ(out.floats, floats);
    if (floats) {
      const auto want = c["out"].get<std::vector<float>>();
      // torchvision turns with coordinates in float32, as shares of the picture: a few units of 1e-7 times a step of 1
      const float near = op == "rotate" ? 5e-6F : op == "normalize" ? 5e-7F : 0.0F;
      ASSERT_EQ(out.values.size(), want.size());
      for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(out.values[i], want[i], near) << i;
    } else {
      const auto want = c["out"].get<std::vector<uint8_t>>();
      ASSERT_EQ(out.pixels.size(), want.size());
      for (size_t i = 0; i < want.size(); ++i) ASSERT_EQ(out.pixels[i], want[i]) << i;
    }
  }
  EXPECT_EQ(seen.size(), 12U);
  EXPECT_EQ(seen["rotate"], 60);
}

TEST(Transforms, GrayToRgb) {
  const Picture p = applied(GrayToRgb(), numbered(2, 3));
  EXPECT_EQ(p.pixels, (std::vector<uint8_t>{0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5}));
  const Picture colour = numbered(2, 2, 3);
  EXPECT_EQ(applied(GrayToRgb(), colour).pixels, colour.pixels);
}

TEST(Transforms, FlipsHappenAsOftenAsTold) {
  for (const double p : {0.0, 0.25, 1.0}) {
    int across = 0, down = 0;
    for (int64_t i = 0; i < 2000; ++i) {
      Picture a = numbered(2, 2), b = numbered(2, 2), spare;
      Draws draws = draws_of(i);
      RandomHorizontalFlip(p).apply(a, spare, draws);
      RandomVerticalFlip(p).apply(b, spare, draws);
      const bool turned = a.pixels == std::vector<uint8_t>{1, 0, 3, 2}, over = b.pixels == std::vector<uint8_t>{2, 3, 0, 1};
      ASSERT_TRUE(turned || a.pixels == numbered(2, 2).pixels);
      ASSERT_TRUE(over || b.pixels == numbered(2, 2).pixels);
      across += turned;
      down += over;
    }
    EXPECT_NEAR(across, 2000 * p, 6 * std::sqrt(2000 * p * (1 - p)));
    EXPECT_NEAR(down, 2000 * p, 6 * std::sqrt(2000 * p * (1 - p)));
  }
}

TEST(Transforms, RandomCropTakesEveryWindowEquallyOften) {
  const RandomCrop t(3, 4, 1, 99);
  std::map<std::vector<uint8_t>, int> found;
  for (int64_t i = 0; i < 6000; ++i) {
    Picture p = numbered(4, 5), spare;
    Draws draws = draws_of(i);
    ASSERT_EQ(t.format(p), (PictureFormat{1, 3, 4, false}));
    t.apply(p, spare, draws);
    ++found[p.pixels];
  }
  ASSERT_EQ(found.size(), 4U * 4U);  // (4 + 2 - 3 + 1) tops, (5 + 2 - 4 + 1) lefts
  for (int64_t top = -1; top <= 2; ++top)
    for (int64_t left = -1; left <= 2; ++left) {
      std::vector<uint8_t> window;
      for (int64_t y = top; y < top + 3; ++y)
        for (int64_t x = left; x < left + 4; ++x) window.push_back(y < 0 || y >= 4 || x < 0 || x >= 5 ? 99 : static_cast<uint8_t>(y * 5 + x));
      ASSERT_EQ(found.count(window), 1U) << top << " " << left;
      EXPECT_NEAR(found[window], 6000 / 16, 6 * std::sqrt(6000 / 16.0));
    }
  // 1 pixel more than fits
  expect_refused(Error::ShapeMismatch, "RandomCrop: 7 x 7 does not fit into 1 x 4 x 5 uint8 with padding of 1", [] { (void)RandomCrop(7, 1).format(numbered(4, 5)); });
}

TEST(Transforms, RandomResizedCropStaysInsideItsRanges) {
  // a picture whose values are x: in a crop of w columns, resized to 8, pixels 1 and 6 (their filters do not reach the borders) lie w * 5 / 8 apart
  std::vector<uint8_t> v;
  for (int y = 0; y < 200; ++y)
    for (int x = 0; x < 200; ++x) v.push_back(static_cast<uint8_t>(x));
  double least = 1e9, most = 0;
  for (int64_t i = 0; i < 300; ++i) {
    Picture p = picture_of(200, 200, 1, v), spare;
    Draws draws = draws_of(i);
    RandomResizedCrop(8, {0.25, 0.5}, {1.0, 1.0}).apply(p, spare, draws);
    ASSERT_EQ(p.format(), (PictureFormat{1, 8, 8, false}));
    const double width = (p.pixels[6] - p.pixels[1]) * 8.0 / 5;
    least = std::min(least, width);
    most = std::max(most, width);
  }
  EXPECT_NEAR(least, 100, 4);                   // sqrt(0.25) of 200
  EXPECT_NEAR(most, 200 * std::sqrt(0.5), 4);
  Picture wide = numbered(2, 100), spare;       // no window of that aspect fits in ten attempts: the middle
  Draws draws = draws_of(0);
  RandomResizedCrop(4, {0.9, 1.0}, {1.0, 1.0}).apply(wide, spare, draws);
  EXPECT_EQ(wide.format(), (PictureFormat{1, 4, 4, false}));
  EXPECT_NEAR(wide.pixels[0], 49, 1);
}

TEST(Transforms, RotationTurnsByAnglesWithinItsRange) {
  std::set<std::vector<uint8_t>> found;
  for (int64_t i = 0; i < 200; ++i) {
    Picture p = numbered(15, 15), spare;
    Draws draws = draws_of(i);
    RandomRotation(20).apply(p, spare, draws);
    EXPECT_EQ(p.pixels[7 * 15 + 7], 7 * 15 + 7);  // the middle stays
    // 20 degrees move the pixel 7 right of the middle by less than 3 rows
    const int row = p.pixels[7 * 15 + 14] / 15;
    EXPECT_LE(std::abs(row - 7), 3);
    found.insert(p.pixels);
  }
  EXPECT_GT(found.size(), 30U);
  Picture still = numbered(4, 4), spare;
  Draws draws = draws_of(0);
  RandomRotation(0).apply(still, spare, draws);
  EXPECT_EQ(still.pixels, numbered(4, 4).pixels);
}

TEST(Transforms, ErasingOverwritesOneRectangle) {
  int erased = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    Picture p, spare;
    p.reset({2, 20, 30, true});
    std::fill(p.values.begin(), p.values.end(), 1.0F);
    Draws draws = draws_of(i);
    RandomErasing({.p = 0.5, .value = -3}).apply(p, spare, draws);
    int64_t top = 99, left = 99, bottom = -1, right = -1, count = 0;
    for (int64_t y = 0; y < 20; ++y)
      for (int64_t x = 0; x < 30; ++x) {
        const float v = p.values[static_cast<size_t>(y * 30 + x)];
        ASSERT_EQ(v, p.values[static_cast<size_t>(600 + y * 30 + x)]);  // the same in all channels
        if (v == 1) continue;
        ASSERT_EQ(v, -3);
        ++count;
        top = std::min(top, y);
        left = std::min(left, x);
        bottom = std::max(bottom, y);
        right = std::max(right, x);
      }
    if (count == 0) continue;
    ++erased;
    ASSERT_EQ(count, (bottom - top + 1) * (right - left + 1));
    EXPECT_GE(count, 600 * 0.02 * 0.6);  // sides are rounded
    EXPECT_LE(count, 600 * 0.33 * 1.2);
  }
  EXPECT_NEAR(erased, 500, 6 * std::sqrt(250.0) + 10);
  Picture p, spare;
  p.reset({1, 20, 20, true});
  std::fill(p.values.begin(), p.values.end(), 100.0F);
  Draws draws = draws_of(3);
  RandomErasing({.p = 1, .scale_low = 0.3, .noise = true}).apply(p, spare, draws);
  std::set<float> noise;
  for (const float v : p.values)
    if (v != 100) noise.insert(v);
  EXPECT_GT(noise.size(), 100U);
}

TEST(Transforms, ColorJitterKeepsWithinItsStrengths) {
  std::set<std::vector<uint8_t>> found;
  for (int64_t i = 0; i < 300; ++i) {
    Picture p = picture_of(1, 2, 3, {100, 100, 100, 50, 50, 50}), spare;
    Draws draws = draws_of(i);
    ColorJitter({.brightness = 0.2}).apply(p, spare, draws);
    ASSERT_GE(p.pixels[0], 80);
    ASSERT_LE(p.pixels[0], 120);
    found.insert(p.pixels);
  }
  EXPECT_GT(found.size(), 30U);
  Picture p = picture_of(1, 1, 3, {10, 200, 90}), spare;
  Draws draws = draws_of(0);
  ColorJitter({}).apply(p, spare, draws);
  EXPECT_EQ(p.pixels, (std::vector<uint8_t>{10, 200, 90}));
}

TEST(Transforms, EqualDrawsGiveEqualPictures) {
  const Compose all(RandomRotation(30, Interpolation::Bilinear), RandomResizedCrop(12), ColorJitter({0.4, 0.4, 0.4, 0.1}), RandomHorizontalFlip(),
                    RandomVerticalFlip(), RandomCrop(12, 2), ToFloat(), Normalize({0.5F}, {0.25F}), RandomErasing({.p = 1, .noise = true}));
  const Picture in = numbered(16, 20, 3);
  EXPECT_EQ(all.format(in), (PictureFormat{3, 12, 12, true}));
  const auto out = [&](int64_t index) {
    Picture p = in, spare;
    Draws draws = draws_of(index);
    all.apply(p, spare, draws);
    return p.values;
  };
  EXPECT_EQ(out(1), out(1));
  EXPECT_NE(out(1), out(2));
}

TEST(Transforms, BadInput) {
  const Picture pixels = numbered(4, 4, 3), floats = as_floats(pixels);
  const auto refuse = [](Error code, const std::string& text, const auto& make) { expect_refused(code, text, [&] { make(); }); };
  refuse(Error::TypeMismatch, "Normalize: takes floats; put it behind ToFloat", [&] { (void)Normalize({0}, {1}).format(pixels); });
  refuse(Error::ShapeMismatch, "Normalize: 2 numbers for pictures of 3 x 4 x 4", [&] { (void)Normalize({0, 0}, {1}).format(floats); });
  refuse(Error::InvalidArgument, "a deviation is 0", [] { Normalize({0}, {0}); });
  refuse(Error::InvalidArgument, "need one number", [] { Normalize({}, {1}); });
  refuse(Error::InvalidArgument, "a mean is not finite", [] { Normalize({NAN}, {1}); });
  refuse(Error::TypeMismatch, "GrayToRgb: takes pixels", [&] { (void)GrayToRgb().format(floats); });
  refuse(Error::ShapeMismatch, "GrayToRgb: a picture has 2 channels", [&] { (void)GrayToRgb().format({2, 4, 4}); });
  refuse(Error::TypeMismatch, "ToFloat: takes pixels (uint8)", [&] { (void)ToFloat().format(floats); });
  refuse(Error::TypeMismatch, "Resize: takes pixels (uint8); put it in front of ToFloat", [&] { (void)Resize(8).format(floats); });
  refuse(Error::TypeMismatch, "RandomResizedCrop: takes pixels", [&] { (void)RandomResizedCrop(8).format(floats); });
  refuse(Error::TypeMismatch, "ColorJitter: takes pixels", [&] { (void)ColorJitter({.hue = 0.1}).format(floats); });
  refuse(Error::TypeMismatch, "RandomErasing: takes floats", [&] { (void)RandomErasing().format(pixels); });
  refuse(Error::ShapeMismatch, "ColorJitter: takes pictures of 1 or 3 channels", [&] { (void)ColorJitter({.hue = 0.1}).format(numbered(2, 2, 2)); });
  refuse(Error::ShapeMismatch, "Resize: a picture of 1 x 1 x 100000 uint8 would become", [] { (void)Resize(8).format({1, 1, 100000, false}); });
  for (const int64_t side : {int64_t{0}, int64_t{-3}, int64_t{1} << 40}) {
    refuse(Error::InvalidArgument, "sides of 1 to 32768", [&] { Resize r(side); });
    refuse(Error::InvalidArgument, "sides of 1 to 32768", [&] { CenterCrop r(side); });
    refuse(Error::InvalidArgument, "sides of 1 to 32768", [&] { RandomCrop r(side); });
    refuse(Error::InvalidArgument, "sides of 1 to 32768", [&] { RandomResizedCrop r(side); });
  }
  refuse(Error::InvalidArgument, "padding", [] { RandomCrop r(4, -1); });
  refuse(Error::InvalidArgument, "probability", [] { RandomHorizontalFlip r(1.5); });
  refuse(Error::InvalidArgument, "probability", [] { RandomVerticalFlip r(NAN); });
  refuse(Error::InvalidArgument, "degrees", [] { RandomRotation r(-1); });
  refuse(Error::InvalidArgument, "strengths", [] { ColorJitter r({.contrast = -1}); });
  refuse(Error::InvalidArgument, "hue is at most 0.5", [] { ColorJitter r({.hue = 0.6}); });
  refuse(Error::InvalidArgument, "scale", [] { RandomErasing r({.scale_low = 0.5, .scale_high = 0.2}); });
  refuse(Error::InvalidArgument, "at most 1", [] { RandomErasing r({.scale_high = 2}); });
  refuse(Error::InvalidArgument, "ratio", [] { RandomResizedCrop r(4, {0.1, 1}, {0, 1}); });
  refuse(Error::InvalidArgument, "null pointer", [&] { (void)Compose(std::vector<TransformPtr>{nullptr}).format(pixels); });
}

// Pictures [1, 4, 6] whose every value is the sample's number; labels are number % 3.
std::shared_ptr<TensorDataset> constant_pictures(int64_t n, int64_t wrong_label = -1) {
  std::vector<float> images;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < n; ++i) {
    images.insert(images.end(), 24, static_cast<float>(i));
    labels.push_back(i == wrong_label ? 3 : i % 3);
  }
  return std::make_shared<TensorDataset>(std::vector<io::NamedArray>{{"image", io::Array::from(images, {n, 1, 4, 6})}, {"label", io::Array::from(labels, {n})}});
}

TEST(Mixing, MixUpIsAConvexSumOfNeighbours) {
  DataLoader loader(constant_pictures(40), {.batch_size = 7, .batch_transforms = {std::make_shared<MixUp>(MixSettings{.classes = 3, .alpha = 0.8})}});
  EXPECT_EQ(fields_text(loader.fields()), "image float32 [1, 4, 6], label float32 [3]");
  std::set<float> shares;
  for (auto& b : loader) {
    const auto images = b["image"].as<float>(), labels = b["label"].as<float>();
    const auto n = static_cast<size_t>(b.size());
    EXPECT_EQ(b["label"].shape, (std::vector<int64_t>{b.size(), 3}));
    const auto number = [&](size_t i) { return static_cast<float>(b.indices()[i]); };
    const float share = n == 1 ? 1 : images[24] - number(0);  // of sample 1 in its own picture: share * (i + 1) + (1 - share) * i
    EXPECT_TRUE(share >= 0 && share <= 1.0001F);
    shares.insert(share);
    for (size_t i = 0; i < n; ++i) {
      const size_t other = i == 0 ? n - 1 : i - 1;
      for (size_t k = 0; k < 24; ++k) EXPECT_NEAR(images[i * 24 + k], share * number(i) + (1 - share) * number(other), 1e-4);
      std::vector<float> target(3);
      target[static_cast<size_t>(b.indices()[i] % 3)] += share;
      target[static_cast<size_t>(b.indices()[other] % 3)] += 1 - share;
      for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(labels[i * 3 + c], target[c], 1e-5);
    }
  }
  EXPECT_EQ(shares.size(), 6U);
}

TEST(Mixing, CutMixPastesOneRectangleAndCountsIt) {
  for (const int workers : {0, 2}) {
    DataLoader loader(constant_pictures(60), {.batch_size = 6, .num_workers = workers, .batch_transforms = {std::make_shared<CutMix>(MixSettings{.classes = 3})}});
    int pasted_batches = 0;
    for (auto& b : loader) {
      const auto images = b["image"].as<float>(), labels = b["label"].as<float>();
      std::vector<bool> pasted(24);
      for (size_t k = 0; k < 24; ++k) pasted[k] = images[24 + k] != static_cast<float>(b.indices()[1]);
      const auto count = std::count(pasted.begin(), pasted.end(), true);
      pasted_batches += count > 0;
      for (size_t i = 0; i < 6; ++i) {
        const size_t other = i == 0 ? 5 : i - 1;
        for (size_t k = 0; k < 24; ++k) EXPECT_EQ(images[i * 24 + k], static_cast<float>(b.indices()[pasted[k] ? other : i]));
        const float share = 1 - static_cast<float>(count) / 24;
        std::vector<float> target(3);
        target[static_cast<size_t>(b.indices()[i] % 3)] += share;
        target[static_cast<size_t>(b.indices()[other] % 3)] += 1 - share;
        for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(labels[i * 3 + c], target[c], 1e-6);
      }
    }
    EXPECT_GT(pasted_batches, 4);
  }
}

TEST(Mixing, BadInput) {
  const auto up = [](MixSettings s) { return std::make_shared<MixUp>(std::move(s)); };
  expect_refused(Error::InvalidArgument, "the number of classes is missing", [&] { up({}); });
  expect_refused(Error::InvalidArgument, "alpha must be positive", [&] { up({.classes = 3, .alpha = 0}); });
  expect_refused(Error::NotFound, "MixUp: there is no field 'picture'; there is image", [&] { DataLoader(constant_pictures(4), {.batch_transforms = {up({.classes = 3, .image = "picture"})}}); });
  expect_refused(Error::TypeMismatch, "cannot be mixed again", [&] { DataLoader(constant_pictures(4), {.batch_transforms = {up({.classes = 3}), up({.classes = 3})}}); });
  expect_refused(Error::TypeMismatch, "floats can be mixed", [&] { DataLoader(constant_pictures(4), {.batch_transforms = {up({.classes = 3, .image = "label"})}}); });
  DataLoader loader(constant_pictures(9, 4), {.batch_size = 3, .batch_transforms = {up({.classes = 3})}});
  ASSERT_NE(loader.next(), nullptr);
  expect_refused(Error::BadData, "MixUp: label 3 of sample 4 is out of range; there are 3 classes", [&] { (void)loader.next(); });
  const auto flat = std::make_shared<TensorDataset>(
      std::vector<io::NamedArray>{{"image", io::Array::from(std::vector<float>(8), {2, 4})}, {"label", io::Array::from(std::vector<int64_t>{0, 1})}});
  expect_refused(Error::ShapeMismatch, "CutMix: takes pictures [channels, height, width]", [&] { DataLoader(flat, {.batch_transforms = {std::make_shared<CutMix>(MixSettings{.classes = 3})}}); });
}

}  // namespace
}  // namespace gf::test
