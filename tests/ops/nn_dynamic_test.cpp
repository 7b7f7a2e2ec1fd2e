// Kernels prepared once for upper bounds and run with smaller shapes, as a session with dynamic dimensions does: every
// kernel that accepts the bounds must give, for each smaller shape, what the portable kernel gives for that shape
// alone. Scratch, packed weights and data have exactly the sizes that prepare asked for.
#include <cstdlib>
#include <memory>
#include <random>

#include "ops/cpu/table.h"
#if GF_SIMD
#include "ops/cpu/simd/isa_dispatch.h"
#include "ops/cpu/simd/table.h"
#endif
#include "tests/ops/op_test_util.h"

namespace gf::test {
namespace {

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Memory = std::unique_ptr<void, Free>;

Memory allocate(uint64_t bytes, int fill) {
  void* p = nullptr;
  const size_t size = bytes == 0 ? 1 : static_cast<size_t>(bytes);
  if (size < bytes || posix_memalign(&p, kAlignment, size) != 0) throw std::bad_alloc();
  std::memset(p, fill, size);
  return Memory(p);
}

Shape shape_of(const HostTensor& t) {
  Shape s;
  s.rank = static_cast<int32_t>(t.shape.size());
  for (size_t d = 0; d < t.shape.size(); ++d) s.dims[d] = t.shape[d];
  return s;
}

/// A node on one kernel, prepared for bounds. Inputs marked constant keep their contents.
class PreparedNode {
 public:
  PreparedNode(const OpDef& def, const void* attrs, const Kernel& kernel, Isa isa, int threads,
               const HostInputs& bounds, const std::vector<bool>& constant, int outputs)
      : def_(def), attrs_(attrs), kernel_(kernel), constant_(bounds) {
    for (size_t i = 0; i < bounds.size(); ++i) {
      TensorInfo info;
      if (bounds[i]) {
        info.present = true;
        info.dtype = bounds[i]->dtype;
        info.shape = shape_of(*bounds[i]);
        info.is_constant = constant[i];
        info.is_static = constant[i];
        if (constant[i])
          info.constant_data = bounds[i]->data.data();
        else
          constant_[i].reset();
      }
      inputs_.push_back(info);
    }
    for (const TensorInfo& t : infer(bounds, outputs)) {
      outputs_.push_back(t);
      outputs_.back().is_static = false;
    }
    NodeView node{&def_, attrs_, inputs_, outputs_, isa, threads, false};
    accepted_ = kernel_.prepare(node, plan_) == Error::Ok;
    if (!accepted_) return;
    InitContext init;
    data_ = allocate(plan_.data_bytes, 0);
    init.data = data_.get();
    for (int p = 0; p < plan_.pack_count; ++p) {
      packs_[p] = allocate(plan_.packs[p].bytes, 0xff);
      EXPECT_EQ(plan_.packs[p].pack(node, packs_[p].get()), Error::Ok);
      init.packed[p] = packs_[p].get();
    }
    if (kernel_.init != nullptr) {
      EXPECT_EQ(kernel_.init(node, init), Error::Ok);
    }
    worker_bytes_ = (plan_.scratch_bytes_per_worker + kAlignment - 1) / kAlignment * kAlignment;
    scratch_ = allocate(plan_.scratch_bytes, 0xff);
    workers_ = allocate(worker_bytes_ * static_cast<uint64_t>(threads), 0xff);
  }
  bool accepted() const { return accepted_; }

