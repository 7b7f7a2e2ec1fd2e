// A pole stands on a cart that is pushed left or right: the equations of Barto, Sutton and Anderson (1983) with the constants, the start and the end of
// Gymnasium's CartPole-v1. A plain value.
#pragma once

#include <cmath>
#include <random>

struct CartPole {
  static constexpr double kGravity = 9.8, kCartMass = 1.0, kPoleMass = 0.1, kHalfLength = 0.5, kForce = 10.0, kSeconds = 0.02;
  static constexpr double kFarthest = 2.4, kSteepest = 12 * 2 * 3.14159265358979323846 / 360;
  static constexpr int kMostSteps = 500;

  double place = 0, speed = 0, angle = 0, turn = 0;  ///< metres, radians, from the middle and upright; and their changes in a second
  int steps = 0;

  /// Everything close to 0.
  void start(std::mt19937_64& random) {
    for (double* v : {&place, &speed, &angle, &turn}) *v = (static_cast<double>(random() >> 11) * 0x1p-53 - 0.5) * 0.1;
    steps = 0;
  }
  /// A push to the right or to the left for kSeconds; each one counts as a point. Euler's method.
  void push(bool right) {
    constexpr double kMass = kCartMass + kPoleMass, kMoment = kPoleMass * kHalfLength;
    const double force = right ? kForce : -kForce, cos = std::cos(angle), sin = std::sin(angle);
    const double pull = (force + kMoment * turn * turn * sin) / kMass;
    const double turning = (kGravity * sin - cos * pull) / (kHalfLength * (4.0 / 3.0 - kPoleMass * cos * cos / kMass));
    const double speeding = pull - kMoment * turning * cos / kMass;
    place += kSeconds * speed;
    speed += kSeconds * speeding;
    angle += kSeconds * turn;
    turn += kSeconds * turning;
    ++steps;
  }
  bool fallen() const { return std::abs(place) > kFarthest || std::abs(angle) > kSteepest; }
  bool over() const { return fallen() || steps >= kMostSteps; }
};
