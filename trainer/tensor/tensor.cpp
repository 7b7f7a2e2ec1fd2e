#include "trainer/tensor/tensor.h"

#include <cstring>
#include <string>

#include "graph/ir/builder.h"
#include "runtime/core/exception.h"
#include "schema/ops/identity.h"
#include "trainer/tensor/recording.h"

namespace gf {
using lazy::ContentPtr;
using lazy::tensor_of;
using lazy::Variable;

lazy::Variable& Tensor::variable() const {
  if (variable_ == nullptr) throw Exception(Error::InvalidArgument, "an empty Tensor is used");
  return *variable_;
}

Tensor Tensor::from_array(io::Array array) { return tensor_of(lazy::known_content(std::move(array))); }

Tensor Tensor::full(Shape64 shape, double value, DType type) {
  io::Array a = io::Array::zeros(type, std::move(shape));
  if (value != 0 && !a.data.empty()) {
    ir::Entry scratch;
    const auto element = scratch.value(ir::Builder(scratch, scratch.body).scalar(type, value)).constant->data;
    for (size_t at = 0; at < a.data.size(); at += element.size()) std::memcpy(a.data.data() + at, element.data(), element.size());
  }
  return from_array(std::move(a));
}
Tensor Tensor::scalar(double value, DType type) { return full({}, value, type); }

const Shape64& Tensor::shape() const { return variable().content->shape; }
DType Tensor::dtype() const { return variable().content->dtype; }
int64_t Tensor::numel() const { return io::element_count(shape(), "Tensor"); }

int64_t Tensor::size(int64_t axis) const {
  const int64_t n = rank();
  if (axis < -n || axis >= n)
    throw Exception(Error::InvalidArgument, "size(): axis " + std::to_string(axis) + " of a tensor of rank " + std::to_string(n));
  return shape()[static_cast<size_t>(axis < 0 ? axis + n : axis)];
}

io::Array Tensor::array() const { return lazy::host(variable().content); }

double Tensor::item() const {
  if (numel() != 1) throw Exception(Error::ShapeMismatch, "item(): the tensor has " + std::to_string(numel()) + " elements");
  const ContentPtr& c = variable().content;
  if (c->dtype != DType::F32 && c->dtype != DType::F64) return lazy::host(c).as<double>()[0];
  const auto* bytes = lazy::bytes_of(c).data();  // no copy on the host is made for a number
  float f = 0;
  double d = 0;
  std::memcpy(c->dtype == DType::F32 ? static_cast<void*>(&f) : &d, bytes, c->dtype == DType::F32 ? sizeof f : sizeof d);
  return c->dtype == DType::F32 ? static_cast<double>(f) : d;
}

namespace {

void replace(const std::shared_ptr<Variable>& v, ContentPtr next, const char* function) {
  const lazy::Content& now = *v->content;
  if (next->shape != now.shape)
    throw Exception(Error::ShapeMismatch, std::string(function) + "(): shape " + io::shape_text(next->shape) + " to a tensor of " + io::shape_text(now.shape));
  if (next->dtype != now.dtype)
    throw Exception(Error::TypeMismatch, std::string(function) + "(): " + dtype_name(next->dtype) + " to a tensor of " + dtype_name(now.dtype));
  if (now.history || next->history) throw Exception(Error::InvalidArgument, std::string(function) + "(): gradients would lead through it; use no_grad");
  next->leaf = v;
  v->content = std::move(next);
}

}  // namespace

void Tensor::assign(io::Array array) {
  (void)variable();
  replace(variable_, lazy::known_content(std::move(array)), "assign");
}
void Tensor::follow(const Tensor& next) {
  (void)variable();
  replace(variable_, next.variable().content, "follow");
  lazy::note_following(variable_->content);
}

Tensor& Tensor::set_requires_grad(bool on) {
  Variable& v = variable();
  if (on && !dtype_is_float(v.content->dtype))
    throw Exception(Error::TypeMismatch, std::string("requires_grad: the tensor is ") + dtype_name(v.content->dtype) + "; only floats have gradients");
  if (v.content->history) throw Exception(Error::InvalidArgument, "requires_grad: the tensor was computed from others; detach() it first");
  v.requires_grad = on;
  v.content->leaf = variable_;
  return *this;
}
bool Tensor::requires_grad() const { return variable().requires_grad || variable().content->history; }

Tensor Tensor::grad() const {
  const Variable& v = variable();
  return v.grad != nullptr && v.grad->content != nullptr ? Tensor(v.grad) : Tensor();
}
void Tensor::zero_grad() { variable().grad = nullptr; }
void Tensor::backward() const { lazy::record_backward(variable().content); }

Tensor Tensor::detach() const {
  const lazy::NoGrad off;
  return tensor_of(lazy::record(op_def<op::Identity>, nullptr, {variable().content})[0]);
}

namespace {

// Where the hooks of a tensor are: a leaf has them, and whatever value it gets; of a computed one the value has them.
lazy::Hooks& hooks_of(Variable& v, const char* function) {
  if (v.requires_grad) return v.hooks;
  if (!v.content->history)
    throw Exception(Error::InvalidArgument, std::string(function) + ": the tensor requires no gradients and was not computed from one that does");
  if (v.content->watch == nullptr) v.content->watch = std::make_shared<lazy::Watch>();
  return v.content->watch->hooks;
}

}  // namespace

int Tensor::register_hook(std::function<Tensor(const Tensor&)> hook) {
  if (hook == nullptr) throw Exception(Error::InvalidArgument, "register_hook: the hook is empty");
  lazy::Hooks& hooks = hooks_of(variable(), "register_hook");
  const int number = hooks.empty() ? 0 : hooks.back().first + 1;
  hooks.emplace_back(number, std::move(hook));
  return number;
}
void Tensor::remove_hook(int number) {
  Variable& v = variable();
  lazy::Hooks* hooks = v.requires_grad ? &v.hooks : v.content->watch != nullptr ? &v.content->watch->hooks : nullptr;
  if (hooks == nullptr || std::erase_if(*hooks, [&](const auto& h) { return h.first == number; }) == 0)
    throw Exception(Error::NotFound, "remove_hook: there is no hook " + std::to_string(number));
}
void Tensor::retain_grad() {
  Variable& v = variable();
  if (v.requires_grad) return;  // a leaf does anyway
  (void)hooks_of(v, "retain_grad");
  v.content->watch->retained = variable_;
}

std::vector<Tensor> grad(const Tensor& loss, const std::vector<Tensor>& by, bool create_graph) {
  std::vector<ContentPtr> contents;
  for (const Tensor& t : by) contents.push_back(t.variable().content);
  std::vector<Tensor> results;
  for (ContentPtr& c : lazy::record_gradients(loss.variable().content, contents, create_graph)) results.push_back(tensor_of(std::move(c)));
  return results;
}

std::vector<Tensor> apply(const OpDef& op, const void* attrs, std::span<const Tensor> inputs, size_t outputs) {
  std::vector<ContentPtr> contents;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i] && static_cast<int>(i) < op.info.min_inputs)
      throw Exception(Error::InvalidArgument, std::string(lazy::Call::name_or(op.info.name)) + ": operand " + std::to_string(i) + " is an empty Tensor");
    contents.push_back(inputs[i] ? inputs[i].variable().content : nullptr);
  }
  std::vector<Tensor> results;
  for (ContentPtr& c : lazy::record(op, attrs, contents, outputs)) results.push_back(tensor_of(std::move(c)));
  return results;
}

}  // namespace gf
