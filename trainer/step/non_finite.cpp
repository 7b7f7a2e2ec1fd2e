#include "trainer/step/non_finite.h"

#include <algorithm>
#include <cstring>

#include "graph/emit/emit.h"
#include "graph/ir/copy.h"

namespace gf {
namespace {

void copy_inputs(const Session& from, Session& to) {
  for (int k = 0; k < to.input_count(); ++k) {
    const int named = from.find_input(to.input_name(k));
    const TensorView x = from.input(named >= 0 ? named : k);
    ErrorDetail detail;
    if (const Error e = to.set_input_shape(k, {x.shape.dims, static_cast<size_t>(x.shape.rank)}, &detail); e != Error::Ok) throw Exception(e, detail.text);
    const TensorView own = to.input(k);
    const uint64_t bytes = static_cast<uint64_t>(own.count()) * dtype_bits(own.dtype) / 8;
    if (bytes != 0) std::memcpy(own.data, x.data, static_cast<size_t>(bytes));
  }
}

void copy_state(const State& from, const Program& program, State& to) {
  for (int k = 0; k < to.count(); ++k) {
    const int named = from.find(program.state(k).name);
    const auto bytes = named >= 0 || k >= from.count() ? from.bytes(std::max(named, 0)) : from.bytes(k);
    if (bytes.size() != to.bytes(k).size())
      throw Exception(Error::NotFound, "find_non_finite: the session has no State like '" + std::string(program.state(k).name) + "'; is the graph its own?");
    std::copy(bytes.begin(), bytes.end(), to.bytes(k).begin());
  }
}

}  // namespace

NonFiniteReport find_non_finite(const ir::Model& graph, const std::string& entry, const Session& session, const State* state, const ModelOptions& how) {
  ir::Model plain = ir::copy(graph);
  for (ir::StateVar& s : plain.states) s.initial = nullptr;
  EmitOptions emit_options;
  emit_options.node_names = true;
  ModelOptions options = how;
  options.xnnpack = options.external_io = false;
  Model model = Model::from_bytes(emit(plain, emit_options), options);
  copy_inputs(session, model.session(entry));
  if (model.state() != nullptr && state != nullptr) copy_state(*state, model.program(), *model.state());
  return find_non_finite(model, entry);
}

NonFiniteReport find_non_finite(const ir::Model& graph, const std::string& entry, Model& running) {
  ModelOptions how;
  how.tables = running.tables();
  how.isa = running.isa();
  return find_non_finite(graph, entry, running.session(entry), running.state(), how);
}

}  // namespace gf
