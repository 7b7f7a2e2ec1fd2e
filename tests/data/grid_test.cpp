// Grids of pictures. Places and levels are those of torchvision.utils: make_grid puts picture n at row n / columns, column n % columns with `padding`
// pixels in front of each and behind the last; save_image writes floor(clamp(255 x + 0.5, 0, 255)).
#include "trainer/data/grid.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/expect_refused.h"
#include "tests/support/test_data.h"

namespace gf::test {
namespace {

using namespace data;

TEST(PictureGrid, PutsPicturesInRows) {
  const io::Array three = io::Array::from<float>({0, 1, 0.5F, 2, 0.25F, -1, 0.002F, 0.001F, 1, 1, 1, std::numeric_limits<float>::quiet_NaN()}, {3, 1, 2, 2});
  const io::Image grid = picture_grid(three, {.columns = 2, .padding = 1});
  EXPECT_EQ(grid.width, 7);
  EXPECT_EQ(grid.height, 7);
  EXPECT_EQ(grid.channels, 1);
  const std::vector<uint8_t> want = {0, 0,   0,   0, 0,  0, 0,  //
                                     0, 0,   255, 0, 64, 0, 0,  //
                                     0, 128, 255, 0, 1,  0, 0,  //
                                     0, 0,   0,   0, 0,  0, 0,  //
                                     0, 255, 255, 0, 0,  0, 0,  //
                                     0, 255, 0,   0, 0,  0, 0,  //
                                     0, 0,   0,   0, 0,  0, 0};
  EXPECT_EQ(grid.pixels, want);
}

TEST(PictureGrid, WritesColoursAsPng) {
  const TempFolder folder;
  const std::string file = (folder.path() / "grid.png").string();
  write_picture_grid(file, Tensor::from<float>({-1, 1, 0, -1, 1, 1}, {1, 3, 1, 2}), {.padding = 0, .low = -1});
  const io::Image back = io::read_image(file);
  EXPECT_EQ(back.width, 2);
  EXPECT_EQ(back.height, 1);
  EXPECT_EQ(back.pixels, (std::vector<uint8_t>{0, 128, 255, 255, 0, 255}));
}

TEST(PictureGrid, RefusesWhatItCannotDraw) {
  const auto refused = [](const io::Array& a, const GridSettings& s, Error code) {
    expect_refused(code, "picture_grid", [&] { (void)picture_grid(a, s); });
  };
  const io::Array one = io::Array::from<float>({0, 0}, {1, 1, 1, 2});
  refused(io::Array::from<int64_t>({0}, {1, 1, 1, 1}), {}, Error::TypeMismatch);
  refused(io::Array::from<float>({0, 0}, {1, 2, 1, 1}), {}, Error::ShapeMismatch);
  refused(io::Array::from<float>({0, 0}, {2, 1}), {}, Error::ShapeMismatch);
  refused(io::Array::from(std::vector<float>{}, {0, 1, 2, 2}), {}, Error::ShapeMismatch);
  refused(one, {.columns = 0}, Error::InvalidArgument);
  refused(one, {.padding = -1}, Error::InvalidArgument);
  refused(one, {.low = 1, .high = 1}, Error::InvalidArgument);
}

}  // namespace
}  // namespace gf::test
