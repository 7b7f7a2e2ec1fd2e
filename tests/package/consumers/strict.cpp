// The strict interface in static memory, compiled with -fno-exceptions -fno-rtti: prints the number of the class.
#include <ghostflow/custom_op.h>
#include <ghostflow/session.h>

#include <cstdio>

alignas(gf::kAlignment) static std::byte g_blocks[6][size_t{1} << 18];

static int fail(const gf::ErrorDetail& detail) {
  std::fprintf(stderr, "%s: %s\n", gf::error_name(detail.error), detail.text);
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  gf::ErrorDetail detail;
  const auto file = gf::MappedFile::open(argv[1], &detail);
  if (!file.ok()) return fail(detail);
  const gf::Tables tables = gf::default_tables();
  const auto program = gf::Program::load(file->bytes(), tables.ops, {}, &detail);
  if (!program.ok()) return fail(detail);
  gf::SessionOptions options;
  options.isa = gf::machine_isa();
  gf::MemoryNeeds needs;
  if (gf::memory_needs(*program, "main", tables, options, g_blocks[0], needs, &detail) != gf::Error::Ok) return fail(detail);
  const auto weights = gf::Weights::create(*program, tables, options, g_blocks[1], g_blocks[2], g_blocks[0], &detail);
  if (!weights.ok()) return fail(detail);
  auto session = gf::Session::create(*program, "main", *weights, nullptr, tables, options, {g_blocks[3], g_blocks[4], g_blocks[5], {}}, &detail);
  if (!session.ok()) return fail(detail);
  std::FILE* pixels = std::fopen(argv[2], "r");
  auto* image = session->input(0).as<float>();
  for (int64_t i = 0; i < session->input(0).count(); ++i) {
    if (std::fscanf(pixels, "%f", &image[i]) != 1) return 3;
    image[i] /= 255;
  }
  std::fclose(pixels);
  if (session->run(&detail) != gf::Error::Ok) return fail(detail);
  const auto* scores = session->output(0).as<const float>();
  int best = 0;
  for (int i = 1; i < 10; ++i)
    if (scores[i] > scores[best]) best = i;
  std::printf("%d\n", best);
}
