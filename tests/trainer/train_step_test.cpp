// Train steps: one entry that computes a loss and replaces the weights, run by the runtime like any other.
#include "trainer/step/train_step.h"

#include <cmath>
#include <limits>

#include "tests/trainer/golden_json.h"
#include "tests/trainer/gradcheck_support.h"
#include "trainer/optim/optimizers.h"

namespace gf::test {
namespace {

using nlohmann::json;
using Rule = std::shared_ptr<const optim::Optimizer>;

const json& goldens() {
  static const json all = golden_file("train_steps.json");
  return all;
}

// tanh(x w1 + b1) w2 + b2 with cross entropy, the weights being constants as in an imported model.
struct SmallNet : Net {
  ir::ValueId loss = ir::kNoValue;

  SmallNet() {
    const auto x = input("x", {8, 6}), t = input("t", {8}, DType::I64);
    const auto h = b.add<op::Tanh>({b.add<op::Add>({b.add<op::MatMul>({x, weight("w1")}), weight("b1")})});
    const auto scores = b.add<op::Add>({b.add<op::MatMul>({h, weight("w2")}), weight("b2")});
    loss = b.add<op::SoftmaxCrossEntropyLoss>({scores, t});
    output("loss", loss);
  }
  ir::ValueId weight(const std::string& name) {
    const io::Array a = array_of(goldens()["weights"][name]);
    return entry.add_constant(ir::make_constant(a.dtype, a.shape, a.data), name);
  }
};

const std::vector<std::string> kWeights = {"w1", "b1", "w2", "b2"};

std::vector<std::byte> train_file(SmallNet& n, const std::vector<ParameterGroup>& groups, const TrainStepOptions& options, bool passes) {
  make_parameters(n.model, weight_names(n.model));
  add_train_step(n.model, n.entry, n.loss, groups, options);
  ir::check(n.model);
  if (passes) {
    PassOptions p;
    p.exact = true;
    p.evaluator = make_evaluator(default_tables(false));
    run_passes(n.model, p);
    ir::check(n.model);
  }
  return emit(n.model);
}
std::vector<std::byte> train_file(const Rule& rule, const TrainStepOptions& options = {}, bool passes = true) {
  SmallNet n;
  return train_file(n, {{kWeights, rule}}, options, passes);
}

void set_batch(Model& model, size_t step) {
  const json& batch = goldens()["batches"][step % goldens()["batches"].size()];
  for (const char* name : {"x", "t"}) {
    const io::Array a = array_of(batch[name]);
    std::memcpy(model.input<std::byte>(name).data(), a.data.data(), a.data.size());
  }
}

std::vector<std::byte> state_bytes(Model& model, const std::string& name) {
  const auto bytes = model.state()->bytes(model.state()->find(name));
  return {bytes.begin(), bytes.end()};
}
float number(Model& model) { return model.output<float>("loss")[0]; }

void expect_like_torch(const std::string& name, const Rule& rule) {
  SCOPED_TRACE(name);
  const auto& cases = goldens()["cases"];
  const auto it = std::find_if(cases.begin(), cases.end(), [&](const json& c) { return c["name"] == name; });
  ASSERT_NE(it, cases.end());
  TrainStepOptions options;
  options.clip_norm = it->value("clip_norm", 0.0);
  options.clip_value = it->value("clip_value", 0.0);
  std::vector<std::vector<std::byte>> ends[2];
  for (const bool passes : {false, true}) {
    Model model = Model::from_bytes(train_file(rule, options, passes), {});
    for (size_t step = 0; step < (*it)["losses"].size(); ++step) {
      set_batch(model, step);
      model.run();
      const auto want = (*it)["losses"][step].get<double>();
      EXPECT_NEAR(static_cast<double>(number(model)), want, 1e-5 * want) << "step " << step;
    }
    for (const std::string& w : kWeights) {
      const io::Array want = array_of((*it)["weights"][w]);
      const auto bytes = state_bytes(model, w);
      ASSERT_EQ(bytes.size(), want.data.size());
      const auto* a = reinterpret_cast<const float*>(bytes.data());
      const auto* b = reinterpret_cast<const float*>(want.data.data());
      for (size_t i = 0; i < bytes.size() / 4; ++i) EXPECT_NEAR(a[i], b[i], 2e-5f) << w << "[" << i << "]";
      ends[passes].push_back(bytes);
    }
    double done = 0;
    EXPECT_EQ(model.state()->read(kStepState, &done, sizeof done), Error::Ok);
    EXPECT_EQ(done, 20);
  }
  EXPECT_EQ(ends[0], ends[1]) << "fused and plain steps differ";  // bit for bit
}

TEST(TrainStep, LikeTorch) {
  expect_like_torch("sgd", std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.1}));
  expect_like_torch("momentum", std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-3, .nesterov = true}));
  expect_like_torch("adam", std::make_shared<optim::Adam>(optim::AdamSettings{.lr = 0.01}));
  expect_like_torch("adamw_clip_norm", std::make_shared<optim::AdamW>(optim::AdamWSettings{.lr = 0.02}));
  expect_like_torch("sgd_clip_value", std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.1}));
}

const Rule& adam() {
  static const Rule rule = std::make_shared<optim::Adam>(optim::AdamSettings{.lr = 0.01});
  return rule;
}

