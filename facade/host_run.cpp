#include "facade/host_run.h"

#include <cstring>

namespace gf {
namespace {

void check(Error error, const ErrorDetail& detail) {
  if (error != Error::Ok) throw Exception(error, std::string(error_name(error)) + ": " + detail.text);
}

}  // namespace

std::vector<std::pair<std::string, HostTensor>> run_named(Model& model, const std::vector<std::pair<std::string, HostTensor>>& inputs,
                                                          std::string_view entry) {
  Session& s = model.session(entry);
  for (const auto& [name, tensor] : inputs) set_input(s, name, tensor);
  ErrorDetail detail;
  check(s.run(&detail), detail);
  std::vector<std::pair<std::string, HostTensor>> out;
  const int index = model.program().find_entry(entry);
  for (int i = 0; i < s.output_count(); ++i) out.emplace_back(std::string(model.program().output(index, i).name), get_output(s, i));
  return out;
}

void set_input(Session& session, std::string_view name, const HostTensor& tensor) {
  const int i = session.find_input(name);
  if (i < 0) throw Exception(Error::NotFound, "the model has no input '" + std::string(name) + "'");
  const TensorView before = session.input(i);
  if (before.dtype != tensor.dtype)
    throw Exception(Error::TypeMismatch, "input '" + std::string(name) + "' is " + dtype_name(before.dtype) + ", not " + dtype_name(tensor.dtype));
  ErrorDetail detail;
  check(session.set_input_shape(i, tensor.shape, &detail), detail);
  if (!tensor.data.empty()) std::memcpy(session.input(i).data, tensor.data.data(), tensor.data.size());
}

HostTensor get_output(const Session& session, int i) {
  const TensorView view = session.output(i);
  HostTensor t;
  t.dtype = view.dtype;
  t.shape.assign(view.shape.dims, view.shape.dims + view.shape.rank);
  uint64_t bytes = 0;
  if (!bytes_checked(view.count(), view.dtype, bytes)) throw Exception(Error::Internal, "output has no size");
  t.data.resize(static_cast<size_t>(bytes));
  if (bytes != 0) std::memcpy(t.data.data(), view.data, t.data.size());
  return t;
}

}  // namespace gf