  std::vector<HostTensor> run(const HostInputs& given, const ParallelFor& parallel) {
    HostInputs inputs = given;
    for (size_t i = 0; i < inputs.size(); ++i)
      if (constant_[i]) inputs[i] = constant_[i];
    std::vector<HostTensor> results;
    for (const TensorInfo& t : infer(inputs, static_cast<int>(outputs_.size())))
      results.push_back(HostTensor::zeros(t.dtype, std::vector<int64_t>(t.shape.dims, t.shape.dims + t.shape.rank)));
    std::vector<TensorView> views(inputs.size()), outs(results.size());
    std::vector<const TensorView*> in(inputs.size(), nullptr);
    std::vector<TensorView*> out;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i]) continue;
      views[i] = {inputs[i]->data.data(), shape_of(*inputs[i]), inputs[i]->dtype};
      in[i] = &views[i];
    }
    for (size_t i = 0; i < results.size(); ++i) {
      std::fill(results[i].data.begin(), results[i].data.end(), std::byte{0xff});
      outs[i] = {results[i].data.data(), shape_of(results[i]), results[i].dtype};
      out.push_back(&outs[i]);
    }
    ErrorDetail detail;
    RunContext c;
    c.attrs = attrs_;
    c.inputs = in.data();
    c.outputs = out.data();
    c.input_count = static_cast<int>(in.size());
    c.output_count = static_cast<int>(out.size());
    c.data = data_.get();
    c.scratch = scratch_.get();
    c.worker_scratch = workers_.get();
    c.scratch_bytes_per_worker = worker_bytes_;
    for (int p = 0; p < plan_.pack_count; ++p) c.packed[p] = packs_[p].get();
    c.parallel = parallel;
    c.detail = &detail;
    EXPECT_EQ(kernel_.run(c), Error::Ok) << detail.text;
    return results;
  }

 private:
  std::vector<TensorInfo> infer(const HostInputs& inputs, int outputs) const {
    std::vector<InferTensor> ins(inputs.size()), outs(static_cast<size_t>(outputs));
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i]) continue;
      ins[i].present = true;
      ins[i].dtype = inputs[i]->dtype;
      ins[i].shape = DimShape(shape_of(*inputs[i]));
      ins[i].data = inputs[i]->data.data();
    }
    for (InferTensor& t : outs) t.present = true;
    ErrorDetail detail;
    EXPECT_EQ(run_infer(def_, attrs_, ins, outs, nullptr, &detail, -1), Error::Ok) << detail.text;
    std::vector<TensorInfo> infos;
    for (const InferTensor& t : outs) {
      TensorInfo info;
      info.present = true;
      info.dtype = t.dtype;
      info.shape.rank = t.shape.rank;
      for (int d = 0; d < t.shape.rank; ++d) info.shape.dims[d] = t.shape[d].hi;
      infos.push_back(info);
    }
    return infos;
  }

  const OpDef& def_;
  const void* attrs_;
  const Kernel& kernel_;
  HostInputs constant_;
  std::vector<TensorInfo> inputs_, outputs_;
  KernelPlan plan_;
  bool accepted_ = false;
  uint64_t worker_bytes_ = 0;
  Memory data_, scratch_, workers_, packs_[kMaxPacks];
};

std::mt19937 generator(20261123);

HostTensor random_f32(std::vector<int64_t> shape) {
  HostTensor t = HostTensor::zeros(DType::F32, std::move(shape));
  std::uniform_real_distribution<float> values(-1.0F, 1.0F);
  for (int64_t k = 0; k < t.count(); ++k) reinterpret_cast<float*>(t.data.data())[k] = values(generator);
  return t;
}
int64_t random_size(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(generator); }

// Vector kernels for products of rounded operands: the table of a WebAssembly module has none.
#ifdef __wasm_simd128__
constexpr int kRoundedKernels = 0;
#else
constexpr int kRoundedKernels = 1;
#endif

/// Sizes -> inputs. `high` are the bounds, each run takes sizes in [low, high].
using MakeInputs = HostInputs (*)(const std::vector<int64_t>& sizes);
using Sizes = std::vector<int64_t>;

