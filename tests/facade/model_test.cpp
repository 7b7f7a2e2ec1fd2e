// needs: GF_CONVERTER GF_IO GF_OPS_CPU
// gf::Model: three lines to an answer, typed access, shapes, labels, custom ops, and every misuse as an exception that says
// what there is instead.
#include "tests/facade/facade_support.h"

namespace gf::test {
namespace {

template <class F>
Exception thrown(F&& f) {
  try {
    f();
  } catch (const Exception& e) {
    return e;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {Error::Ok, ""};
}
bool says(const Exception& e, const char* words) { return std::string(e.what()).find(words) != std::string::npos; }

TEST(Model, ThreeLinesToAnAnswer) {
  Model model = Model::from_bytes(counter_file());
  model.input<int64_t>("index")[0] = 2;
  model.run();
  EXPECT_EQ(model.output<float>("y")[1], 52);
  EXPECT_EQ(model.labels(), (std::vector<std::string>{"zero", "one", "two"}));
}

TEST(Model, TypedAccessChecksNameAndType) {
  Model model = Model::from_bytes(dynamic_file());
  const Exception name = thrown([&] { model.input<float>("picture"); });
  EXPECT_EQ(name.code(), Error::NotFound);
  EXPECT_TRUE(says(name, "'picture'") && says(name, "'x'")) << name.what();
  const Exception type = thrown([&] { model.input<int32_t>("x"); });
  EXPECT_EQ(type.code(), Error::TypeMismatch);
  EXPECT_TRUE(says(type, "float32")) << type.what();
  EXPECT_EQ(thrown([&] { model.output<double>("y"); }).code(), Error::TypeMismatch);
  EXPECT_EQ(thrown([&] { model.output<float>("z"); }).code(), Error::NotFound);
  const Exception entry = thrown([&] { model.run("decode"); });
  EXPECT_EQ(entry.code(), Error::NotFound);
  EXPECT_TRUE(says(entry, "decode")) << entry.what();
  EXPECT_EQ(model.input<std::byte>("x").size(), 48U);
}

TEST(Model, ShapesInsideTheirBounds) {
  Model model = Model::from_bytes(dynamic_file());
  EXPECT_EQ(model.input<float>("x").size(), 12U);
  model.set_shape("x", std::vector<int64_t>{2, 3});
  EXPECT_EQ(model.input<float>("x").size(), 6U);
  for (float& v : model.input<float>("x")) v = 4;
  model.run();
  EXPECT_EQ(std::vector<float>(model.output<float>("y").begin(), model.output<float>("y").end()), std::vector<float>(6, 9));
  EXPECT_EQ(thrown([&] { model.set_shape("x", std::vector<int64_t>{5, 3}); }).code(), Error::ShapeOutOfBounds);
  EXPECT_EQ(thrown([&] { model.set_shape("x", std::vector<int64_t>{2, 4}); }).code(), Error::ShapeMismatch);
  EXPECT_EQ(thrown([&] { model.set_shape("w", std::vector<int64_t>{2, 4}); }).code(), Error::NotFound);
}

TEST(Model, BytesInPlaceMustBeAlignedAndExternalOnesBound) {
  const auto bytes = dynamic_file();
  const Block file = Block::copy(bytes);
  EXPECT_EQ(thrown([&] { Model::from_memory(file.span().subspan(8)); }).code(), Error::Misaligned);
  Model in_place = Model::from_memory(file.span());
  in_place.run();
  ModelOptions o;
  o.external_io = true;
  Model external = Model::from_memory(file.span(), o);
  EXPECT_EQ(thrown([&] { external.input<float>("x"); }).code(), Error::WrongPhase);
  EXPECT_EQ(thrown([&] { external.run(); }).code(), Error::WrongPhase);
}

TEST(Model, DataErrorsNameTheNodeAndLeaveStateAlone) {
  Model model = Model::from_bytes(counter_file());
  model.input<int64_t>("index")[0] = -4;
  try {
    model.run();
    FAIL() << "index -4 ran";
  } catch (const ModelError& e) {
    EXPECT_EQ(e.code(), Error::IndexOutOfRange);
    EXPECT_EQ(e.node(), 0);
  }
  float total[2] = {};
  ASSERT_EQ(model.state()->read("total", total, sizeof total), Error::Ok);
  EXPECT_EQ(total[0], 1);
}

TEST(Model, TheCallersThreads) {
  int calls = 0;
  ModelOptions o;
  o.parallel = {[](void* context, int64_t tasks, ParallelFor::Body body, void* argument) {
                  ++*static_cast<int*>(context);
                  for (int64_t t = 0; t < tasks; ++t) body(argument, t, 0);
                },
                &calls, 3};
  Model model = Model::from_bytes(convert_digits(1, 1), o);
  EXPECT_EQ(model.threads(), 3);
  model.run();
  EXPECT_GT(calls, 0);
}

TEST(State, SavesAndRestoresEverythingOrNothing) {
  Loaded l(counter_file());
  Running r(l);
  run(r.session, {{"index", HostTensor::from<int64_t>(std::vector<int64_t>{1}, {})}});
  std::vector<std::byte> saved(static_cast<size_t>(l.state->save_bytes()));
  ErrorDetail d;
  EXPECT_EQ(l.state->save(std::span(saved).first(saved.size() - 1), &d), Error::BufferTooSmall);
  ASSERT_EQ(l.state->save(saved, &d), Error::Ok) << d.text;
  l.state->reset();
  std::vector<std::byte> damaged = saved;
  damaged.back() ^= std::byte{1};
  EXPECT_EQ(l.state->restore(damaged, &d), Error::BadChecksum);
  float total[2] = {};
  ASSERT_EQ(l.state->read("total", total, sizeof total), Error::Ok);
  EXPECT_EQ(total[0], 1);
  ASSERT_EQ(l.state->restore(saved, &d), Error::Ok) << d.text;
  ASSERT_EQ(l.state->read("total", total, sizeof total), Error::Ok);
  EXPECT_EQ(total[0], 101);
}

}  // namespace
}  // namespace gf::test
