// A small app: a mapped file, static memory, the ops that ghostflow_add_runtime selects, no heap. Without ops (GF_SIZE_NO_OPS)
// it is what every app pays before its first op. tests/guard/size_test.sh measures it, selected_ops_test.sh runs it, and
// tests/package builds it from an installed library.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>

#include <ghostflow/session.h>

namespace {

constexpr size_t kBlockBytes = size_t{4} << 20;
alignas(64) std::byte g_blocks[6][kBlockBytes];  // static: no heap anywhere

gf::Tables tables() {
#ifdef GF_SIZE_NO_OPS
  return {};
#else
  return gf::default_tables();
#endif
}

int fail(const gf::ErrorDetail& detail) {
  std::fprintf(stderr, "%s: %s\n", gf::error_name(detail.error), detail.text);
  return 1;
}

/// Reads 28x28 (or whatever the model wants) raw float32 from a file; zeros without one.
bool read_input(const char* path, gf::TensorView input) {
  gf::ErrorDetail detail;
  const auto bytes = static_cast<size_t>(input.count()) * sizeof(float);
  if (path == nullptr) {
    std::memset(input.data, 0, bytes);
    return true;
  }
  return gf::read_file_into(path, {static_cast<std::byte*>(input.data), bytes}, &detail).ok();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: PROGRAM model.gf [input.f32]\n", stderr);
    return 2;
  }
  gf::ErrorDetail detail;
  const auto file = gf::MappedFile::open(argv[1], &detail);
  if (!file.ok()) return fail(detail);
  const gf::Tables ops = tables();
  const auto program = gf::Program::load(file->bytes(), ops.ops, {}, &detail);
  if (!program.ok()) return fail(detail);
  const gf::SessionOptions options;
  const std::span<std::byte> work = g_blocks[0];
  gf::MemoryNeeds needs;
  if (gf::memory_needs(*program, "main", ops, options, work, needs, &detail) != gf::Error::Ok) return fail(detail);
  const auto weights = gf::Weights::create(*program, ops, options, g_blocks[1], g_blocks[2], work, &detail);
  if (!weights.ok()) return fail(detail);
  auto state = gf::State::create(*program, std::span<std::byte>(g_blocks[2]), &detail);
  if (!state.ok()) return fail(detail);
  const gf::SessionMemory memory{g_blocks[3], g_blocks[4], g_blocks[5], {}};
  auto session = gf::Session::create(*program, "main", *weights, &*state, ops, options, memory, &detail);
  if (!session.ok()) return fail(detail);
  if (!read_input(argc > 2 ? argv[2] : nullptr, session->input(0))) return 1;
  if (session->run(&detail) != gf::Error::Ok) return fail(detail);
  const gf::TensorView out = session->output(0);
  const auto* values = static_cast<const float*>(out.data);
  int64_t best = 0;
  for (int64_t i = 1; i < out.count(); ++i)
    if (values[i] > values[best]) best = i;
  std::printf("%d\n", static_cast<int>(best));
  return 0;
}