template <class Op>
void check(const typename Op::Attrs& attrs, MakeInputs make, const Sizes& low, const Sizes& high,
           const std::vector<bool>& constant, double tolerance, int outputs = 1, int least_vector_kernels = 1) {
  const OpDef& def = op_def<Op>;
  const HostInputs bounds = make(high);
  Tables portable;
  portable.ops = AllOps::table();
  portable.add(cpu::portable_kernels());
  std::vector<std::pair<const Kernel*, Isa>> kernels;
  for (const Kernel* k : cpu::portable_kernels())
    if (k->op == def.info.id) kernels.push_back({k, Isa::Portable});
#if GF_SIMD
  for (const Isa isa : {Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Avx512Bf16, Isa::Neon})
    for (const Kernel* k : cpu::simd_kernels())
      if (k->op == def.info.id && isa_allows(simd::best_isa(), isa)) kernels.push_back({k, isa});
#else
  least_vector_kernels = 0;
#endif
  int vector_kernels = 0;
  for (const auto& [kernel, isa] : kernels) {
    PreparedNode node(def, &attrs, *kernel, isa, 3, bounds, constant, outputs);
    if (!node.accepted()) continue;
    vector_kernels += kernel->rank >= 10 ? 1 : 0;
    for (int round = 0; round < 12; ++round) {
      Sizes sizes = high;
      if (round == 1) sizes = low;
      for (size_t k = 0; k < sizes.size() && round > 1; ++k) sizes[k] = random_size(low[k], high[k]);
      HostInputs inputs = make(sizes);
      for (size_t i = 0; i < inputs.size(); ++i)
        if (constant[i]) inputs[i] = bounds[i];
      SCOPED_TRACE(std::string(kernel->name) + " on " + isa_name(isa) + ", sizes " + io::shape_text(sizes));
      EvaluateOptions options;
      options.outputs = outputs;
      const auto expected = evaluate_raw(def, &attrs, inputs, portable, options);
      const auto serial = node.run(inputs, {});
      RoughParallel rough;
      EXPECT_EQ(node.run(inputs, rough.get()), serial) << "threads change the result";
      for (size_t o = 0; o < serial.size(); ++o)
        EXPECT_TRUE(close(serial[o], expected[o], tolerance, tolerance)) << "output " << o;
    }
  }
  EXPECT_GE(vector_kernels, least_vector_kernels) << def.info.name;
}

TEST(NnDynamic, MatMul) {
  op::MatMul::Attrs a;
  const auto two = [](const Sizes& s) -> HostInputs {
    return {random_f32({s[0], s[1], 37}), random_f32({37, 53}), random_f32({53})};
  };
  check<op::MatMul>(a, two, {1, 1}, {3, 150}, {false, true, true}, 1e-5);
  check<op::MatMul>(a, two, {0, 0}, {3, 150}, {false, false, false}, 1e-5);
  a.transpose_b = true;
  a.alpha = 0.5F;
  a.activation = Activation::Gelu;
  const auto batched = [](const Sizes& s) -> HostInputs {
    return {random_f32({s[0], 2, s[1], s[2]}), random_f32({s[0], 2, s[3], s[2]})};
  };
  check<op::MatMul>(a, batched, {1, 1, 1, 1}, {3, 40, 70, 50}, {false, false}, 2e-5);
  a.precision = Precision::BF16;
  check<op::MatMul>(a, batched, {1, 1, 1, 1}, {3, 40, 70, 50}, {false, false}, 2e-5, 1, kRoundedKernels);
}

TEST(NnDynamic, Conv) {
  const int64_t strides[] = {2, 1}, pads[] = {1, 1, 0, 1};
  op::Conv::Attrs a;
  a.strides = strides;
  a.pads = pads;
  a.activation = Activation::Relu;
  const auto dense = [](const Sizes& s) -> HostInputs {
    return {random_f32({s[0], s[1], s[2], 5}), random_f32({19, 5, 3, 3}), random_f32({19})};
  };
  check<op::Conv>(a, dense, {1, 2, 1}, {3, 23, 30}, {false, true, true}, 1e-5);
  a.groups = 6;
  const auto depthwise = [](const Sizes& s) -> HostInputs {
    return {random_f32({s[0], s[1], s[2], 6}), random_f32({12, 1, 3, 3}), random_f32({12})};
  };
  check<op::Conv>(a, depthwise, {1, 2, 1}, {3, 23, 30}, {false, true, true}, 1e-5, 1, 2);
  a.groups = 1;
  a.pads = {};
  a.auto_pad = AutoPad::SameUpper;
  check<op::Conv>(a, dense, {1, 1, 1}, {2, 17, 18}, {false, true, true}, 1e-5);
  a.precision = Precision::BF16;
  check<op::Conv>(a, dense, {1, 1, 1}, {2, 17, 18}, {false, false, false}, 1e-5, 1, kRoundedKernels);
}