// The update of a weight is one node that writes weight and moments itself, in place.
TEST(TrainStep, UpdatesAreFusedAndInPlace) {
  const ir::Model read = read_gf(train_file(adam()));
  int chains = 0, copies = 0;
  for (const auto& n : read.entries[0]->body.nodes) {
    if (n->is<op::Pointwise>() && n->outputs.size() == 3) ++chains;
    if (n->writes_state >= 0) ++copies;
  }
  EXPECT_EQ(chains, 4);
  EXPECT_EQ(copies, 13);  // three for each of four weights and the step, as the reader shows them
  // written again it is the same file: the copies are left out again
  ir::Model again = read_gf(train_file(adam()));
  EXPECT_EQ(emit(again), train_file(adam()));
  Model model = Model::from_bytes(train_file(adam()), {});
  model.run();
  int copying = 0;
  for (int i = 0; i < model.session().node_count(); ++i) copying += std::string_view(model.session().node(i).op) == "identity" ? 1 : 0;
  EXPECT_EQ(copying, 1);  // the number of the step, which the rules read too
}

TEST(TrainStep, LearningRateIsState) {
  Model model = Model::from_bytes(train_file(std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.1})), {});
  const double zero = 0;
  ASSERT_EQ(model.state()->write(learning_rate_state(0), &zero, sizeof zero), Error::Ok);
  const auto before = state_bytes(model, "w1");
  set_batch(model, 0);
  model.run();
  EXPECT_EQ(state_bytes(model, "w1"), before);
  const double rate = 0.1;
  ASSERT_EQ(model.state()->write(learning_rate_state(0), &rate, sizeof rate), Error::Ok);
  model.run();
  EXPECT_NE(state_bytes(model, "w1"), before);
}

// Two groups with settings of their own; what is in none stays.
TEST(TrainStep, GroupsAndFrozenParameters) {
  SmallNet n;
  const Rule fast = std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5}), slow = std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0});
  Model model = Model::from_bytes(train_file(n, {{{"w1"}, fast}, {{"b1", "w2"}, slow}}, {}, true), {});
  const auto w1 = state_bytes(model, "w1"), w2 = state_bytes(model, "w2"), b2 = state_bytes(model, "b2");
  set_batch(model, 0);
  model.run();
  EXPECT_NE(state_bytes(model, "w1"), w1);
  EXPECT_EQ(state_bytes(model, "w2"), w2);
  EXPECT_EQ(state_bytes(model, "b2"), b2);
}

// Whatever stops a step leaves every State as it was, and the next step is as if it had not been.
TEST(TrainStep, AStoppedStepChangesNothing) {
  TrainStepOptions watch;
  watch.stop_if_not_finite = true;
  for (const bool label : {true, false}) {
    Model model = Model::from_bytes(train_file(adam(), watch), {}), clean = Model::from_bytes(train_file(adam(), watch), {});
    for (Model* m : {&model, &clean}) {
      set_batch(*m, 0);
      m->run();
    }
    std::vector<std::vector<std::byte>> before;
    for (int i = 0; i < model.state()->count(); ++i) before.emplace_back(model.state()->bytes(i).begin(), model.state()->bytes(i).end());
    if (label) model.input<int64_t>("t")[3] = 4;
    else model.input<float>("x")[5] = std::numeric_limits<float>::quiet_NaN();
    try {
      model.run();
      ADD_FAILURE() << "the step ran";
    } catch (const Exception& e) {
      EXPECT_EQ(e.code(), label ? Error::IndexOutOfRange : Error::NonFinite) << e.what();
    }
    for (int i = 0; i < model.state()->count(); ++i)
      EXPECT_TRUE(std::equal(before[static_cast<size_t>(i)].begin(), before[static_cast<size_t>(i)].end(), model.state()->bytes(i).begin()));
    for (Model* m : {&model, &clean}) {
      set_batch(*m, 1);
      m->run();
    }
    EXPECT_EQ(state_bytes(model, "w1"), state_bytes(clean, "w1"));
  }
}

TEST(TrainStep, ThreadsDoNotMatter) {
  std::vector<std::vector<std::byte>> ends;
  for (const int threads : {1, 2, 4}) {
    ModelOptions options;
    options.threads = threads;
    Model model = Model::from_bytes(train_file(adam()), options);
    for (size_t step = 0; step < 10; ++step) {
      set_batch(model, step);
      model.run();
    }
    ends.push_back(state_bytes(model, "w1"));
  }
  EXPECT_EQ(ends[0], ends[1]);
  EXPECT_EQ(ends[0], ends[2]);
}

TEST(TrainStep, Errors) {
  const auto refused = [](Error code, const std::string& text, const std::vector<ParameterGroup>& groups, bool scores = false) {
    SmallNet n;
    make_parameters(n.model, kWeights);
    n.model.states.push_back({"nobody's", DType::F32, {3}, nullptr});
    ir::ValueId loss = n.loss;
    if (scores) loss = n.b.add<op::Neg>({n.entry.value(n.entry.body.inputs[0]).name == "x" ? n.entry.body.inputs[0] : ir::kNoValue});
    try {
      add_train_step(n.model, n.entry, loss, groups);
      ADD_FAILURE() << "nothing was thrown: " << text;
    } catch (const Exception& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    }
  };
  refused(Error::NotFound, "no parameter 'w9'", {{{"w1", "w9"}, adam()}});
  refused(Error::InvalidArgument, "'w1' is given twice", {{{"w1"}, adam()}, {{"w1"}, adam()}});
  refused(Error::InvalidArgument, "does not depend on parameter 'nobody's'", {{{"w1", "nobody's"}, adam()}});
  refused(Error::InvalidArgument, "no parameter to train", {});
  refused(Error::InvalidArgument, "group 0 has no optimizer", {{{"w1"}, nullptr}});
  refused(Error::ShapeMismatch, "gradients need one number", {{{"w1"}, adam()}}, true);
  SmallNet n;
  EXPECT_THROW(make_parameters(n.model, {"w7"}), Exception);
}

}  // namespace
}  // namespace gf::test
