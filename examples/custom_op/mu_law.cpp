// An op of one's own in C++: mu-law companding of audio samples (ITU-T G.711), y = sign(x) ln(1 + mu |x|) / ln(1 + mu).
// Usage: example_custom_op mu_law.onnx mu_law.gf SAMPLE...   converts the model, keeps the .gf (mu_law.c runs it too), prints the answers.
#include <ghostflow/convert.h>
#include <ghostflow/custom_op.h>
#include <ghostflow/model.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace {

// The op: what files hold of it (name, numbered attributes) and which shapes come out. Names and numbers are forever.
struct MuLaw {
  static constexpr gf::OpInfo info{.id = gf::kFirstCustomOpId, .name = "example.mu_law"};
  struct Attrs {
    float mu = 255;
  };
  static constexpr gf::AttrField fields[] = {gf::field<&Attrs::mu>(1, "mu")};
  static gf::Error infer(gf::InferContext& c, const Attrs& a) {
    if (c.dtype(0) != gf::DType::F32) return c.fail(gf::Error::TypeMismatch, "samples must be float32");
    if (!(a.mu > 0)) return c.fail(gf::Error::BadAttribute, "mu must be above 0");
    return c.set(0, c.dtype(0), c.shape(0));
  }
  static constexpr gf::NoGradient grad{"an example"};
};

// A kernel for it. prepare accepts or refuses (and may ask for scratch); run computes, without heap.
gf::Error prepare(const gf::NodeView&, gf::KernelPlan& plan) {
  plan.inplace_inputs = 1;  // element by element: the output may lie where the input lay
  return gf::Error::Ok;
}
gf::Error run(gf::RunContext& c) {
  const float mu = c.attributes<MuLaw::Attrs>().mu, scale = 1 / std::log1p(mu);
  const auto* x = c.input(0).as<const float>();
  auto* y = c.output(0).as<float>();
  for (int64_t i = 0; i < c.input(0).count(); ++i) y[i] = std::copysign(std::log1p(mu * std::fabs(x[i])) * scale, x[i]);
  return gf::Error::Ok;
}
constexpr gf::Kernel kKernel{.op = MuLaw::info.id, .name = "mu_law_f32", .rank = 10, .prepare = prepare, .run = run};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fprintf(stderr, "usage: %s mu_law.onnx mu_law.gf SAMPLE...\n", argv[0]), 2;
  try {
    gf::OnnxToGfOptions onnx;
    onnx.dims["N"] = {1, 1024};
    onnx.custom_ops = {&gf::op_def<MuLaw>};
    const auto bytes = gf::onnx_to_gf(argv[1], onnx);
    std::ofstream(argv[2], std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));

    gf::ModelOptions options;
    options.custom_ops = {&gf::op_def<MuLaw>};
    options.custom_kernels = {&kKernel};
    gf::Model model = gf::Model::load(argv[2], options);
    const int64_t count[] = {argc - 3};
    model.set_shape("samples", count);
    int at = 3;
    for (float& x : model.input<float>("samples")) x = std::strtof(argv[at++], nullptr);
    model.run();
    for (const float y : model.output<float>("compressed")) std::printf("%.6f\n", static_cast<double>(y));
  } catch (const gf::Exception& e) {
    return std::fprintf(stderr, "%s\n", e.what()), 1;
  }
  return 0;
}
