// Wrong attributes, shapes and data of matrix products, convolutions, pools, recurrent cells and attention: each is an
// error that says what is wrong.
#include "tests/ops/op_test_util.h"

namespace gf::test {
namespace {

HostTensor zeros(std::vector<int64_t> shape, DType dtype = DType::F32) {
  return HostTensor::zeros(dtype, std::move(shape));
}
using Ints = std::vector<int64_t>;

TEST(NnErrors, MatMul) {
  expect_error<op::MatMul>(Error::ShapeMismatch, "inner dimensions differ: 3 columns on the left, 4 rows",
                           {zeros({2, 3}), zeros({4, 5})});
  expect_error<op::MatMul>(Error::ShapeMismatch, "scalars", {zeros({}), zeros({4, 5})});
  expect_error<op::MatMul>(Error::ShapeMismatch, "broadcast", {zeros({2, 3, 4}), zeros({3, 4, 5})});
  expect_error<op::MatMul>(Error::TypeMismatch, "", {zeros({2, 3}), zeros({3, 5}, DType::F64)});
  expect_error<op::MatMul>(Error::ShapeMismatch, "bias", {zeros({2, 3}), zeros({3, 5}), zeros({4})});
  expect_error<op::MatMul>(Error::ShapeMismatch, "residual",
                           {zeros({2, 3}), zeros({3, 5}), std::nullopt, zeros({2, 4})});
  expect_error<op::MatMul>(Error::BadAttribute, "activation", {zeros({2, 3}), zeros({3, 5})}, {{"activation", 12}});
  expect_error<op::MatMul>(Error::BadAttribute, "empty", {zeros({2, 3}), zeros({3, 5})},
                           {{"activation", 2}, {"activation_a", 1.0}, {"activation_b", 0.0}});
  expect_error<op::MatMul>(Error::TypeMismatch, "float type", {zeros({2, 3}, DType::I32), zeros({3, 5}, DType::I32)},
                           {{"alpha", 2.0}});
}

TEST(NnErrors, Conv) {
  const HostInputs good{zeros({1, 5, 5, 4}), zeros({6, 4, 3, 3})};
  expect_error<op::Conv>(Error::BadAttribute, "strides has an entry of 0", good, {{"strides", Ints{0, 1}}});
  expect_error<op::Conv>(Error::BadAttribute, "strides has 1 entries, expected 2", good, {{"strides", Ints{1}}});
  expect_error<op::Conv>(Error::BadAttribute, "dilations has an entry of 0", good, {{"dilations", Ints{1, 0}}});
  expect_error<op::Conv>(Error::BadAttribute, "pads has 2 entries, expected 4", good, {{"pads", Ints{1, 1}}});
  expect_error<op::Conv>(Error::BadAttribute, "pads has an entry of -1", good, {{"pads", Ints{-1, 0, 0, 0}}});
  expect_error<op::Conv>(Error::BadAttribute, "groups", good, {{"groups", 0}});
  expect_error<op::Conv>(Error::ShapeMismatch, "groups", good, {{"groups", 3}});
  expect_error<op::Conv>(Error::ShapeMismatch, "larger than the padded input",
                         {zeros({1, 2, 5, 4}), zeros({6, 4, 3, 3})});
  expect_error<op::Conv>(Error::ShapeMismatch, "rank", {zeros({1, 5, 4}), zeros({6, 4, 3, 3})});
  expect_error<op::Conv>(Error::ShapeMismatch, "do not divide", {zeros({1, 5, 5, 4}), zeros({5, 2, 3, 3})},
                         {{"groups", 2}});
  expect_error<op::Conv>(Error::ShapeMismatch, "bias", {good[0], good[1], zeros({5})});
  expect_error<op::Conv>(Error::ShapeMismatch, "kernel is empty", {zeros({1, 5, 5, 4}), zeros({6, 4, 0, 3})});
  expect_error<op::Conv>(Error::BadAttribute, "dilations", good, {{"dilations", Ints{int64_t{1} << 40, 1}}});
  expect_error<op::Conv>(Error::ShapeMismatch, "larger than the padded input", good,
                         {{"dilations", Ints{int64_t{1} << 30, 1}}});
}

TEST(NnErrors, ConvTranspose) {
  const HostInputs good{zeros({1, 3, 3, 4}), zeros({4, 2, 3, 3})};
  expect_error<op::ConvTranspose>(Error::ShapeMismatch, "channels of x", {good[0], zeros({3, 2, 3, 3})});
  expect_error<op::ConvTranspose>(Error::ShapeMismatch, "negative", good, {{"pads", Ints{4, 4, 2, 0}}});
  expect_error<op::ConvTranspose>(Error::BadAttribute, "output_padding", good, {{"output_padding", Ints{1}}});
  expect_error<op::ConvTranspose>(Error::BadAttribute, "output_shape", good, {{"output_shape", Ints{0, 5}}});
  expect_error<op::ConvTranspose>(Error::ShapeMismatch, "do not divide", good, {{"groups", 3}});
}

TEST(NnErrors, Pools) {
  const HostInputs image{zeros({1, 5, 5, 2})};
  expect_error<op::MaxPool>(Error::BadAttribute, "kernel is missing", image);
  expect_error<op::MaxPool>(Error::BadAttribute, "kernel has an entry of 0", image, {{"kernel", Ints{0, 2}}});
  expect_error<op::MaxPoolGrad>(Error::ShapeMismatch, "the shape of the pooled image", {image[0], zeros({1, 1, 1, 1})}, {{"kernel", Ints{2, 2}}});
  expect_error<op::MaxPool>(Error::ShapeMismatch, "larger than the padded input", image, {{"kernel", Ints{6, 2}}});
  expect_error<op::AveragePool>(Error::BadAttribute, "kernel has 3 entries", image, {{"kernel", Ints{1, 1, 1}}});
  expect_error<op::AveragePool>(Error::ShapeMismatch, "rank", {zeros({4, 4})}, {{"kernel", Ints{2}}});
  expect_error<op::LpPool>(Error::BadAttribute, "p", image, {{"kernel", Ints{2, 2}}, {"p", 0}});
  const Attributes two{{"kernel", Ints{2, 2}}, {"strides", Ints{2, 2}}};
  expect_error<op::MaxUnpool>(Error::IndexOutOfRange, "index 16 is outside the 16 elements",
                              {zeros({1, 2, 2, 1}), i64({1, 2, 2, 1}, {0, 3, 5, 16})}, two);
  expect_error<op::MaxUnpool>(Error::IndexOutOfRange, "index -1",
                              {zeros({1, 2, 2, 1}), i64({1, 2, 2, 1}, {0, 3, 5, -1})}, two);
  expect_error<op::MaxUnpool>(Error::ShapeMismatch, "at least 4",
                              {zeros({1, 2, 2, 1}), i64({1, 2, 2, 1}, {0, 3, 5, 6}), i64({4}, {1, 1, 3, 4})}, two);
}

TEST(NnErrors, Recurrent) {
  const HostInputs good{zeros({3, 2, 4}), zeros({1, 20, 4}), zeros({1, 20, 5})};
  expect_error<op::Lstm>(Error::BadAttribute, "hidden", good);
  expect_error<op::Lstm>(Error::ShapeMismatch, "r is not", {good[0], good[1], zeros({1, 20, 4})}, {{"hidden", 5}});
  expect_error<op::Lstm>(Error::ShapeMismatch, "w is not", good, {{"hidden", 5}, {"direction", 2}});
  expect_error<op::Lstm>(Error::BadAttribute, "2 activations, expected 3", good,
                         {{"hidden", 5}, {"activations", Ints{0, 1}}});
  expect_error<op::Lstm>(Error::BadAttribute, "activation 11", good, {{"hidden", 5}, {"activations", Ints{0, 1, 11}}});
  expect_error<op::Lstm>(Error::BadAttribute, "clip", good, {{"hidden", 5}, {"clip", -1.0}});
  const HostTensor lengths = tensor<int64_t>(DType::I32, {2}, {3, 4});
  expect_error<op::Lstm>(Error::BadData, "sequence length 4 of entry 1 is outside [0, 3]",
                         {good[0], good[1], good[2], std::nullopt, lengths}, {{"hidden", 5}});
}

TEST(NnErrors, Attention) {
  const HostTensor q = zeros({1, 4, 3, 8}), k = zeros({1, 2, 5, 8});
  expect_error<op::Attention>(Error::ShapeMismatch, "no multiple", {zeros({1, 3, 3, 8}), k, k});
  expect_error<op::Attention>(Error::ShapeMismatch, "last axis", {zeros({1, 4, 3, 6}), k, k});
  expect_error<op::Attention>(Error::ShapeMismatch, "length", {q, k, zeros({1, 2, 4, 8})});
  expect_error<op::Attention>(Error::ShapeMismatch, "mask", {q, k, k, zeros({3, 4})});
  expect_error<op::Attention>(Error::ShapeMismatch, "axis 0 of the mask is 0", {q, k, k, zeros({0, 5})});  // nothing to read there
  expect_error<op::Attention>(Error::BadAttribute, "softcap", {q, k, k}, {{"softcap", -1.0}});
  expect_error<op::Attention>(Error::BadAttribute, "left_window", {q, k, k}, {{"left_window", -2}});
  const HostTensor cache = zeros({9, 4});
  expect_error<op::RotaryEmbedding>(Error::IndexOutOfRange, "9", {q, cache, cache, i64({1, 3}, {0, 9, 1})});
  expect_error<op::RotaryEmbedding>(Error::ShapeMismatch, "half",
                                    {q, zeros({9, 5}), zeros({9, 5}), i64({1, 3}, {0, 1, 1})});
  expect_error<op::RotaryEmbedding>(Error::ShapeMismatch, "rank", {q, cache, cache});
}

}  // namespace
}  // namespace gf::test
