#include "trainer/parallel/ops.h"

#include <algorithm>
#include <cstring>

#include "trainer/parallel/communicator.h"

namespace gf::parallel {
namespace {

Error no_scope(const RunContext& c) {
  return GF_FAIL(c.detail, Error::WrongPhase, c.node, "a step over several ranks runs inside a parallel::Scope, on that thread");
}

// What a communicator throws ends the run.
template <class F>
Error guarded(const RunContext& c, const F& f) {
  Scope* const scope = Scope::current();
  if (scope == nullptr) return no_scope(c);
  try {
    return f(*scope);
  } catch (const Exception& e) {
    return GF_FAIL(c.detail, e.code(), c.node, "%s", e.what());
  } catch (const std::exception&) {
    return GF_FAIL(c.detail, Error::OutOfMemory, c.node, "no memory for a transfer between ranks");
  }
}

// Files say how many ranks they are for where that matters.
Error check_ranks(const RunContext& c, Scope& scope, int64_t ranks) {
  if (ranks == 0 || ranks == scope.communicator().size()) return Error::Ok;
  return GF_FAIL(c.detail, Error::InvalidArgument, c.node, "this step is made for %d ranks, there are %d", static_cast<int>(ranks), scope.communicator().size());
}

size_t element_bytes(const TensorView& v) { return static_cast<size_t>(dtype_bits(v.dtype) / 8); }

// Elements [first, first + count) of all inputs, one behind the other, zeros behind them.
void pack(const RunContext& c, int64_t first, int64_t count, std::byte* to) {
  const size_t size = element_bytes(c.input(0));
  int64_t begin = 0, put = 0;
  for (int i = 0; i < c.input_count; ++i) {
    const int64_t n = c.input(i).count(), from = std::max<int64_t>(0, first - begin), until = std::min(n, first + count - begin);
    if (from < until) {
      std::memcpy(to + static_cast<size_t>(put) * size, c.input(i).as<const std::byte>() + static_cast<size_t>(from) * size, static_cast<size_t>(until - from) * size);
      put += until - from;
    }
    begin += n;
  }
  std::memset(to + static_cast<size_t>(put) * size, 0, static_cast<size_t>(count - put) * size);
}

Error run_reduce(RunContext& c) {
  return guarded(c, [&](Scope& scope) {
    const auto& a = c.attributes<Reduce::Attrs>();
    GF_TRY(check_ranks(c, scope, a.ranks));
    TensorView& buffer = c.output(0);
    pack(c, 0, a.count, buffer.as<std::byte>());
    Communicator& all = scope.communicator();
    scope.begun(a.bucket, a.ranks == 0 ? all.all_reduce(buffer.data, a.count, buffer.dtype) : all.reduce_scatter(buffer.data, a.count / a.ranks, buffer.dtype));
    return Error::Ok;
  });
}

Error run_gather(RunContext& c) {
  return guarded(c, [&](Scope& scope) {
    const auto& a = c.attributes<Gather::Attrs>();
    GF_TRY(check_ranks(c, scope, a.ranks));
    const TensorView& part = c.input(0);
    const size_t bytes = static_cast<size_t>(part.count()) * element_bytes(part);
    std::memcpy(c.output(0).as<std::byte>() + static_cast<size_t>(scope.communicator().rank()) * bytes, part.data, bytes);
    scope.begun(a.bucket, scope.communicator().all_gather(c.output(0).data, static_cast<int64_t>(bytes)));
    return Error::Ok;
  });
}

template <class T>
void copy_divided(const void* from, void* to, int64_t count, int ranks) {
  const auto divisor = static_cast<T>(ranks);
  for (int64_t i = 0; i < count; ++i) static_cast<T*>(to)[i] = static_cast<const T*>(from)[i] / divisor;
}

Error run_wait(RunContext& c) {
  return guarded(c, [&](Scope& scope) {
    const auto& a = c.attributes<Wait::Attrs>();
    scope.wait(a.bucket);
    const TensorView& buffer = c.input(0);
    const Communicator& all = scope.communicator();
    const size_t size = element_bytes(buffer);
    int64_t at = a.ranks == 0 ? 0 : buffer.count() / a.ranks * all.rank();
    size_t dims = 0;
    for (int i = 0; i < c.output_count; ++i) {
      int64_t count = 1;
      const auto rank = static_cast<size_t>(a.shapes[dims++]);
      for (size_t d = 0; d < rank; ++d) count *= a.shapes[dims++];
      const std::byte* from = buffer.as<const std::byte>() + static_cast<size_t>(at) * size;
      at += count;
      if (!c.has_output(i)) continue;
      void* const to = c.output(i).data;
      if (!a.mean || all.size() == 1) std::memcpy(to, from, static_cast<size_t>(count) * size);
      else if (buffer.dtype == DType::F32) copy_divided<float>(from, to, count, all.size());
      else copy_divided<double>(from, to, count, all.size());
    }
    return Error::Ok;
  });
}

Error run_part(RunContext& c) {
  return guarded(c, [&](Scope& scope) {
    const auto& a = c.attributes<Part::Attrs>();
    GF_TRY(check_ranks(c, scope, a.ranks));
    const int64_t each = a.count / a.ranks;
    pack(c, each * scope.communicator().rank(), each, c.output(0).as<std::byte>());
    return Error::Ok;
  });
}

Error run_count(RunContext& c) {
  return guarded(c, [&](Scope& scope) {
    const auto& a = c.attributes<Count::Attrs>();
    const int64_t more = a.by * (a.all ? scope.communicator().size() : scope.communicator().rank());
    for (int64_t i = 0; i < c.input(0).count(); ++i) c.output(0).as<int64_t>()[i] = c.input(0).as<const int64_t>()[i] + more;
    return Error::Ok;
  });
}

template <class Op>
constexpr Kernel kernel_of(Error (*run)(RunContext&)) {
  return {.op = Op::info.id, .name = Op::info.name, .rank = 10, .prepare = [](const NodeView&, KernelPlan&) { return Error::Ok; }, .init = nullptr, .run = run, .destroy = nullptr};
}
constexpr Kernel kReduce = kernel_of<Reduce>(run_reduce), kGather = kernel_of<Gather>(run_gather), kWait = kernel_of<Wait>(run_wait), kPart = kernel_of<Part>(run_part),
                 kCount = kernel_of<Count>(run_count);

// All inputs of one type that can be added; how many numbers they have.
Error sum_of_counts(InferContext& c, int64_t& sum) {
  GF_TRY(c.expect_type(0, dtypes(DType::F32, DType::F64)));
  sum = 0;
  for (int i = 0; i < c.input_count(); ++i) {
    if (!c.has_input(i)) return c.fail(Error::BadGraph, "input %d is missing", i);
    GF_TRY(c.expect_same_type(0, i));
    const Dim n = c.count(c.shape(i));
    if (!n.is_const()) return c.fail(Error::ShapeMismatch, "the shape of input %d is not constant", i);
    sum += n.lo;
  }
  return Error::Ok;
}
Error check_parts(InferContext& c, int64_t count, int64_t ranks, int64_t least) {
  if (count < least) return c.fail(Error::BadAttribute, "count is less than the inputs have");
  if (ranks != 0 && count % ranks != 0) return c.fail(Error::BadAttribute, "count does not divide by ranks");
  return Error::Ok;
}

}  // namespace

Error Reduce::infer(InferContext& c, const Attrs& a) {
  int64_t sum = 0;
  GF_TRY(sum_of_counts(c, sum));
  GF_TRY(check_parts(c, a.count, a.ranks, sum));
  DimShape shape;
  shape.push(Dim(a.count));
  return c.set(0, c.dtype(0), shape);
}
Error Part::infer(InferContext& c, const Attrs& a) {
  int64_t sum = 0;
  GF_TRY(sum_of_counts(c, sum));
  GF_TRY(check_parts(c, a.count, a.ranks, sum));
  DimShape shape;
  shape.push(Dim(a.count / a.ranks));
  return c.set(0, c.dtype(0), shape);
}
Error Gather::infer(InferContext& c, const Attrs& a) {
  GF_TRY(c.expect_type(0, dtypes(DType::F32, DType::F64)));
  GF_TRY(c.expect_rank(0, 1));
  DimShape shape;
  shape.push(c.mul(c.shape(0)[0], Dim(a.ranks)));
  return c.set(0, c.dtype(0), shape);
}
Error Wait::infer(InferContext& c, const Attrs& a) {
  GF_TRY(c.expect_type(0, dtypes(DType::F32, DType::F64)));
  GF_TRY(c.expect_rank(0, 1));
  if (!c.shape(0)[0].is_const()) return c.fail(Error::ShapeMismatch, "the shape of the buffer is not constant");
  int64_t left = a.ranks == 0 ? c.shape(0)[0].lo : c.shape(0)[0].lo / a.ranks;
  size_t at = 0;
  for (int i = 0; i < c.output_count(); ++i) {
    const int64_t rank = at < a.shapes.size() ? a.shapes[at++] : -1;
    if (rank < 0 || rank > kMaxRank || a.shapes.size() - at < static_cast<size_t>(rank)) return c.fail(Error::BadAttribute, "shapes does not tell the shape of output %d", i);
    DimShape shape;
    int64_t count = 1;
    for (int64_t d = 0; d < rank; ++d) {
      const int64_t dim = a.shapes[at++];
      if (dim < 0 || (dim != 0 && count > left / dim)) return c.fail(Error::BadAttribute, "output %d is larger than what came", i);
      count *= dim;
      shape.push(Dim(dim));
    }
    if (count > left) return c.fail(Error::BadAttribute, "output %d is larger than what came", i);
    left -= count;
    GF_TRY(c.set(i, c.dtype(0), shape));
  }
  return Error::Ok;
}
Error Count::infer(InferContext& c, const Attrs&) {
  GF_TRY(c.expect_type(0, dtypes(DType::I64)));
  return c.set(0, c.dtype(0), c.shape(0));
}

void add_transfer_ops(ModelOptions& options) {
  for (const OpDef* op : {&op_def<Reduce>, &op_def<Gather>, &op_def<Wait>, &op_def<Part>, &op_def<Count>}) options.custom_ops.push_back(op);
  for (const Kernel* kernel : {&kReduce, &kGather, &kWait, &kPart, &kCount}) options.custom_kernels.push_back(kernel);
}

}  // namespace gf::parallel
