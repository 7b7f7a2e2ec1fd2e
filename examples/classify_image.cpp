// What is in a picture? How a PNG or JPEG becomes numbers, and what the classes are called, stand in the model's metadata.
#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "runtime/include/ghostflow/model.h"
#include "io/image.h"

namespace {

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> out;
  for (size_t end = 0; !text.empty(); text.remove_prefix(std::min(end + 1, text.size()))) {
    end = std::min(text.find('\n'), text.size());
    out.emplace_back(text.substr(0, end));
  }
  return out;
}

int classify(const char* model_path, const char* picture_path) {
  gf::Model model = gf::Model::load(model_path);
  const gf::Program& program = model.program();
  gf::Session& session = model.session();

  gf::io::ImageOptions options = gf::io::parse_image_options(program.metadata("image"));
  gf::io::Image picture = gf::io::read_image(picture_path);
  const gf::TensorView input = session.input(0);
  const int channels_axis = options.layout == gf::io::ImageOptions::Layout::Nchw ? 1 : 3;
  if (input.shape[channels_axis] == 1) options.channels = gf::io::ImageOptions::Channels::Gray;
  const gf::io::Array pixels = gf::io::image_to_array(picture, options);
  if (pixels.count() != input.count() || input.dtype != gf::DType::F32) {
    std::fprintf(stderr, "the model wants %lld numbers, the picture gives %lld; see its metadata 'image'\n",
                 static_cast<long long>(input.count()), static_cast<long long>(pixels.count()));
    return 1;
  }
  std::copy(pixels.data.begin(), pixels.data.end(), input.as<std::byte>());

  gf::ErrorDetail detail;
  if (session.run(&detail) != gf::Error::Ok) {
    std::fprintf(stderr, "%s\n", detail.text);
    return 1;
  }
  const gf::TensorView output = session.output(0);
  const auto* scores = output.as<const float>();
  std::vector<int> order(static_cast<size_t>(output.count()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return scores[a] > scores[b]; });
  const std::vector<std::string> labels = lines(program.metadata("labels"));
  for (size_t i = 0; i < std::min<size_t>(3, order.size()); ++i) {
    const auto which = static_cast<size_t>(order[i]);
    std::printf("%s %.3f\n", which < labels.size() ? labels[which].c_str() : std::to_string(which).c_str(),
                static_cast<double>(scores[which]));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: classify_image MODEL.gf PICTURE.png|jpg\n", stderr);
    return 2;
  }
  try {
    return classify(argv[1], argv[2]);
  } catch (const gf::Exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
