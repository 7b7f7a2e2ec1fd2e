#include "facade/c/handles.h"

#include <algorithm>
#include <cstdlib>

#include "facade/entry.h"

namespace gf::c {

static_assert(static_cast<int>(Error::ShapeOutOfBounds) == GF_SHAPE_OUT_OF_BOUNDS && static_cast<int>(Error::LimitExceeded) == GF_LIMIT_EXCEEDED &&
              static_cast<int>(Error::NotImplemented) == GF_NOT_IMPLEMENTED && static_cast<int>(Error::Busy) == GF_BUSY &&
              static_cast<int>(Error::NonFinite) == GF_NON_FINITE && static_cast<int>(Error::Internal) == GF_INTERNAL);
static_assert(static_cast<int>(DType::Bool) == GF_BOOL && static_cast<int>(DType::C128) == GF_COMPLEX128 && kDTypeCount == GF_COMPLEX128 + 1);
static_assert(kMaxRank == GF_MAX_RANK && kAlignment == GF_ALIGNMENT && sizeof(gf_error::text) == sizeof(ErrorDetail::text));

gf_status check_flags(uint32_t flags, uint32_t allowed, gf_error* error) {
  if ((flags & ~allowed) == 0) return GF_OK;
  return fail(error, Error::InvalidArgument, "flags 0x%x: bits 0x%x mean nothing here", flags, flags & ~allowed);
}

gf_status check_parallel(const gf_parallel& p, gf_error* error) {
  if (p.run == nullptr && (p.threads != 0 || p.context != nullptr)) return fail(error, Error::InvalidArgument, "parallel has no run function");
  if (p.run != nullptr && (p.threads < 1 || p.threads > ThreadPool::kMaxThreads))
    return fail(error, Error::InvalidArgument, "parallel.threads is %d, not 1 to %d", p.threads, ThreadPool::kMaxThreads);
  return GF_OK;
}

gf_status check_allocator(const gf_allocator& a, gf_error* error) {
  if ((a.allocate == nullptr) == (a.release == nullptr)) return GF_OK;
  return fail(error, Error::InvalidArgument, "an allocator needs both functions or none");
}

// Of every block of the library's own, since release is not told the alignment that was asked for.
constexpr std::align_val_t kOwnAlignment{kAlignment};

void* allocate(const gf_allocator& a, size_t bytes, size_t alignment) {
  if (alignment > kAlignment) throw Exception(Error::Internal, "no block is aligned to " + std::to_string(alignment));
  if (a.allocate == nullptr) return ::operator new(bytes, kOwnAlignment, std::nothrow);
  void* memory = a.allocate(a.context, bytes, alignment);
  if (memory == nullptr || reinterpret_cast<uintptr_t>(memory) % alignment == 0) return memory;
  a.release(a.context, memory, bytes);
  throw Exception(Error::Misaligned, "the allocator gave an address that is not aligned to " + std::to_string(alignment));
}

void release(const gf_allocator& a, void* memory, size_t bytes) {
  if (memory == nullptr) return;
  if (a.release != nullptr) a.release(a.context, memory, bytes);
  else ::operator delete(memory, kOwnAlignment);
}

int find_entry(const Program& program, const char* entry) {
  return entry_for(program, entry != nullptr ? entry : "main");
}

void fill(gf_tensor& out, const TensorView& view, std::string_view name) {
  out.name = c_text(name);
  out.dtype = static_cast<int32_t>(view.dtype);
  out.rank = view.shape.rank;
  std::copy_n(view.shape.dims, kMaxRank, out.dims);
  std::copy_n(view.shape.dims, kMaxRank, out.min_dims);
  out.data = view.data;
  out.bytes = 0;
  int64_t count = 0;
  if (!count_checked(view.shape.span(), count) || !bytes_checked(count, view.dtype, out.bytes)) out.bytes = 0;
}

void fill(gf_tensor& out, const PortInfo& port, const Program& program, int entry) {
  TensorView view;
  view.dtype = port.dtype;
  view.shape.rank = port.rank;
  std::copy_n(port.bounds, kMaxRank, view.shape.dims);
  fill(out, view, port.name);
  for (int d = 0; d < port.rank; ++d) {
    if (port.symbols[d] >= 0) out.min_dims[d] = program.symbol(entry, port.symbols[d]).lo;
    else if (port.symbols[d] < -1) out.min_dims[d] = 0;
  }
}

}  // namespace gf::c

extern "C" {

uint32_t gf_abi_version(void) { return GF_ABI_VERSION; }
const char* gf_version_string(void) { return GF_VERSION; }
const char* gf_status_name(gf_status status) { return gf::error_name(static_cast<gf::Error>(status)); }
const char* gf_dtype_name(gf_dtype dtype) {
  return gf::dtype_name(static_cast<unsigned>(dtype) < static_cast<unsigned>(gf::kDTypeCount) ? static_cast<gf::DType>(dtype) : gf::DType::Invalid);
}

}  // extern "C"
