// Heap calls of training: none in a strict step, none in the engine of a lazy one, and a recorder that stops growing.
#include <cmath>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "graph/emit/emit.h"
#include "graph/passes/pipeline.h"
#include "tests/runtime/session_support.h"
#include "tests/support/heap_counter.h"
#include "trainer/models/gpt2.h"
#include "trainer/models/small.h"
#include "trainer/nn/layers.h"
#include "trainer/nn/losses.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/train_step.h"
#include "trainer/tensor/functions.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/trace.h"
#include "trainer/tensor/trainable.h"

namespace gf::test {
namespace {

struct Task {
  std::string name;
  std::shared_ptr<nn::Module> net;
  std::function<Tensor(int step)> batch, labels;
};

Tensor images(const Shape64& shape, int step) {
  std::vector<float> v(static_cast<size_t>(io::element_count(shape, "test")));
  for (size_t i = 0; i < v.size(); ++i) v[i] = std::sin(0.1f * static_cast<float>(i + static_cast<size_t>(step)));
  return Tensor::from(v, shape);
}
Tensor words(const Shape64& shape, int64_t below, int step) {
  std::vector<int64_t> v(static_cast<size_t>(io::element_count(shape, "test")));
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<int64_t>(i * 7 + static_cast<size_t>(step)) % below;
  return Tensor::from(v, shape);
}

std::vector<Task> tasks() {
  nn::manual_seed(3);
  const auto sixteen = [](int step) { return images({4, 16}, step); };
  const auto three = [](int step) { return words({4}, 3, step); };
  const auto convs = std::shared_ptr<nn::Module>(new nn::Sequential{
      std::make_shared<nn::Conv2d>(1, 4, 3, nn::Conv2dOptions{.padding = 1, .bias = false}), std::make_shared<nn::BatchNorm2d>(4),
      std::make_shared<nn::Lambda>([](const Tensor& x) { return flatten(relu(x), 1); }), std::make_shared<nn::Dropout>(0.25),
      std::make_shared<nn::Linear>(4 * 64, 3)});
  return {{"mlp", std::make_shared<models::Mlp>(models::MlpOptions{.sizes = {16, 12, 3}}), sixteen, three},
          {"lenet", std::make_shared<models::LeNet>(models::LeNetOptions{.classes = 3}), [](int step) { return images({2, 1, 28, 28}, step); },
           [](int step) { return words({2}, 3, step); }},
          {"batch norm and dropout", convs, [](int step) { return images({4, 1, 8, 8}, step); }, three},
          {"gpt", std::make_shared<models::Gpt2>(models::Gpt2Options{.words = 11, .positions = 8, .depth = 2, .heads = 2, .dim = 16}),
           [](int step) { return words({2, 8}, 11, step); }, [](int step) { return words({16}, 11, step + 1); }}};
}

Tensor loss_of(const Task& task, const Tensor& x, const Tensor& t) {
  Tensor y = (*task.net)(x);
  if (y.rank() == 3) y = reshape(y, {-1, y.size(2)});
  return nn::cross_entropy(y, t);
}

std::shared_ptr<const optim::Optimizer> adam() { return std::make_shared<optim::AdamW>(optim::AdamWSettings{.lr = 1e-3}); }

std::vector<std::byte> strict_file(const Task& task) {
  const Tensor x = task.batch(0), t = task.labels(0);
  ir::Model graph = trace_call({{"x", x}, {"t", t}}, task.net->full_state(), [&] { return NamedTensors{{"loss", loss_of(task, x, t)}}; });
  std::vector<std::string> names;
  for (const auto& [name, p] : task.net->named_parameters()) names.push_back(name);
  TrainStepOptions step;
  step.clip_norm = 1;
  step.stop_if_not_finite = true;
  add_train_step(graph, *graph.entries[0], graph.entries[0]->body.outputs[0], {{names, adam()}}, step);
  PassOptions options;
  options.exact = true;
  run_passes(graph, options);
  return emit(graph);
}

TEST(ZeroHeap, StrictTrainSteps) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  for (const Task& task : tasks()) {
    const auto file = strict_file(task);
    for (const int threads : {1, 2}) {
      SCOPED_TRACE(task.name + ", " + std::to_string(threads) + " threads");
      Threads pool(threads);
      Loaded l(file, Loaded::with(pool.parallel()), default_tables(false));
      Running r(l);
      const auto set = [&](const char* name, const Tensor& t) {
        const io::Array a = t.array();
        std::memcpy(r.session.input(r.session.find_input(name)).data, a.data.data(), a.data.size());
      };
      set("x", task.batch(0));
      set("t", task.labels(0));
      ErrorDetail detail;
      ASSERT_EQ(r.session.run(&detail), Error::Ok) << detail.text;
      const auto loss = [&] { return *r.session.output(r.session.find_output("loss")).as<const float>(); };
      const float first = loss();
      bool ok = true;
      const HeapCounts counts = count_heap_calls([&] {
        for (int step = 0; step < 20; ++step) ok = ok && r.session.run(&detail) == Error::Ok;
      });
      EXPECT_TRUE(ok) << detail.text;
      EXPECT_EQ(counts.calls(), 0U);
      EXPECT_LT(loss(), first);  // it was training
    }
  }
}

// --- the lazy way

HeapCounts g_engine;
int64_t g_runs = 0;
void count_engine(bool begins) {
  if (begins) return heap_counter_start();
  const HeapCounts c = heap_counter_stop();
  g_engine.allocations += c.allocations;
  g_engine.maps += c.maps;
  ++g_runs;
}

// malloc hands out a block some bytes larger where the rest would be too small for one; a node alone has 200.
constexpr size_t kSlack = 512;
size_t bytes_in_use() {
#if defined(__GLIBC__)
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
#else
  return 0;
#endif
}

// What the engine does (gathering what is needed, the look-up, values in and out, the run) takes nothing from the heap after the first step.
TEST(ZeroHeap, TheEngineOfLazySteps) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  for (const Task& task : tasks())
    for (const bool look : {false, true}) {
      SCOPED_TRACE(task.name + (look ? ", loss looked at" : ""));
      task.net->train();
      Trainable optimizer(task.net->parameters(), adam());
      double last = 0;
      const auto step = [&](int k) {
        const Tensor loss = loss_of(task, task.batch(k), task.labels(k));
        loss.backward();
        if (look) last = loss.item();
        optimizer.step();
        if (!look) last = loss.item();
      };
      step(0);
      const int64_t programs = lazy::compiled_programs();
      g_engine = {};
      g_runs = 0;
      lazy::watch_engine(count_engine);
      for (int k = 1; k < 21; ++k) step(k);
      lazy::watch_engine(nullptr);
      EXPECT_EQ(g_runs, look ? 40 : 20);
      EXPECT_EQ(g_engine.allocations, 0U);
      EXPECT_EQ(g_engine.maps, 0U);
      EXPECT_EQ(lazy::compiled_programs(), programs);
      EXPECT_TRUE(std::isfinite(last));
    }
}