TEST(NnDynamic, ConvTranspose) {
  const int64_t strides[] = {2, 3}, pads[] = {1, 0, 0, 0};
  op::ConvTranspose::Attrs a;
  a.strides = strides;
  a.pads = pads;
  const auto make = [](const Sizes& s) -> HostInputs {
    return {random_f32({s[0], s[1], s[2], 7}), random_f32({7, 5, 3, 3}), random_f32({5})};
  };
  check<op::ConvTranspose>(a, make, {1, 1, 1}, {3, 11, 12}, {false, true, true}, 1e-5);
  a.pads = {};
  a.auto_pad = AutoPad::SameLower;  // packed weights would depend on the size: only the portable kernel
  check<op::ConvTranspose>(a, make, {1, 1, 1}, {2, 6, 5}, {false, true, true}, 1e-5, 1, 0);
  a.precision = Precision::BF16;  // packed in every run
  check<op::ConvTranspose>(a, make, {1, 1, 1}, {2, 6, 5}, {false, false, false}, 1e-5, 1, kRoundedKernels);
}

TEST(NnDynamic, Pools) {
  const int64_t kernel[] = {3, 2}, strides[] = {2, 1}, pads[] = {1, 0, 1, 1};
  const auto make = [](const Sizes& s) -> HostInputs { return {random_f32({s[0], s[1], s[2], s[3]})}; };
  op::MaxPool::Attrs m;
  m.kernel = kernel;
  m.strides = strides;
  m.pads = pads;
  m.ceil_mode = true;
  check<op::MaxPool>(m, make, {1, 2, 2, 1}, {2, 15, 14, 33}, {false}, 0, 2);
  op::AveragePool::Attrs v;
  v.kernel = kernel;
  v.strides = strides;
  v.auto_pad = AutoPad::SameUpper;
  check<op::AveragePool>(v, make, {1, 1, 1, 1}, {2, 15, 14, 33}, {false}, 1e-6);
}

TEST(NnDynamic, RowsAndAxes) {
  const auto rows = [](const Sizes& s) -> HostInputs { return {random_f32({s[0], s[1], s[2]})}; };
  check<op::Softmax>({.axis = 1}, rows, {0, 1, 1}, {4, 40, 50}, {false}, 1e-6);
  check<op::Softmax>({}, rows, {0, 1, 1}, {4, 40, 50}, {false}, 1e-6);
  const auto norm = [](const Sizes& s) -> HostInputs {
    return {random_f32({s[0], s[1], 48}), random_f32({48}), random_f32({48})};
  };
  check<op::LayerNorm>({}, norm, {0, 1}, {5, 33}, {false, true, true}, 1e-5);
  const int64_t axes[] = {1, 2};
  for (const bool keep : {false, true}) {
    const ReduceAttrs a{.axes = axes, .keepdims = keep};
    const auto image = [](const Sizes& s) -> HostInputs { return {random_f32({s[0], s[1], s[2], 19})}; };
    check<op::ReduceMean>(a, image, {0, 1, 1}, {3, 30, 31}, {false}, 1e-5);
    check<op::ReduceMax>(a, image, {0, 1, 1}, {3, 30, 31}, {false}, 0);
    check<op::ReduceLogSumExp>(a, image, {0, 1, 1}, {3, 30, 31}, {false}, 1e-5);
  }
  const int64_t perm[] = {0, 2, 1};
  check<op::Transpose>({.perm = perm}, rows, {0, 0, 1}, {3, 41, 50}, {false}, 0);
}

