// Generation with keys and values kept: the scores of a token computed behind a cache are those of the whole sequence computed at once.
#include "trainer/nn/cache.h"

#include <cmath>

#include "tests/trainer/step_nets.h"
#include "trainer/models/llama.h"
#include "trainer/nn/attention.h"
#include "trainer/tensor/recording.h"

namespace gf::test {
namespace {

using nn::KeyValueCache;

Tensor waves(const Shape64& shape, double step) {
  std::vector<float> v(static_cast<size_t>(io::element_count(shape, "test")));
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(std::sin(step * static_cast<double>(i + 1)));
  return Tensor::from(v, shape);
}
void expect_close(const Tensor& have, const Tensor& want, const std::string& what) {
  ASSERT_EQ(have.shape(), want.shape()) << what;
  EXPECT_TRUE(all_close(have.array().as<double>(), want.array().as<double>(), {.relative = 1e-5, .absolute = 1e-5})) << what;
}

TEST(KeyValueCache, MultiheadAttentionGoesOn) {
  const no_grad off;
  nn::manual_seed(2);
  nn::MultiheadAttention net(12, 3);
  net.eval();
  const Tensor x = waves({2, 7, 12}, 0.7), whole = net.forward(x, x, x, {.is_causal = true});
  KeyValueCache cache({.batch = 2, .capacity = 9, .heads = 3, .dim = 4});
  for (int turn = 0; turn < 2; ++turn) {  // the second time over what the first one left
    int64_t at = 0;
    for (const int64_t length : {3, 1, 1, 2}) {
      const Tensor part = narrow(x, 1, at, at + length);
      expect_close(net.forward(part, cache, 0), narrow(whole, 1, at, at + length), "from " + std::to_string(at));
      cache.advance(length);
      at += length;
    }
    EXPECT_EQ(cache.position.item(), 7);
    cache.rewind();
  }
}

// Rewound to the middle it goes on from there.
TEST(KeyValueCache, GroupedQueriesAndGoingBack) {
  const no_grad off;
  const Tensor q = waves({1, 4, 6, 8}, 0.3), k = waves({1, 2, 6, 8}, 0.9), v = waves({1, 2, 6, 8}, 1.7);
  const Tensor whole = nn::scaled_dot_product_attention(q, k, v, {}, true, 0.2);
  KeyValueCache cache({.layers = 2, .capacity = 6, .heads = 2, .dim = 8});
  const auto step = [&](int64_t at, int64_t length) {
    const auto part = [&](const Tensor& t) { return narrow(t, 2, at, at + length); };
    expect_close(cache.attend(1, part(q), part(k), part(v), 0.2), part(whole), "from " + std::to_string(at));
    cache.advance(length);
  };
  step(0, 4);
  step(4, 1);
  cache.rewind(2);
  step(2, 1);
  step(3, 3);
}

// --- language models

struct Language {
  std::string name;
  std::shared_ptr<nn::Module> net;
  std::function<Tensor(const Tensor&, KeyValueCache&)> next;
  std::function<std::shared_ptr<KeyValueCache>(int64_t batch, int64_t capacity)> make_cache;
};
template <class M>
Language language(const std::string& name, std::shared_ptr<M> net) {
  net->eval();
  return {name, net, [net](const Tensor& x, KeyValueCache& c) { return net->forward(x, c); }, [net](int64_t n, int64_t most) { return net->make_cache(n, most); }};
}
std::vector<Language> languages() {
  nn::manual_seed(8);
  return {language("gpt2", std::make_shared<models::Gpt2>(models::Gpt2Options{.words = 31, .positions = 24, .depth = 2, .heads = 4, .dim = 16})),
          language("llama", std::make_shared<models::Llama>(models::LlamaOptions{.words = 31, .depth = 2, .heads = 4, .kv_heads = 2, .dim = 16, .hidden = 24})),
          language("llama of one group", std::make_shared<models::Llama>(models::LlamaOptions{.words = 31, .depth = 2, .heads = 4, .kv_heads = 4, .dim = 16, .hidden = 24}))};
}
Tensor last(const Tensor& scores) { return narrow(scores, 1, scores.size(1) - 1, scores.size(1)); }
std::vector<int64_t> best(const Tensor& scores) {
  const std::vector<double> s = scores.array().as<double>();
  const auto words = static_cast<size_t>(scores.size(2));
  std::vector<int64_t> ids;
  for (size_t row = 0; row * words < s.size(); ++row) {
    const double* from = s.data() + row * words;
    ids.push_back(std::max_element(from, from + words) - from);
  }
  return ids;
}
const std::vector<int64_t> kPrompt = {3, 17, 8, 30, 1, 3, 22, 9, 12, 5};  // of two sequences

TEST(KeyValueCache, ModelsGenerateTokenByToken) {
  const no_grad off;
  for (const Language& l : languages()) {
    SCOPED_TRACE(l.name);
    const auto cache = l.make_cache(2, 20);
    Tensor text = Tensor::from<int64_t>(kPrompt, {2, 5}), scores = last(l.next(text, *cache));
    int64_t programs = 0;
    for (int step = 0; step < 12; ++step) {
      const Tensor want = last((*l.net)(text));
      expect_close(scores, want, "token " + std::to_string(step));
      const std::vector<int64_t> ids = best(scores);
      EXPECT_EQ(ids, best(want));
      const Tensor word = Tensor::from<int64_t>(ids, {2, 1});
      text = cat({text, word}, 1);
      const int64_t before = lazy::compiled_programs();
      scores = l.next(word, *cache);
      (void)scores.array();
      const int64_t more = lazy::compiled_programs() - before;
      if (step > 1) programs += more;
    }
    EXPECT_EQ(programs, 0) << "one program serves every token";
    EXPECT_EQ(cache->position.item(), 17);
  }
}

// The same as entries of one file, which share the cache as State; before and after the passes.
TEST(KeyValueCache, TracedItIsStateOfPrefillAndDecode) {
  const no_grad off;
  for (const Language& l : languages())
    for (const bool passes : {false, true}) {
      SCOPED_TRACE(l.name + (passes ? ", optimised" : ""));
      const auto cache = l.make_cache(2, 12);
      const auto traced = [&](const char* name, int64_t length) {
        const Tensor x = Tensor::zeros({2, length}, DType::I64);
        return trace_call({{"words", x}}, cache->full_state(), [&] { return NamedTensors{{"scores", l.next(x, *cache)}}; }, {.name = name});
      };
      ir::Model graph = traced("prefill", 5);
      add_entries(graph, traced("decode", 1));
      EXPECT_EQ(cache->position.item(), 0) << "tracing ran nothing";
      if (passes) {
        PassOptions options;
        options.evaluator = make_evaluator(default_tables(false));
        run_passes(graph, options);
      }
      ir::check(graph);
      Model model = Model::from_bytes(emit(graph), {});
      const auto run = [&](const char* entry, const std::vector<int64_t>& ids) {
        std::copy(ids.begin(), ids.end(), model.input<int64_t>("words", entry).begin());
        model.run(entry);
        const auto s = model.output<float>("scores", entry);
        return Tensor::from(std::vector<float>(s.begin(), s.end()), {2, static_cast<int64_t>(ids.size()) / 2, 31});
      };
      Tensor text = Tensor::from<int64_t>(kPrompt, {2, 5}), scores = last(run("prefill", kPrompt));
      for (int step = 0; step < 7; ++step) {
        expect_close(scores, last((*l.net)(text)), "token " + std::to_string(step));
        const std::vector<int64_t> ids = best(scores);
        text = cat({text, Tensor::from<int64_t>(ids, {2, 1})}, 1);
        scores = run("decode", ids);
      }
      try {
        run("decode", {1, 2});
        ADD_FAILURE() << "more positions than the cache has";
      } catch (const Exception& e) {
        EXPECT_EQ(e.code(), Error::IndexOutOfRange) << e.what();
      }
      int64_t position = 0;
      ASSERT_EQ(model.state()->read("position", &position, sizeof position), Error::Ok);
      EXPECT_EQ(position, 12) << "the run that stopped left State as it was";
      const int64_t zero = 0;
      ASSERT_EQ(model.state()->write("position", &zero, sizeof zero), Error::Ok);
      expect_close(last(run("prefill", kPrompt)), last((*l.net)(narrow(text, 1, 0, 5))), "from the start again");
    }
}

template <class F>
void expect_refused(F&& f, Error code, const std::string& text) {
  try {
    f();
    ADD_FAILURE() << "no error; expected: " << text;
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
  }
}

TEST(KeyValueCache, Errors) {
  expect_refused([] { KeyValueCache({.capacity = 0, .dim = 4}); }, Error::InvalidArgument, "capacity is 0");
  expect_refused([] { KeyValueCache({.layers = -1, .capacity = 3, .dim = 4}); }, Error::InvalidArgument, "layers is -1");
  const no_grad off;
  KeyValueCache cache({.batch = 2, .capacity = 4, .heads = 3, .dim = 4});
  const Tensor x = Tensor::zeros({2, 3, 1, 4}), one = Tensor::zeros({1, 3, 1, 4}), text = Tensor::from<int64_t>({1, 2}, {2, 1});
  expect_refused([&] { cache.attend(1, x, x, x); }, Error::InvalidArgument, "layer 1 of 1");
  expect_refused([&] { cache.attend(0, one, one, one); }, Error::ShapeMismatch, "the cache is made for [2, 3, length, 4]");
  expect_refused([&] { cache.rewind(5); }, Error::InvalidArgument, "rewind to 5 of 4");
  nn::MultiheadAttention attention(12, 3);
  expect_refused([&] { attention.forward(Tensor::zeros({2, 1, 12}), cache, 0); }, Error::InvalidArgument, "MultiheadAttention: a cache is for evaluation");
  models::Gpt2 gpt({.words = 7, .positions = 8, .depth = 1, .heads = 1, .dim = 4});
  models::Llama llama({.words = 7, .depth = 1, .heads = 1, .kv_heads = 1, .dim = 4, .hidden = 4});
  const auto for_gpt = gpt.make_cache(2, 4);
  expect_refused([&] { gpt.forward(text, *for_gpt); }, Error::InvalidArgument, "Gpt2: a cache is for evaluation");
  expect_refused([&] { llama.forward(text, *llama.make_cache(2, 4)); }, Error::InvalidArgument, "Llama: a cache is for evaluation");
  // lazily, too, what does not fit ends the run that would need it
  attention.eval();
  expect_refused([&] { (void)attention.forward(Tensor::zeros({2, 5, 12}), cache, 0).array(); }, Error::ShapeMismatch, "");
  const Tensor four = attention.forward(Tensor::zeros({2, 4, 12}), cache, 0);
  cache.advance(4);
  (void)four.array();
  expect_refused([&] { (void)attention.forward(Tensor::zeros({2, 1, 12}), cache, 0).array(); }, Error::IndexOutOfRange, "do not fit");
  // a second trace must have the same State, and an entry of another name
  const auto trace_of = [](int64_t capacity, const char* name) {
    KeyValueCache c({.capacity = capacity, .dim = 4});
    const Tensor k = Tensor::zeros({1, 1, 1, 4});
    return trace_call({{"k", k}}, c.full_state(), [&] { return NamedTensors{{"y", c.attend(0, k, k, k)}}; }, {.name = name});
  };
  ir::Model graph = trace_of(3, "a");
  expect_refused([&] { add_entries(graph, trace_of(4, "b")); }, Error::ShapeMismatch, "other State");
  expect_refused([&] { add_entries(graph, trace_of(3, "a")); }, Error::InvalidArgument, "an entry 'a' already");
}

}  // namespace
}  // namespace gf::test
