// needs: GF_CONVERTER GF_OPS_CPU
// Promises of Session::run: no heap call, the same bits for every number of threads and every run, on the golden nets.
#include <iostream>

#include "tests/ops/op_test_util.h"
#include "tests/runtime/session_support.h"
#include "tests/support/heap_counter.h"

namespace gf::test {
namespace {

// Runs that leave all set-up to before the counting.
uint64_t heap_calls(Session& s, int runs) {
  ErrorDetail detail;
  Error first = s.run(&detail);
  EXPECT_EQ(first, Error::Ok) << detail.text;
  bool ok = true;
  const HeapCounts counts = count_heap_calls([&] {
    for (int i = 0; i < runs; ++i) ok = ok && s.run(&detail) == Error::Ok;
  });
  EXPECT_TRUE(ok) << detail.text;
  return counts.calls();
}

void fill(Session& s, const Named& inputs) {
  for (const auto& [name, tensor] : inputs) set_input(s, name, tensor);
}

TEST(ZeroHeap, TheCounterSeesAPlantedAllocation) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  const HeapCounts counts = count_heap_calls([] { delete[] new (std::nothrow) char[123]; });
  void* volatile kept = nullptr;
  const HeapCounts c2 = count_heap_calls([&] {
    kept = std::malloc(77);
    std::free(kept);
  });
  EXPECT_GE(c2.allocations, 1U);
  EXPECT_GE(c2.frees, 1U);
  static_cast<void>(counts);  // the compiler may remove the first pair
}

TEST(ZeroHeap, ThousandRunsOfTheDigits) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  const auto file = convert_digits(1, 8);
  for (const int threads : {1, 2}) {
    Threads pool(threads);
    Loaded l(file, Loaded::with(pool.parallel()));
    Running r(l);
    for (const int64_t batch : {8, 1, 3}) {
      set_input(r.session, "image", digits_input(batch));
      EXPECT_EQ(heap_calls(r.session, 1000), 0U) << threads << " threads, batch " << batch;
    }
  }
}

TEST(ZeroHeap, ShapeChangesWithinBoundsToo) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  Loaded l(convert_digits(1, 8));
  Running r(l);
  const int64_t shapes[4][4] = {{8, 1, 28, 28}, {1, 1, 28, 28}, {5, 1, 28, 28}, {2, 1, 28, 28}};
  set_input(r.session, "image", digits_input(8));
  ASSERT_EQ(r.session.run(), Error::Ok);
  bool ok = true;
  const HeapCounts counts = count_heap_calls([&] {
    for (int i = 0; i < 1000; ++i) ok = ok && r.session.set_input_shape(0, shapes[i % 4]) == Error::Ok && r.session.run() == Error::Ok;
  });
  EXPECT_TRUE(ok);
  EXPECT_EQ(counts.calls(), 0U);
}

TEST(ZeroHeap, ShapeChangesBetweenLegalAndIllegalSizesToo) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  Threads pool(2);
  Loaded l(convert_open_unet(), Loaded::with(pool.parallel()));
  Running r(l);
  const int64_t legal[3][4] = {{1, 3, 16, 16}, {2, 3, 32, 48}, {1, 3, 32, 16}}, illegal[4] = {1, 3, 47, 51};
  ErrorDetail d;
  bool ok = true;
  const HeapCounts counts = count_heap_calls([&] {
    for (int i = 0; i < 30; ++i) {
      ok = ok && r.session.set_input_shape(0, illegal, &d) == Error::Ok && r.session.run(&d) == Error::ShapeMismatch;
      ok = ok && r.session.set_input_shape(0, legal[i % 3], &d) == Error::Ok && r.session.run(&d) == Error::Ok;
    }
  });
  EXPECT_TRUE(ok) << d.text;
  EXPECT_EQ(counts.calls(), 0U);
}

