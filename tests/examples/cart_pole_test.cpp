// The cart-pole of the examples. Expected states: the equations of Barto, Sutton and Anderson (1983) as Gymnasium's CartPole-v1 has them, computed in
// Python's float64.
#include "examples/cart_pole.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>

namespace gf::test {
namespace {

CartPole at(double place, double speed, double angle, double turn) {
  CartPole c;
  c.place = place;
  c.speed = speed;
  c.angle = angle;
  c.turn = turn;
  return c;
}

TEST(CartPole, MovesAsTheEquationsSay) {
  const std::array<std::pair<bool, std::array<double, 4>>, 6> path = {{
      {true, {0.009600000000000001, 0.17467919574755525, 0.0292, -0.3230687179600081}},
      {false, {0.013093583914951107, -0.020846120233304483, 0.02273862564079984, -0.021322189539218106}},
      {false, {0.012676661510285018, -0.21628666139669434, 0.022312181850015475, 0.2784474166567325}},
      {true, {0.00835092828235113, -0.021490000379440544, 0.027881130183150124, -0.007115608467152645}},
      {true, {0.00792112827476232, 0.17322123092863484, 0.027738818013807072, -0.29087295230897875}},
      {true, {0.011385552893335017, 0.36793690049741734, 0.021921358967627497, -0.5746799303435653}},
  }};
  CartPole c = at(0.01, -0.02, 0.03, -0.04);
  for (const auto& [right, want] : path) {
    c.push(right);
    EXPECT_NEAR(c.place, want[0], 1e-14);
    EXPECT_NEAR(c.speed, want[1], 1e-14);
    EXPECT_NEAR(c.angle, want[2], 1e-14);
    EXPECT_NEAR(c.turn, want[3], 1e-14);
  }
  EXPECT_EQ(c.steps, 6);
  EXPECT_FALSE(c.over());
}

TEST(CartPole, EndsWhereGymnasiumsDoes) {
  CartPole falls = at(0, 0, 0, 0);  // pushed to the right all the time: the ninth push is too much
  while (!falls.over()) falls.push(true);
  EXPECT_EQ(falls.steps, 9);
  EXPECT_NEAR(falls.angle, -0.21518604988500967, 1e-14);

  CartPole leaves = at(2.39, 1, 0, 0);
  EXPECT_FALSE(leaves.over());
  leaves.push(true);
  EXPECT_NEAR(leaves.place, 2.41, 1e-14);
  EXPECT_TRUE(leaves.fallen());

  CartPole lasts = at(0, 0, 0, 0);
  lasts.steps = 499;
  EXPECT_FALSE(lasts.over());
  lasts.push(true);
  EXPECT_TRUE(lasts.over());
  EXPECT_FALSE(lasts.fallen());
}

TEST(CartPole, StartsCloseToTheMiddle) {
  std::mt19937_64 random(3);
  double low = 1, high = -1;
  for (int i = 0; i < 1000; ++i) {
    CartPole c;
    c.start(random);
    for (const double v : {c.place, c.speed, c.angle, c.turn}) {
      low = std::min(low, v);
      high = std::max(high, v);
    }
  }
  EXPECT_GE(low, -0.05);
  EXPECT_LT(low, -0.049);
  EXPECT_LT(high, 0.05);
  EXPECT_GT(high, 0.049);
}

}  // namespace
}  // namespace gf::test
