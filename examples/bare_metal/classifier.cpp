#include "examples/bare_metal/classifier.h"

#include <cstddef>
#include <new>
#include <span>

#include "digits_model.h"
#include "runtime/exec/session.h"
#include "runtime/include/ghostflow/tables.h"
#include "runtime/load/program.h"

namespace digits {
namespace {

// Sizes as memory_needs tells them for this model, rounded up; a byte too few is a BufferTooSmall from start().
alignas(64) std::byte g_work[GF_BARE_METAL_WORK];          // while the session is made; then activations use it
alignas(64) std::byte g_session[GF_BARE_METAL_SESSION];
alignas(64) std::byte g_weights[GF_BARE_METAL_WEIGHTS];

// Made by start() and never destroyed: a static object with a destructor would need start-up code to register it.
template <class T>
struct Slot {
  alignas(T) std::byte storage[sizeof(T)];
  T* object = nullptr;

  gf::Error take(gf::Result<T>&& made) {
    if (!made.ok()) return made.error();
    object = new (storage) T(static_cast<T&&>(*made));
    return gf::Error::Ok;
  }
};
Slot<gf::Program> g_program;
Slot<gf::Weights> g_packed;
Slot<gf::Session> g_live;

}  // namespace

gf::Error start(gf::ErrorDetail& detail) {
  const gf::Tables tables = gf::default_tables();
  const gf::SessionOptions options;
  const auto* bytes = reinterpret_cast<const std::byte*>(digits_model_gf);
  GF_TRY(g_program.take(gf::Program::load({bytes, digits_model_gf_size}, tables.ops, {}, &detail)));
  const gf::Program& program = *g_program.object;
  GF_TRY(g_packed.take(gf::Weights::create(program, tables, options, g_weights, {}, g_work, &detail)));
  gf::MemoryNeeds needs;
  GF_TRY(gf::memory_needs(program, "main", tables, options, g_work, needs, &detail));
  // planning is over before the first run, so activations take its memory
  const auto activations = static_cast<size_t>(needs.activation_bytes);
  const auto scratch = static_cast<size_t>(needs.scratch_bytes);
  if (activations + scratch > sizeof g_work) return detail.error = gf::Error::BufferTooSmall;
  const gf::SessionMemory memory{g_session, {g_work, activations}, {g_work + activations, scratch}, {}};
  return g_live.take(gf::Session::create(program, "main", *g_packed.object, nullptr, tables, options, memory, &detail));
}

gf::Error classify(const uint8_t (&pixels)[kPixels], float (&probabilities)[kClasses], gf::ErrorDetail& detail) {
  const gf::TensorView image = g_live.object->input(0);
  for (int i = 0; i < kPixels; ++i) image.as<float>()[i] = static_cast<float>(pixels[i]) / 255.0f;
  GF_TRY(g_live.object->run(&detail));
  const auto* values = g_live.object->output(0).as<const float>();
  for (int i = 0; i < kClasses; ++i) probabilities[i] = values[i];
  return gf::Error::Ok;
}

uint32_t arena_bytes() { return sizeof g_work + sizeof g_session + sizeof g_weights; }

}  // namespace digits
