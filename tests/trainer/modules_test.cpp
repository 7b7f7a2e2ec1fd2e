// Layers against PyTorch in float64 (data/modules.json, made by make_module_goldens.py), in float32: values, gradients by inputs and by
// parameters, buffers afterwards.
#include <cmath>

#include "tests/support/expect_refused.h"
#include "tests/trainer/golden_cases.h"
#include "trainer/nn/attention.h"
#include "trainer/nn/blocks.h"
#include "trainer/nn/init.h"
#include "trainer/nn/positions.h"
#include "trainer/nn/recurrent.h"
#include "trainer/nn/resample.h"
#include "trainer/tensor/functions_maths.h"

namespace gf::test {
namespace {

using namespace nn;
using std::make_shared;
using Makes = std::map<std::string, std::function<Made()>>;

/// A function of "x" that has no parameters.
template <class F>
std::function<Made()> of_x(F f) {
  return [f] { return Made(make_shared<Identity>(), [f](Tensors& t) { return f(t.at("x")); }); };
}

const Makes& convolutions() {
  static const Makes makes = {
      {"conv1d", [] { return make_shared<Conv1d>(4, 6, 3, Conv1dOptions{.stride = 2, .padding = 1, .dilation = 2, .groups = 2}); }},
      {"conv3d", [] { return make_shared<Conv3d>(2, 3, Triple(2, 1, 3), Conv3dOptions{.stride = {1, 2, 1}, .padding = {1, 0, 1}}); }},
      {"conv2d_reflect", [] { return make_shared<Conv2d>(4, 2, 3, Conv2dOptions{.padding = {1, 2}, .bias = false, .padding_mode = PadMode::Reflect}); }},
      {"conv2d_replicate", [] { return make_shared<Conv2d>(4, 2, 3, Conv2dOptions{.padding = {1, 2}, .bias = false, .padding_mode = PadMode::Edge}); }},
      {"conv2d_circular", [] { return make_shared<Conv2d>(4, 2, 3, Conv2dOptions{.padding = {1, 2}, .bias = false, .padding_mode = PadMode::Wrap}); }},
      {"conv1d_circular", [] { return make_shared<Conv1d>(4, 2, 3, Conv1dOptions{.padding = 2, .padding_mode = PadMode::Wrap}); }},
      {"conv_transpose1d", [] { return make_shared<ConvTranspose1d>(4, 6, 3, ConvTransposeOptions<int64_t>{.stride = 2, .padding = 1, .output_padding = 1, .groups = 2, .dilation = 2}); }},
      {"conv_transpose2d", [] { return make_shared<ConvTranspose2d>(4, 3, Pair(3, 2), ConvTransposeOptions<Pair>{.stride = {2, 1}, .padding = {1, 0}, .output_padding = {1, 0}}); }},
      {"conv_transpose2d_depthwise", [] { return make_shared<ConvTranspose2d>(4, 4, 2, ConvTransposeOptions<Pair>{.stride = 2, .groups = 4, .bias = false}); }},
      {"conv_transpose3d", [] { return make_shared<ConvTranspose3d>(2, 2, 2, ConvTransposeOptions<Triple>{.stride = {2, 1, 2}}); }},
  };
  return makes;
}

const Makes& pools() {
  static const Makes makes = {
      {"max_pool1d", [] { return make_shared<MaxPool1d>(3, PoolOptions<int64_t>{.stride = 2, .padding = 1}); }},
      {"max_pool2d_ceil", [] { return make_shared<MaxPool2d>(3, PoolOptions<Pair>{.stride = 2, .ceil_mode = true}); }},
      {"max_pool2d_dilated", [] { return make_shared<MaxPool2d>(2, PoolOptions<Pair>{.stride = 1, .padding = 1, .dilation = {2, 3}}); }},
      {"max_pool3d", [] { return make_shared<MaxPool3d>(Triple(2, 3, 2), PoolOptions<Triple>{.stride = Triple(2, 1, 1)}); }},
      {"avg_pool1d", [] { return make_shared<AvgPool1d>(3, PoolOptions<int64_t>{.stride = 2, .padding = 1}); }},
      {"avg_pool2d_ceil", [] { return make_shared<AvgPool2d>(3, PoolOptions<Pair>{.stride = 2, .padding = 1, .ceil_mode = true}); }},
      {"avg_pool2d_no_pad", [] { return make_shared<AvgPool2d>(3, PoolOptions<Pair>{.stride = 2, .padding = 1, .count_include_pad = false}); }},
      {"avg_pool3d", [] { return make_shared<AvgPool3d>(2, PoolOptions<Triple>{.stride = Triple(1, 2, 1)}); }},
      {"lp_pool1d", [] { return make_shared<LPPool1d>(2, 3, 2); }},
      {"lp_pool2d", [] { return make_shared<LPPool2d>(3, 2); }},
      {"adaptive_avg_pool1d", [] { return make_shared<AdaptiveAvgPool1d>(3); }},
      {"adaptive_avg_pool2d", [] { return make_shared<AdaptiveAvgPool2d>(Pair(2, 3)); }},
      {"adaptive_avg_pool3d", [] { return make_shared<AdaptiveAvgPool3d>(Triple(2, 3, 2)); }},
      {"adaptive_max_pool1d", [] { return make_shared<AdaptiveMaxPool1d>(3); }},
      {"adaptive_max_pool2d", [] { return make_shared<AdaptiveMaxPool2d>(Pair(2, 3)); }},
      {"adaptive_max_pool3d", [] { return make_shared<AdaptiveMaxPool3d>(Triple(2, 3, 2)); }},
      {"adaptive_avg_pool2d_even", [] { return make_shared<AdaptiveAvgPool2d>(Pair(2, 3)); }},
      {"adaptive_max_pool2d_even", [] { return make_shared<AdaptiveMaxPool2d>(Pair(2, 3)); }},
      {"adaptive_avg_pool2d_one", [] { return make_shared<AdaptiveAvgPool2d>(1); }},
  };
  return makes;
}

std::function<Made()> both_ways(Interpolation mode, bool aligned = false) {
  return of_x([=](const Tensor& x) {
    return std::vector<Tensor>{interpolate(x, {.size = {7, 4}, .mode = mode, .align_corners = aligned}),
                               interpolate(x, {.scale = {2, 1.5}, .mode = mode, .align_corners = aligned})};
  });
}

const Makes& images() {
  static const Makes makes = {
      {"interpolate_nearest", both_ways(Interpolation::Nearest)},
      {"interpolate_nearest_exact", both_ways(Interpolation::NearestExact)},
      {"interpolate_bilinear", both_ways(Interpolation::Linear)},
      {"interpolate_bilinear_aligned", both_ways(Interpolation::Linear, true)},
      {"interpolate_bicubic", both_ways(Interpolation::Bicubic)},
      {"interpolate_bicubic_aligned", both_ways(Interpolation::Bicubic, true)},
      {"interpolate_area", both_ways(Interpolation::Area)},
      {"interpolate_linear", of_x([](const Tensor& x) { return interpolate(x, {.size = {5}, .mode = Interpolation::Linear}); })},
      {"interpolate_trilinear", of_x([](const Tensor& x) { return interpolate(x, {.scale = {2}, .mode = Interpolation::Linear}); })},
      {"upsample", [] { return make_shared<Upsample>(InterpolateOptions{.scale = {2}}); }},
      {"pixel_shuffle", [] { return make_shared<PixelShuffle>(2); }},
      {"pixel_unshuffle", of_x([](const Tensor& x) { return pixel_unshuffle(x, 2); })},
  };
  return makes;
}

const Makes& normalisations() {
  static const Makes makes = {
      {"batch_norm1d", [] { return make_shared<BatchNorm1d>(4); }},
      {"batch_norm1d_flat", [] { return make_shared<BatchNorm1d>(3, BatchNormOptions{.affine = false}); }},
      {"batch_norm3d", [] { return make_shared<BatchNorm3d>(2, BatchNormOptions{.track_running_stats = false}); }},
      {"batch_norm3d_evaluation",
       [] {
         const auto net = make_shared<BatchNorm3d>(2, BatchNormOptions{.track_running_stats = false});
         net->eval();
         return net;
       }},
      {"group_norm", [] { return make_shared<GroupNorm>(2, 4); }},
      {"group_norm_plain", [] { return make_shared<GroupNorm>(3, 6, 1e-5, false); }},
      {"instance_norm2d", [] { return make_shared<InstanceNorm>(4, 1e-5, true); }},
      {"instance_norm1d", [] { return make_shared<InstanceNorm>(4); }},
      {"instance_norm_tracked", [] { return make_shared<InstanceNorm>(4, 1e-5, true, true, 0.25); }},
      {"instance_norm_evaluated",
       [] {
         const auto net = make_shared<InstanceNorm>(4, 1e-5, true, true, 0.25);
         net->eval();
         return net;
       }},
      {"local_response_norm", [] { return make_shared<LocalResponseNorm>(3, 0.5, 0.75, 2); }},
      {"local_response_norm_even", [] { return make_shared<LocalResponseNorm>(4, 0.5); }},
      {"layer_norm_no_bias", [] { return make_shared<LayerNorm>(Shape64{5}, 1e-5, false); }},
      {"normalize", of_x([](const Tensor& x) { return normalize(x); })},
      {"weight_norm_linear", [] { return make_shared<WeightNorm<Linear>>(make_shared<Linear>(4, 3)); }},
      {"weight_norm_conv", [] { return make_shared<WeightNorm<Conv1d>>(make_shared<Conv1d>(4, 2, 3, Conv1dOptions{.bias = false})); }},
      {"spectral_norm", [] { return make_shared<SpectralNorm<Linear>>(make_shared<Linear>(4, 3)); }},
  };
  return makes;
}

std::function<Made()> bag(BagMode mode) {
  return [mode] {
    const auto net = make_shared<EmbeddingBag>(7, 3, mode);
    return Made(net, [n = net.get()](Tensors& t) { return t.contains("o") ? n->forward(t["i"], t["o"]) : n->forward(t["i"]); });
  };
}

const Makes& small_layers() {
  static const Makes makes = {
      {"prelu", [] { return make_shared<PReLU>(3, 0.5); }},
      {"bilinear",
       [] {
         const auto net = make_shared<Bilinear>(3, 4, 2);
         return Made(net, [n = net.get()](Tensors& t) { return n->forward(t["a"], t["b"]); });
       }},
      {"embedding_padding",
       [] {
         const auto net = make_shared<Embedding>(4, 3, 1);
         const auto first = net->weight.to_vector<float>();
         EXPECT_EQ(std::vector<float>(first.begin() + 3, first.begin() + 6), std::vector<float>(3, 0));
         return Made(net, [n = net.get()](Tensors& t) { return (*n)(t["i"]); });
       }},
      {"embedding_bag_sum", bag(BagMode::Sum)},
      {"embedding_bag_mean", bag(BagMode::Mean)},
      {"embedding_bag_max", bag(BagMode::Max)},
      {"embedding_bag_offsets_sum", bag(BagMode::Sum)},
      {"embedding_bag_offsets_mean", bag(BagMode::Mean)},
      {"flatten", [] { return std::shared_ptr<Module>(new Sequential{make_shared<Flatten>(), make_shared<Unflatten>(1, Shape64{4, 7})}); }},
      {"residual", [] { return make_shared<Residual>(std::shared_ptr<Module>(new Sequential{make_shared<Linear>(4, 4), make_shared<Tanh>()})); }},
      {"residual_shortcut", [] { return make_shared<Residual>(make_shared<Linear>(4, 2), make_shared<Linear>(4, 2, false)); }},
      {"se_block", [] { return make_shared<SEBlock>(4, 2, silu); }},
      {"se_block_hard", [] { return make_shared<SEBlock>(4, 3, relu, hardsigmoid); }},
      {"cbam", [] { return make_shared<CBAM>(4, 2, 3); }},
      {"spp", [] { return make_shared<SPP>(); }},
      {"feed_forward", [] { return make_shared<FeedForward>(4, 6, [](const Tensor& x) { return gelu(x); }); }},
      {"swiglu", [] { return make_shared<SwiGLU>(4, 6); }},
      {"lora", [] { return make_shared<LoRA>(make_shared<Linear>(4, 3), 2, 3); }},
      {"mixture_of_experts", [] { return make_shared<MixtureOfExperts>(4, 3, 2, [] { return make_shared<FeedForward>(4, 5, [](const Tensor& x) { return gelu(x); }); }); }},
  };
  return makes;
}

const Makes& positions() {
  static const Makes makes = {
      {"sinusoidal", [] { return make_shared<SinusoidalPositions>(5, 4); }},
      {"learned_positions", [] { return make_shared<LearnedPositions>(5, 4); }},
      {"rotary", of_x([](const Tensor& x) { return rotary(x, rotary_tables(8, 4)); })},
      {"rotary_interleaved", of_x([](const Tensor& x) { return rotary(x, rotary_tables(3, 4, 500), {}, true); })},
      {"rotary_positions", [] { return Made(make_shared<Identity>(), [](Tensors& t) { return rotary(t["x"], rotary_tables(8, 4), t["p"]); }); }},
      {"alibi_slopes", [] { return Made(make_shared<Identity>(), [](Tensors&) { return std::vector<Tensor>{alibi_slopes(8), alibi_slopes(6)}; }); }},
      {"dirac",
       [] {
         return Made(make_shared<Identity>(),
                     [](Tensors&) { return std::vector<Tensor>{init::dirac({3, 2, 3}), init::dirac({4, 3, 3, 1}, 2), init::dirac({2, 2, 1, 4, 3})}; });
       }},
      {"alibi_bias", [] { return Made(make_shared<Identity>(), [](Tensors&) { return alibi_bias(2, 3, 4); }); }},
  };
  return makes;
}

/// A module, and how it is called: call(module, tensors).
template <class M, class F>
Made made(std::shared_ptr<M> net, F call) {
  M* m = net.get();
  return Made(std::move(net), [m, call](Tensors& t) { return Results(call(*m, t)); });
}

const Makes& transformers() {
  using MHA = MultiheadAttention;
  static const TransformerOptions small{.feed_forward = 6, .dropout = 0};
  static const TransformerOptions first{.feed_forward = 6, .dropout = 0, .norm_first = true};
  static const Makes makes = {
      {"attention_self", [] { return make_shared<MHA>(4, 2); }},
      {"attention_cross", [] { return made(make_shared<MHA>(4, 2, MultiheadAttentionOptions{.bias = false}), [](MHA& n, Tensors& t) { return n.forward(t["q"], t["k"], t["v"]); }); }},
      {"attention_widths",
       [] { return made(make_shared<MHA>(4, 2, MultiheadAttentionOptions{.kdim = 3, .vdim = 5}), [](MHA& n, Tensors& t) { return n.forward(t["q"], t["k"], t["v"]); }); }},
      {"attention_masks",
       [] {
         return made(make_shared<MHA>(4, 2), [](MHA& n, Tensors& t) { return n.forward(t["q"], t["k"], t["k"], {.attn = ne(t["m"], 0), .key_padding = ne(t["p"], 0)}); });
       }},
      {"attention_float_mask", [] { return made(make_shared<MHA>(4, 2), [](MHA& n, Tensors& t) { return n.forward(t["q"], t["k"], t["k"], {.attn = t["m"]}); }); }},
      {"attention_causal", [] { return made(make_shared<MHA>(4, 2), [](MHA& n, Tensors& t) { return n.forward(t["x"], t["x"], t["x"], {.is_causal = true}); }); }},
      {"encoder_layer", [] { return make_shared<TransformerEncoderLayer>(4, 2, small); }},
      {"encoder_layer_norm_first",
       [] {
         TransformerOptions o = first;
         o.activation = [](const Tensor& x) { return gelu(x); };
         return made(make_shared<TransformerEncoderLayer>(4, 2, o), [](TransformerEncoderLayer& n, Tensors& t) { return n.forward(t["x"], {.key_padding = ne(t["p"], 0)}); });
       }},
      {"decoder_layer",
       [] { return made(make_shared<TransformerDecoderLayer>(4, 2, small), [](TransformerDecoderLayer& n, Tensors& t) { return n.forward(t["t"], t["m"], {.is_causal = true}); }); }},
      {"decoder_layer_norm_first",
       [] { return made(make_shared<TransformerDecoderLayer>(4, 2, first), [](TransformerDecoderLayer& n, Tensors& t) { return n.forward(t["t"], t["m"]); }); }},
      {"encoder", [] { return make_shared<TransformerEncoder>(4, 2, 2, small, true); }},
      {"transformer", [] { return made(make_shared<Transformer>(4, 2, 1, 1, small), [](Transformer& n, Tensors& t) { return n.forward(t["s"], t["t"], {}, {.is_causal = true}); }); }},
  };
  return makes;
}

/// y, h and, of an LSTM, c.
template <class M>
Results with_state(M& net, Tensors& t) {
  const auto [y, last] = net.forward(t["x"], RecurrentState{t["h"], t["c"]}, t["n"]);
  std::vector<Tensor> all{y, last.h};
  if (last.c) all.push_back(last.c);
  return all;
}

const Makes& recurrent_layers() {
  static const Makes makes = {
      {"rnn", [] { return make_shared<RNN>(2, 3); }},
      {"rnn_relu", [] { return make_shared<RNN>(2, 3, RecurrentOptions{.layers = 2, .bidirectional = true}, true); }},
      {"rnn_state", [] { return made(make_shared<RNN>(2, 3), with_state<RNN>); }},
      {"gru_state", [] { return made(make_shared<GRU>(2, 3), with_state<GRU>); }},
      {"lstm_state", [] { return made(make_shared<LSTM>(2, 3), with_state<LSTM>); }},
      {"gru_lengths", [] { return made(make_shared<GRU>(2, 3, RecurrentOptions{.bidirectional = true}), with_state<GRU>); }},
      {"lstm_lengths", [] { return made(make_shared<LSTM>(2, 3, RecurrentOptions{.layers = 2}), with_state<LSTM>); }},
      {"lstm_projected", [] { return make_shared<LSTM>(2, 5, RecurrentOptions{.projection = 2}); }},
      {"lstm_projected_layers", [] { return make_shared<LSTM>(2, 5, RecurrentOptions{.layers = 2, .bias = false, .bidirectional = true, .projection = 2}); }},
      {"lstm_projected_lengths", [] { return made(make_shared<LSTM>(2, 5, RecurrentOptions{.bidirectional = true, .projection = 2}), with_state<LSTM>); }},
      {"rnn_cell", [] { return made(make_shared<RNNCell>(2, 4), [](RNNCell& n, Tensors& t) { return n.forward(t["x"], t["h"]); }); }},
      {"rnn_cell_relu", [] { return make_shared<RNNCell>(2, 4, false, true); }},
      {"gru_cell", [] { return made(make_shared<GRUCell>(2, 4), [](GRUCell& n, Tensors& t) { return n.forward(t["x"], t["h"]); }); }},
      {"lstm_cell",
       [] {
         return made(make_shared<LSTMCell>(2, 4), [](LSTMCell& n, Tensors& t) {
           const RecurrentState s = n.forward(t["x"], {t["h"], t["c"]});
           return std::vector<Tensor>{s.h, s.c};
         });
       }},
  };
  return makes;
}

TEST(Modules, LikeTorch) {
  Makes makes;
  for (const Makes* family : {&convolutions(), &pools(), &images(), &normalisations(), &small_layers(), &positions(), &transformers(), &recurrent_layers()}) makes.insert(family->begin(), family->end());
  expect_table("modules.json", makes, [](const nlohmann::json& c, const std::function<Made()>& make) { expect_module(c, make()); });
}

TEST(Modules, Errors) {
  const Tensor image = Tensor::zeros({1, 3, 4, 4});
  expect_refused(Error::ShapeMismatch, "conv1d: the input has shape [1, 3, 4, 4]; [N, C, L] is needed", [&] { (void)Conv1d(3, 2, 1)(image); });
  expect_refused(Error::ShapeMismatch, "conv_transpose2d: ", [&] { (void)ConvTranspose2d(4, 2, 1)(image); });
  expect_refused(Error::InvalidArgument, "conv2d: 3 and 4 channels do not divide by 2 groups", [&] { (void)Conv2d(3, 4, 1, {.groups = 2}); });
  expect_refused(Error::ShapeMismatch, "adaptive_avg_pool1d: ", [&] { (void)adaptive_avg_pool1d(image, 2); });
  expect_refused(Error::InvalidArgument, "interpolate: one of size and scale", [&] { (void)interpolate(image, {}); });
  expect_refused(Error::InvalidArgument, "interpolate: align_corners", [&] { (void)interpolate(image, {.size = {2, 2}, .align_corners = true}); });
  expect_refused(Error::BadAttribute, "group_norm: num_groups 2 does not divide the 3 channels", [&] { (void)group_norm(image, 2); });
  expect_refused(Error::InvalidArgument, "projection 3; an LSTM may have one, smaller", [] { LSTM wrong(2, 3, {.projection = 3}); });
  expect_refused(Error::InvalidArgument, "projection 1; an LSTM may have one", [] { GRU wrong(2, 3, {.projection = 1}); });
  expect_refused(Error::ShapeMismatch, "instance_norm: the input has shape [1, 3, 4, 4]; 2 channels", [&] { (void)InstanceNorm(2, 1e-5, false, true)(image); });
  expect_refused(Error::ShapeMismatch, "BatchNorm3d: the input has shape [1, 3, 4, 4]", [&] { (void)BatchNorm3d(3)(image); });
  expect_refused(Error::Unsupported, "forward: this module is not a function of one tensor", [&] { (void)Bilinear(1, 1, 1)(image); });
  expect_refused(Error::ShapeMismatch, "rotary: ", [&] { (void)rotary(Tensor::zeros({2, 3, 4}), rotary_tables(3, 4)); });
  expect_refused(Error::InvalidArgument, "rotary_tables: ", [&] { (void)rotary_tables(3, 5); });
}

TEST(Modules, Containers) {
  ModuleList<Linear> list{make_shared<Linear>(2, 3), make_shared<Linear>(3, 4)};
  EXPECT_EQ(list.size(), 2U);
  EXPECT_EQ(list[1]->weight.shape(), (Shape64{4, 3}));
  EXPECT_EQ(list.named_parameters()[2].first, "1.weight");
  EXPECT_THROW((void)list[2], std::out_of_range);
  ModuleDict<> dict;
  dict.insert("left", make_shared<Linear>(2, 2));
  dict.insert("right", make_shared<Identity>());
  EXPECT_TRUE(dict.contains("right"));
  EXPECT_EQ(dict.named_parameters()[0].first, "left.weight");
  EXPECT_THROW((void)dict["up"], std::out_of_range);
  EXPECT_THROW(dict.insert("left", make_shared<Identity>()), Exception);
  dict.eval();
  EXPECT_FALSE(dict["left"]->is_training());
}

// Between layers only, in training only.
TEST(Modules, RecurrentDropout) {
  manual_seed(8);
  const Tensor x = init::normal({2, 3, 4});
  LSTM one(4, 5, {.dropout = 0.5}), two(4, 5, {.layers = 2, .dropout = 0.5}), without(4, 5, {.layers = 2});
  EXPECT_EQ(one(x).array(), one(x).array());
  EXPECT_NE(two(x).to_vector<float>(), two(x).to_vector<float>());
  without.load_state_dict(two.state_dict());
  two.eval();
  EXPECT_EQ(two(x).array(), without(x).array());
}

// Activations as modules are the functions with PyTorch's defaults (functions_test compares those with PyTorch).
TEST(Modules, ActivationsAreTheirFunctions) {
  const Tensor x = Tensor::from<float>({-7, -2.5f, -0.6f, -0.3f, 0.2f, 0.7f, 2.25f, 30}, {2, 4});
  const auto expect = [&](Module&& m, const Tensor& y) { EXPECT_EQ(m(x).array(), y.array()); };
  expect(ReLU(), relu(x));
  expect(ReLU6(), relu6(x));
  expect(SELU(), selu(x));
  expect(SiLU(), silu(x));
  expect(Mish(), mish(x));
  expect(Softsign(), softsign(x));
  expect(Sigmoid(), sigmoid(x));
  expect(Tanh(), tanh(x));
  expect(Hardsigmoid(), hardsigmoid(x));
  expect(Hardswish(), hardswish(x));
  expect(Tanhshrink(), tanhshrink(x));
  expect(LogSigmoid(), logsigmoid(x));
  expect(LeakyReLU(), leaky_relu(x, 0.01));
  expect(LeakyReLU(0.2), leaky_relu(x, 0.2));
  expect(ELU(), elu(x, 1));
  expect(CELU(), celu(x, 1));
  expect(Hardshrink(), hardshrink(x, 0.5));
  expect(Softshrink(), softshrink(x, 0.5));
  expect(Softmax(), softmax(x, 1));
  expect(LogSoftmax(0), log_softmax(x, 0));
  expect(Softmin(), softmin(x, 1));
  expect(GLU(), glu(x, 1));
  expect(GELU(true), gelu(x, true));
  expect(Softplus(), softplus(x, 1, 20));
  expect(Hardtanh(), hardtanh(x, -1, 1));
  expect(Threshold(0.1, 20), nn::threshold(x, 0.1, 20));
  expect(Maxout(2), maxout(x, 2));
}

// Frozen base, B zero at first: nothing changes; what an optimizer is given is A and B alone.
TEST(Modules, LoRABegins) {
  const auto base = make_shared<Linear>(4, 3);
  LoRA lora(base, 2, 3);
  const Tensor x = Tensor::ones({2, 4});
  EXPECT_EQ(lora(x).array(), (*base)(x).array());
  ASSERT_EQ(lora.trainable_parameters().size(), 2U);
  EXPECT_EQ(lora.named_parameters().size(), 4U);
  lora.lora_b.assign(io::Array::from(std::vector<float>(6, 0.5f), {3, 2}));
  const auto merged = linear(x, lora.merged_weight(), base->bias).to_vector<float>(), apart = lora(x).to_vector<float>();
  for (size_t i = 0; i < merged.size(); ++i) EXPECT_NEAR(merged[i], apart[i], 1e-5);
}

// The same weights with dropout written out and a rate of nearly 0 as in the op; causal and masked.
TEST(Modules, AttentionWithDropout) {
  manual_seed(3);
  MultiheadAttention plain(4, 2), dropped(4, 2, {.dropout = 1e-9});
  dropped.load_state_dict(plain.state_dict());
  const Tensor x = init::normal({2, 3, 4}), m = init::normal({3, 3});
  for (const AttentionMask& mask : {AttentionMask{}, AttentionMask{.attn = m}, AttentionMask{.is_causal = true}}) {
    const auto a = plain.forward(x, x, x, mask).to_vector<float>(), b = dropped.forward(x, x, x, mask).to_vector<float>();
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5);
  }
  MultiheadAttention half(4, 2, {.dropout = 0.5});
  EXPECT_NE(half(x).to_vector<float>(), half(x).to_vector<float>());
  half.eval();
  EXPECT_EQ(half(x).to_vector<float>(), half(x).to_vector<float>());
  expect_refused(Error::InvalidArgument, "MultiheadAttention: 4 does not divide by 3 heads", [] { MultiheadAttention wrong(4, 3); });
}

// Whole channels go; alpha dropout keeps mean and variance and its dropped elements have one value; masks differ from call to call.
TEST(Modules, DropoutForms) {
  manual_seed(5);
  Dropout2d channels(0.25);
  const auto y = channels(Tensor::ones({50, 40, 2, 2})).to_vector<float>();
  int64_t kept = 0;
  for (size_t i = 0; i < y.size(); i += 4) {
    for (size_t k = 1; k < 4; ++k) ASSERT_EQ(y[i], y[i + k]);
    ASSERT_TRUE(y[i] == 0 || y[i] == 1.0f / 0.75f);
    kept += y[i] != 0;
  }
  EXPECT_NEAR(static_cast<double>(kept), 1500, 4 * std::sqrt(2000 * 0.25 * 0.75));
  AlphaDropout alpha(0.2);
  Tensor x = init::normal({20000});
  x.set_requires_grad();
  const Tensor z = alpha(x);
  sum(z).backward();
  const auto v = z.array().as<double>(), slope = x.grad().array().as<double>();
  const double a = 1 / std::sqrt(0.8 * (1 + 0.2 * 1.7580993408473766 * 1.7580993408473766)), b = a * 1.7580993408473766 * 0.2;
  double total = 0, squares = 0;
  for (size_t i = 0; i < v.size(); ++i) {
    total += v[i];
    squares += v[i] * v[i];
    if (slope[i] == 0) ASSERT_NEAR(v[i], b - 1.7580993408473766 * a, 1e-5);
    else ASSERT_NEAR(slope[i], a, 1e-6);
  }
  EXPECT_NEAR(total / 20000, 0, 0.03);
  EXPECT_NEAR(squares / 20000, 1, 0.05);
  EXPECT_NE(alpha(x).to_vector<float>(), z.to_vector<float>());
  alpha.eval();
  EXPECT_EQ(alpha(x).array(), x.array());
  expect_refused(Error::InvalidArgument, "AlphaDropout: probability 1", [] { AlphaDropout wrong(1); });
}

}  // namespace
}  // namespace gf::test