TEST(ZeroHeap, TwentyRunsOfEveryGolden) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  for (const std::string& name : golden_names()) {
    const TestNet net = read_net(source_path("tests/golden/" + name));
    const auto file = convert_net(net);
    for (const int threads : {1, 2}) {
      Threads pool(threads);
      Loaded l(file, Loaded::with(pool.parallel(), 1 << 20));
      Running r(l);
      fill(r.session, net.inputs[0]);
      EXPECT_EQ(heap_calls(r.session, 20), 0U) << name << ", " << threads << " threads";
    }
#if GF_XNNPACK
    Loaded l(file, Loaded::with({}, 1 << 20), default_tables(false));
    Running r(l);
    fill(r.session, net.inputs[0]);
    EXPECT_EQ(heap_calls(r.session, 20), 0U) << name << " without XNNPACK";
#endif
  }
}

TEST(Determinism, GoldensAreBitEqualForThreadsAndRuns) {
  for (const std::string& name : golden_names()) {
    const TestNet net = read_net(source_path("tests/golden/" + name));
    const auto file = convert_net(net);
    std::vector<HostTensor> first;
    for (const int threads : {1, 2, 4}) {
      Threads pool(threads);
      Loaded l(file, Loaded::with(pool.parallel(), 1 << 20));
      Running r(l);
      for (int i = 0; i < 2; ++i) {
        const auto out = run(r.session, net.inputs[0]);
        if (first.empty()) first = out;
        ASSERT_EQ(out.size(), first.size());
        for (size_t k = 0; k < out.size(); ++k) EXPECT_TRUE(out[k] == first[k]) << name << " output " << k << " with " << threads << " threads, run " << i;
      }
    }
  }
}

// On every machine that the tests run on; gf-diff --suite says the same of the tools (tests/models/suites_test.cpp).
TEST(GoldenNets, AnswersAreThoseOfOnnxRuntime) {
  for (const std::string& name : golden_names()) {
    const TestNet net = read_net(source_path("tests/golden/" + name));
    Loaded l(convert_net(net), Loaded::with({}, 1 << 20));
    Running r(l);
    for (size_t set = 0; set < net.inputs.size(); ++set) {
      const auto out = run(r.session, net.inputs[set]);
      ASSERT_EQ(out.size(), net.expected[set].size()) << name;
      for (size_t k = 0; k < out.size(); ++k)
        EXPECT_TRUE(close(out[k], net.expected[set][k], 1e-3, 1e-4)) << name << ", set " << set << ", output " << k;
    }
  }
}

TEST(SessionApi, InputsAreCheckedWithText) {
  Loaded l(convert_digits(1, 8));
  Running r(l);
  Session& s = r.session;
  ErrorDetail d;
  const int64_t good[] = {2, 1, 28, 28}, rank3[] = {2, 28, 28}, wide[] = {2, 1, 28, 29}, none[] = {0, 1, 28, 28}, many[] = {9, 1, 28, 28}, negative[] = {-1, 1, 28, 28};
  EXPECT_EQ(s.set_input_shape(0, good, &d), Error::Ok);
  EXPECT_EQ(s.set_input_shape(1, good, &d), Error::InvalidArgument);
  EXPECT_EQ(s.set_input_shape(-1, good, &d), Error::InvalidArgument);
  EXPECT_EQ(s.set_input_shape(0, rank3, &d), Error::ShapeMismatch);
  EXPECT_EQ(s.set_input_shape(0, wide, &d), Error::ShapeMismatch);
  EXPECT_EQ(s.set_input_shape(0, none, &d), Error::ShapeOutOfBounds);
  EXPECT_EQ(s.set_input_shape(0, many, &d), Error::ShapeOutOfBounds);
  EXPECT_NE(std::string(d.text).find("image"), std::string::npos) << d.text;
  EXPECT_EQ(s.set_input_shape(0, negative, &d), Error::ShapeOutOfBounds);
  EXPECT_EQ(s.input(0).shape[0], 2);  // a refused shape changes nothing
  EXPECT_EQ(s.find_input("nothing"), -1);
  EXPECT_EQ(s.find_output("nothing"), -1);
  EXPECT_EQ(s.input(7).data, nullptr);
  EXPECT_EQ(s.output(-1).data, nullptr);
  float one = 0;
  EXPECT_EQ(s.bind_input(0, &one, sizeof one, &d), Error::WrongPhase);
  EXPECT_THROW(set_input(s, "image", HostTensor::zeros(DType::F64, {1, 1, 28, 28})), Exception);
  EXPECT_THROW(set_input(s, "picture", digits_input(1)), Exception);
}