TEST(NnDynamic, Channels) {
  const auto make = [](const Sizes& s) -> HostInputs {
    return {random_f32({s[0], s[1], s[2], 12}), random_f32({12}), random_f32({12})};
  };
  check<op::GroupNorm>({.num_groups = 3}, make, {1, 1, 1}, {3, 9, 30}, {false, true, true}, 2e-5);
  // variance 0 amplifies what rounding leaves: at least a few pixels
  check<op::InstanceNorm>({}, make, {1, 3, 3}, {3, 9, 30}, {false, true, true}, 2e-5);
}

TEST(NnDynamic, Recurrent) {
  RecurrentAttrs a;
  a.hidden = 21;
  a.direction = RecurrentDirection::Both;
  const auto lstm = [](const Sizes& s) -> HostInputs {
    return {random_f32({s[0], s[1], 9}), random_f32({2, 84, 9}), random_f32({2, 84, 21}), random_f32({2, 168})};
  };
  check<op::Lstm>(a, lstm, {1, 1}, {9, 7}, {false, true, true, true}, 2e-5, 3);
  const auto gru = [](const Sizes& s) -> HostInputs {
    return {random_f32({s[0], s[1], 9}), random_f32({2, 63, 9}), random_f32({2, 63, 21}), random_f32({2, 126})};
  };
  check<op::Gru>(a, gru, {1, 1}, {9, 7}, {false, true, true, true}, 2e-5, 2);
}

HostTensor scaled_f32(std::vector<int64_t> shape, float scale) {
  HostTensor t = random_f32(std::move(shape));
  for (int64_t k = 0; k < t.count(); ++k) reinterpret_cast<float*>(t.data.data())[k] *= scale;
  return t;
}
HostTensor random_lengths(const Sizes& s) {
  HostTensor t = HostTensor::zeros(DType::I32, {s[1]});
  for (int64_t b = 0; b < s[1]; ++b) reinterpret_cast<int32_t*>(t.data.data())[b] = static_cast<int32_t>(random_size(0, s[0]));
  return t;
}

// Weights that change from run to run, and what gradients read.
TEST(NnDynamic, RecurrentWhileTraining) {
  for (const bool option : {false, true}) {
    RecurrentAttrs a;
    a.hidden = 21;
    a.direction = RecurrentDirection::Both;
    a.option = option;
    a.clip = option ? 0.8f : 0;
    const auto lstm = [](const Sizes& s) -> HostInputs {
      return {random_f32({s[0], s[1], 9}), random_f32({2, 84, 9}), random_f32({2, 84, 21}), random_f32({2, 168}), random_lengths(s),
              random_f32({2, s[1], 21}), random_f32({2, s[1], 21}), random_f32({2, 63})};
    };
    check<op::Lstm>(a, lstm, {1, 1}, {9, 7}, std::vector<bool>(8), 2e-5, 5);
    const auto gru = [](const Sizes& s) -> HostInputs {
      return {random_f32({s[0], s[1], 9}), random_f32({2, 63, 9}), random_f32({2, 63, 21}), random_f32({2, 126}), random_lengths(s)};
    };
    check<op::Gru>(a, gru, {1, 1}, {9, 7}, std::vector<bool>(5), 2e-5, 4);
  }
}

