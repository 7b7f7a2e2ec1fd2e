// Every op has a gradient rule that some test of this group checked, or a reason for none; those still without are listed here.
#include <algorithm>

#include "tests/trainer/gradcheck_support.h"

namespace gf::test {
namespace {

// Ops whose rule is not written yet. Only ever shorter.
const std::set<std::string> kPending = {};

TEST(GradientCoverage, PendingOpsAreTheListedOnes) {
  std::set<std::string> pending;
  std::string text;
  int rules = 0, reasons = 0;
  for (const OpDef* op : AllOps::kRows) {
    if (std::string_view(op->gradient) == "pending") {
      pending.insert(op->info.name);
      text += std::string(" ") + op->info.name;
    } else {
      ++(std::string_view(op->gradient) == "rule" ? rules : reasons);
    }
  }
  std::printf("gradients: %d rules, %d reasons for none, %zu pending:%s\n", rules, reasons, pending.size(), text.c_str());
  EXPECT_EQ(pending, kPending);
}

TEST(GradientCoverage, ARuleIsARuleOrAnExpansion) {
  for (size_t k = 0; k < AllOps::kCount; ++k) {
    const OpGradient& own = *GradientsOf<AllOps>::kRows[k];
    const OpRules& rules = *RulesOf<AllOps>::kRows[k];
    ASSERT_EQ(own.op, rules.op);
    const bool says = std::string_view(own.op->gradient) == "rule";
    if ((own.op->info.flags & kOpControlFlow) != 0) continue;  // autodiff knows them itself
    EXPECT_EQ(says, own.grad != nullptr || (says && (rules.expand != nullptr || own.formula.expand != nullptr))) << own.op->info.name;
  }
}

// Runs last in this group: a rule that no gradient check reached fails here.
TEST(GradientCoverage, EveryRuleWasChecked) {
  const auto* all = testing::UnitTest::GetInstance();
  if (all->test_to_run_count() != all->total_test_count()) GTEST_SKIP() << "other tests of this group were filtered out";
  for (const OpDef* op : AllOps::kRows)
    if (std::string_view(op->gradient) == "rule") {
      EXPECT_TRUE(checked_ops().contains(op->info.name)) << op->info.name << " has a gradient rule and no gradient check";
    }
}

}  // namespace
}  // namespace gf::test
