// ONNX's words for our enumerations: attributes that importer and exporter both spell.
#pragma once

#include <string>
#include <string_view>

#include "schema/ops.h"

namespace gf::onnx {

template <class E>
struct Word {
  const char* text;
  E value;
};

inline constexpr Word<ResizeMode> kResizeModes[] = {
    {"nearest", ResizeMode::Nearest}, {"linear", ResizeMode::Linear}, {"cubic", ResizeMode::Cubic}};
inline constexpr Word<ResizeCoordinates> kResizeCoordinates[] = {
    {"half_pixel", ResizeCoordinates::HalfPixel},
    {"half_pixel_symmetric", ResizeCoordinates::HalfPixelSymmetric},
    {"pytorch_half_pixel", ResizeCoordinates::PytorchHalfPixel},
    {"align_corners", ResizeCoordinates::AlignCorners},
    {"asymmetric", ResizeCoordinates::Asymmetric},
    {"tf_crop_and_resize", ResizeCoordinates::TfCropAndResize},
    {"tf_half_pixel_for_nn", ResizeCoordinates::TfHalfPixelForNn}};
inline constexpr Word<ResizeNearest> kResizeNearest[] = {{"round_prefer_floor", ResizeNearest::RoundPreferFloor},
                                                         {"round_prefer_ceil", ResizeNearest::RoundPreferCeil},
                                                         {"floor", ResizeNearest::Floor},
                                                         {"ceil", ResizeNearest::Ceil}};
inline constexpr Word<ResizeAspect> kResizeAspects[] = {
    {"stretch", ResizeAspect::Stretch}, {"not_larger", ResizeAspect::NotLarger}, {"not_smaller", ResizeAspect::NotSmaller}};
inline constexpr Word<PadMode> kPadModes[] = {
    {"constant", PadMode::Constant}, {"reflect", PadMode::Reflect}, {"edge", PadMode::Edge}, {"wrap", PadMode::Wrap}};
inline constexpr Word<GridPadding> kGridPaddings[] = {
    {"zeros", GridPadding::Zeros}, {"border", GridPadding::Border}, {"reflection", GridPadding::Reflection}};
inline constexpr Word<ScatterReduction> kScatterReductions[] = {{"none", ScatterReduction::None},
                                                                {"add", ScatterReduction::Add},
                                                                {"mul", ScatterReduction::Mul},
                                                                {"max", ScatterReduction::Max},
                                                                {"min", ScatterReduction::Min}};
inline constexpr Word<Reduction> kLossReductions[] = {
    {"none", Reduction::None}, {"sum", Reduction::Sum}, {"mean", Reduction::Mean}};
inline constexpr Word<DepthOrder> kDepthOrders[] = {{"DCR", DepthOrder::BlockFirst}, {"CRD", DepthOrder::ChannelFirst}};
inline constexpr Word<op::BitShift::Direction> kShiftDirections[] = {{"LEFT", op::BitShift::Direction::Left},
                                                                     {"RIGHT", op::BitShift::Direction::Right}};
inline constexpr Word<op::Cast::RoundMode> kRoundModes[] = {{"up", op::Cast::RoundMode::Up},
                                                            {"down", op::Cast::RoundMode::Down},
                                                            {"nearest", op::Cast::RoundMode::Nearest}};

inline constexpr Word<LinearAttentionRule> kLinearAttentionRules[] = {{"linear", LinearAttentionRule::Linear},
                                                                      {"gated", LinearAttentionRule::Gated},
                                                                      {"delta", LinearAttentionRule::Delta},
                                                                      {"gated_delta", LinearAttentionRule::GatedDelta}};

/// A cell activation as ONNX spells it, whether it takes alpha and beta, and their defaults.
struct CellActivationName {
  const char* name;
  CellActivation number;
  bool has_alpha, has_beta;
  float alpha, beta;
};
inline constexpr CellActivationName kCellActivations[] = {
    {"Sigmoid", CellActivation::Sigmoid, false, false, 0, 0},
    {"Tanh", CellActivation::Tanh, false, false, 0, 0},
    {"Relu", CellActivation::Relu, false, false, 0, 0},
    {"Affine", CellActivation::Affine, true, true, 1, 0},
    {"LeakyRelu", CellActivation::LeakyRelu, true, false, 0.01f, 0},
    {"ThresholdedRelu", CellActivation::ThresholdedRelu, true, false, 1, 0},
    {"ScaledTanh", CellActivation::ScaledTanh, true, true, 1, 1},
    {"HardSigmoid", CellActivation::HardSigmoid, true, true, 0.2f, 0.5f},
    {"Elu", CellActivation::Elu, true, false, 1, 0},
    {"Softsign", CellActivation::Softsign, false, false, 0, 0},
    {"Softplus", CellActivation::Softplus, false, false, 0, 0},
};

/// The value that `text` names; nullptr when none does.
template <class E, size_t N>
const E* value_of(const Word<E> (&words)[N], std::string_view text) {
  for (const Word<E>& w : words)
    if (text == w.text) return &w.value;
  return nullptr;
}
template <class E, size_t N>
std::string word_of(const Word<E> (&words)[N], E value) {
  for (const Word<E>& w : words)
    if (w.value == value) return w.text;
  return {};
}
/// "a, b or c".
template <class E, size_t N>
std::string all_words(const Word<E> (&words)[N]) {
  std::string out;
  for (size_t i = 0; i < N; ++i) out += std::string(i == 0 ? "" : i + 1 == N ? " or " : ", ") + words[i].text;
  return out;
}

}  // namespace gf::onnx