TEST(NnDynamic, RecurrentBackwards) {
  for (const bool option : {false, true}) {
    RecurrentAttrs a;
    a.hidden = 21;
    a.direction = RecurrentDirection::Both;
    a.option = option;
    a.clip = option ? 0.8f : 0;
    const auto lstm = [](const Sizes& s) -> HostInputs {
      return {scaled_f32({2, 84, 21}, 0.1f), random_f32({2, s[0], s[1], 84}), random_f32({2, s[0], s[1], 21}), random_f32({2, s[1], 21}),
              random_lengths(s), random_f32({2, 63}), random_f32({s[0], 2, s[1], 21}), random_f32({2, s[1], 21}), random_f32({2, s[1], 21})};
    };
    check<op::LstmGrad>(a, lstm, {1, 1}, {9, 7}, std::vector<bool>(9), 2e-5, 3);
    const auto gru = [](const Sizes& s) -> HostInputs {
      return {scaled_f32({2, 63, 21}, 0.1f), random_f32({2, s[0], s[1], 63}), random_f32({2, s[0], s[1], 21}),
              random_f32({s[0], 2, s[1], 21}), random_f32({2, s[1], 21}), random_lengths(s), random_f32({s[0], 2, s[1], 21})};
    };
    check<op::GruGrad>(a, gru, {1, 1}, {9, 7}, std::vector<bool>(7), 2e-5, option ? 3 : 2);
    static constexpr int64_t kRelu[] = {static_cast<int64_t>(CellActivation::Relu), static_cast<int64_t>(CellActivation::Relu)};
    if (option) a.activations = kRelu;
    const auto rnn = [](const Sizes& s) -> HostInputs {
      return {scaled_f32({2, 21, 21}, 0.1f), random_f32({s[0], 2, s[1], 21}), std::nullopt, random_f32({s[0], 2, s[1], 21}),
              random_f32({2, s[1], 21})};
    };
    check<op::RnnGrad>(a, rnn, {1, 1}, {9, 7}, std::vector<bool>(5), 2e-5, 2);
  }
}

TEST(NnDynamic, Attention) {
  op::Attention::Attrs a;
  a.layout = AttentionLayout::HeadsInner;
  a.is_causal = true;
  const auto make = [](const Sizes& s) -> HostInputs {
    return {random_f32({s[0], s[1], 4, 24}), random_f32({s[0], s[2], 2, 24}), random_f32({s[0], s[2], 2, 24}),
            random_f32({s[0], 1, s[1], s[2]})};
  };
  check<op::Attention>(a, make, {1, 1, 1}, {3, 50, 130}, {false, false, false, false}, 1e-5);
  const auto gradient = [](const Sizes& s) -> HostInputs {
    return {random_f32({s[0], s[1], 4, 24}), random_f32({s[0], s[2], 2, 24}), random_f32({s[0], s[2], 2, 24}),
            random_f32({s[0], s[1], 4, 24}), random_f32({s[0], s[1], 4, 24}), random_f32({s[0], 1, s[1], s[2]})};
  };
  check<op::AttentionGrad>(a, gradient, {1, 1, 1}, {3, 50, 130}, std::vector<bool>(6), 2e-5, 3);
}

TEST(NnDynamic, LayerNormGrad) {
  const auto make = [](const Sizes& s) -> HostInputs {
    return {random_f32({s[0], s[1], 24}), random_f32({24}), random_f32({s[0], s[1], 1}), random_f32({s[0], s[1], 24}),
            random_f32({s[0], s[1], 1})};
  };
  check<op::LayerNormGrad>({}, make, {1, 1}, {5, 40}, std::vector<bool>(5), 2e-5, 3);
}

TEST(NnDynamic, BatchNorm) {
  const auto forward = [](const Sizes& s) -> HostInputs { return {random_f32({s[0], s[1], 24}), random_f32({24}), random_f32({24})}; };
  check<op::BatchNorm>({.epsilon = 0.1f, .activation = Activation::Relu}, forward, {1, 2}, {40, 90}, std::vector<bool>(3), 2e-5, 3);
  const auto gradient = [](const Sizes& s) -> HostInputs {
    return {random_f32({s[0], s[1], 24}), random_f32({24}), random_f32({24}), random_f32({24}), random_f32({s[0], s[1], 24})};
  };
  check<op::BatchNormGrad>({.epsilon = 2}, gradient, {1, 1}, {40, 90}, std::vector<bool>(5), 2e-5, 3);
}

}  // namespace
}  // namespace gf::test
