// The optional component `converter`: ONNX in, .gf in memory, run.
#include <ghostflow/convert.h>
#include <ghostflow/model.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  gf::Model model = gf::Model::from_bytes(gf::onnx_to_gf(argv[1], {.dims = {{"N", {1, 4}}}, .metadata = {{"licence", "mine"}}}));
  const int64_t two[] = {2, 1, 28, 28};
  model.set_shape("image", two);
  model.run();
  std::printf("%zu %.4s\n", model.output<float>("probabilities").size(), model.program().metadata("licence").data());
}
