// The epilogue of a build with few activations (ACTIVATIONS of ghostflow_add_runtime): the formulas of those that stay, and a
// refusal that says what to do for the rest. The names are changed so that the kernels of this program keep theirs.
#define GF_ACTIVATIONS 0x202  // Relu and Gelu
#define kBuiltActivations kFewActivations
#define kActivationLeftOut kFewLeftOut
#define built_activation few_activation
#define built_activate few_activate
#define prepare_epilogue prepare_few
#define Epilogue FewEpilogue
#include "ops/cpu/epilogue.h"

#include <gtest/gtest.h>

#include <cstring>

namespace gf::test {
namespace {

struct Attrs {
  Activation activation = Activation::None;
};

TEST(BuiltActivations, ThoseThatStayComputeTheOthersAreRefused) {
  for (int value = 0; value <= kLastActivation; ++value) {
    const auto f = static_cast<Activation>(value);
    const bool built = f == Activation::None || f == Activation::Relu || f == Activation::Gelu;
    const Attrs attrs{f};
    NodeView node;
    node.attrs = &attrs;
    KernelPlan plan;
    EXPECT_EQ(cpu::prepare_few<Attrs>(node, plan), built ? Error::Ok : Error::Unsupported) << value;
    if (!built) {
      EXPECT_NE(std::strstr(plan.refused, "ACTIVATIONS of ghostflow_add_runtime"), nullptr) << plan.refused;
      continue;
    }
    for (double x : {-2.0, -0.5, 0.0, 0.5, 3.0}) EXPECT_EQ(cpu::few_activate(f, x, 0.0, 0.0), activate(f, x, 0.0, 0.0)) << value << " " << x;
  }
  EXPECT_EQ(cpu::few_activate(Activation::Relu, -2.0, 0.0, 0.0), 0.0);
}

}  // namespace
}  // namespace gf::test
