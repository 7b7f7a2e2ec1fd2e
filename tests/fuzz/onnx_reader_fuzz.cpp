// libFuzzer target of the ONNX container: any bytes as a model, a tensor, a sequence, an optional. Only gf::Exception
// may come out, and what was read must survive writing and reading again. Build: clang++
// -fsanitize=fuzzer,address,undefined; seeds: any .onnx and .pb files.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "converter/onnx/model_check.h"
#include "converter/onnx/reader.h"
#include "converter/onnx/tensor_data.h"
#include "converter/onnx/writer.h"
#include "runtime/core/exception.h"

namespace {

using namespace gf::onnx;

template <class Call>
void quietly(Call call) {
  try {
    call();
  } catch (const gf::Exception& e) {
    if (e.code() == gf::Error::Internal || e.code() == gf::Error::Ok) std::abort();
  }
}

void use(const Tensor& t, const ReadLimits& limits) {
  quietly([&] { (void)tensor_bytes(t, nullptr, "t", limits); });
  quietly([&] { (void)int64_values(t, nullptr, "t", limits); });
  quietly([&] { (void)parse_external(t.external_data, {}); });
}

void use(const Graph& g, const ReadLimits& limits) {
  for (const Tensor& t : g.initializer) use(t, limits);
  for (const SparseTensor& s : g.sparse_initializer) quietly([&] { (void)densify(s, nullptr, "s", limits); });
  for (const Node& n : g.node) {
    for (const Attribute& a : n.attribute) {
      for (const Tensor& t : a.tensors) use(t, limits);
      for (const SparseTensor& s : a.sparse_tensors) quietly([&] { (void)densify(s, nullptr, "s", limits); });
      for (const Graph& inner : a.graphs) use(inner, limits);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ReadLimits limits;
  limits.max_structure_bytes = 64 << 20;
  limits.max_dense_bytes = 16 << 20;
  const auto* first = reinterpret_cast<const std::byte*>(data);
  const Bytes bytes = Bytes::take({first, first + size});
  quietly([&] {
    const Model model = read_model(bytes, limits);
    quietly([&] { check_versions(model); });
    quietly([&] { check_names(model); });
    use(model.graph, limits);
    const std::vector<std::byte> written = write_model(model);
    Model again;
    try {
      again = read_model(Bytes::take(written), limits);
    } catch (const gf::Exception&) {
      std::abort();  // what we read and wrote must be readable
    }
    if (write_model(again) != written) std::abort();
  });
  quietly([&] { use(read_tensor(bytes, limits), limits); });
  quietly([&] { (void)read_sequence(bytes, limits); });
  quietly([&] { (void)read_optional(bytes, limits); });
  quietly([&] { (void)read_type(bytes, limits); });
  return 0;
}