TEST(SessionApi, ClosedAndMovedSessionsAnswerWithAnError) {
  Loaded l(convert_digits(1, 1));
  Running r(l);
  Session moved = std::move(r.session);
  EXPECT_EQ(r.session.run(), Error::WrongPhase);  // NOLINT: the moved-from session is what is tested
  EXPECT_EQ(moved.run(), Error::Ok);
  moved.close();
  moved.close();
  ErrorDetail d;
  EXPECT_EQ(moved.run(&d), Error::WrongPhase);
  EXPECT_EQ(moved.input_count(), 0);
  EXPECT_EQ(Session().run(), Error::WrongPhase);
}

TEST(SessionApi, BoundInputsAndOutputsAreUsedWithoutACopy) {
  SessionOptions o = Loaded::with();
  o.external_inputs = o.external_outputs = true;
  const auto file = convert_digits(2, 2);
  Loaded plain(file), l(file, o);
  Running expected(plain), r(l);
  EXPECT_LT(r.needs.activation_bytes, expected.needs.activation_bytes);
  const HostTensor x = digits_input(2);
  const auto want = run(expected.session, {{"image", x}});
  ErrorDetail d;
  EXPECT_EQ(r.session.run(&d), Error::WrongPhase);
  std::vector<float> out(20, -1), in = x.as<float>();
  EXPECT_EQ(r.session.bind_input(0, in.data(), in.size() * 4 - 1, &d), Error::BufferTooSmall);
  EXPECT_EQ(r.session.bind_input(0, reinterpret_cast<std::byte*>(in.data()) + 1, in.size() * 4, &d), Error::Misaligned);
  EXPECT_EQ(r.session.bind_input(0, nullptr, in.size() * 4, &d), Error::InvalidArgument);
  ASSERT_EQ(r.session.bind_input(0, in.data(), in.size() * 4, &d), Error::Ok) << d.text;
  ASSERT_EQ(r.session.bind_output(0, out.data(), out.size() * 4, &d), Error::Ok) << d.text;
  ASSERT_EQ(r.session.run(&d), Error::Ok) << d.text;
  EXPECT_EQ(out, want[0].as<float>());
}

TEST(SessionApi, StrictRefusesReferenceKernelsWithTheNodesName) {
  SessionOptions o;
  o.strict = true;
  Tables portable = default_tables(false);
  ErrorDetail d;
  const auto file = convert_digits(1, 1);
  const Block bytes = Block::copy(file);
  auto p = Program::load(bytes.span(), portable.ops);
  ASSERT_TRUE(p.ok());
  // only the last table holds the portable kernels
  Tables only;
  only.ops = portable.ops;
  only.add(portable.kernels[portable.kernel_table_count - 1]);
  const Block work(work_bytes(*p, only));
  MemoryNeeds n;
  EXPECT_EQ(memory_needs(*p, "main", only, o, work.span(), n, &d), Error::Unsupported);
  EXPECT_NE(std::string(d.text).find("strict"), std::string::npos) << d.text;
  EXPECT_GE(d.node, 0);
  EXPECT_EQ(memory_needs(*p, "nothing", only, o, work.span(), n, &d), Error::NotFound);
}

TEST(SessionApi, EveryNodeSaysItsKernel) {
  Loaded l(convert_digits(1, 1));
  Running r(l);
  ASSERT_GT(r.session.node_count(), 0);
  for (int i = 0; i < r.session.node_count(); ++i) EXPECT_STRNE(r.session.node(i).kernel, "") << r.session.node(i).op;
  EXPECT_STREQ(r.session.node(-1).op, "");
  EXPECT_STREQ(r.session.node(9999).op, "");
}

}  // namespace
}  // namespace gf::test