TEST(ZeroHeap, TheRecorderStopsGrowing) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  for (const Task& task : tasks())
    for (const bool look : {false, true}) {
      SCOPED_TRACE(task.name + (look ? ", loss looked at" : ""));
      task.net->train();
      Trainable optimizer(task.net->parameters(), adam());
      std::vector<int64_t> nodes(100), blocks(100);
      std::vector<size_t> bytes(100);
      std::vector<uint64_t> calls(100);
      for (size_t k = 0; k < 100; ++k) {
        heap_counter_start();
        {
          const Tensor loss = loss_of(task, task.batch(static_cast<int>(k)), task.labels(static_cast<int>(k)));
          loss.backward();
          if (look) (void)loss.item();
          optimizer.step();
        }
        const HeapCounts counts = heap_counter_stop();
        calls[k] = counts.allocations;
        blocks[k] = static_cast<int64_t>(counts.allocations) - static_cast<int64_t>(counts.frees);
        nodes[k] = lazy::live_nodes();
        bytes[k] = bytes_in_use();
      }
      EXPECT_EQ(nodes[99], nodes[9]);
      for (size_t k = 10; k < 100; ++k) {
        EXPECT_EQ(blocks[k], 0) << "step " << k;  // as many freed as taken
        EXPECT_EQ(calls[k], calls[9]) << "step " << k;
      }
      EXPECT_LT(bytes[99], bytes[9] + kSlack);
      std::printf("%s%s: %zu allocations by the recorder in a step, %lld live nodes\n", task.name.c_str(), look ? ", loss looked at" : "", static_cast<size_t>(calls[99]),
                  static_cast<long long>(nodes[99]));
    }
}

// The measure itself: a loop that keeps its losses grows, and is seen to.
TEST(ZeroHeap, ARecorderThatGrowsIsSeen) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  const Task task = tasks()[0];
  Trainable optimizer(task.net->parameters(), adam());
  std::vector<Tensor> kept;
  kept.reserve(20);
  int64_t nodes = 0;
  size_t bytes = 0;
  for (int k = 0; k < 20; ++k) {
    kept.push_back(loss_of(task, task.batch(k), task.labels(k)));
    kept.back().backward();
    optimizer.step();
    if (k == 9) nodes = lazy::live_nodes(), bytes = bytes_in_use();
  }
  EXPECT_GT(lazy::live_nodes(), nodes);
  EXPECT_GT(bytes_in_use(), bytes + kSlack);
}

}  // namespace
}  // namespace gf::test
