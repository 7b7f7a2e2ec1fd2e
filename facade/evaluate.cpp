#include "facade/evaluate.h"

#include <cstring>
#include <memory>
#include <new>

#include "runtime/core/checked.h"
#include "runtime/core/exception.h"

namespace gf {
namespace {

[[noreturn]] void raise(Error error, const OpDef& def, const ErrorDetail& detail, const char* phase) {
  const char* text = detail.text[0] != '\0' ? detail.text : error_name(error);
  throw Exception(error, std::string(def.info.name) + ": " + phase + ": " + text);
}

// 64-byte aligned memory of exact size (and `tail` bytes behind it): kernels may rely on the alignment of planned memory,
// and a sanitizer's red zone begins right after the last byte.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(uint64_t bytes, int poison = 0xff, size_t tail = 0) : bytes_(bytes) {
    const size_t size = (bytes == 0 ? 1 : static_cast<size_t>(bytes)) + tail;
    if (size >= bytes) memory_.reset(::operator new(size, std::align_val_t{kAlignment}, std::nothrow));
    if (memory_ == nullptr) throw Exception(Error::OutOfMemory, "evaluate: " + std::to_string(bytes) + " bytes are not to be had");
    std::memset(memory_.get(), poison, size);
  }
  void* data() const { return memory_.get(); }
  uint64_t size() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* p) const { ::operator delete(p, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<void, Free> memory_;
  uint64_t bytes_ = 0;
};

Shape to_shape(const HostTensor& t, const OpDef& def) {
  if (t.shape.size() > static_cast<size_t>(kMaxRank))
    throw Exception(Error::LimitExceeded, std::string(def.info.name) + ": an input has rank " +
                                              std::to_string(t.shape.size()) + ", the limit is " + std::to_string(kMaxRank));
  Shape s;
  s.rank = static_cast<int32_t>(t.shape.size());
  for (size_t d = 0; d < t.shape.size(); ++d) s.dims[d] = t.shape[d];
  return s;
}

// One evaluation: everything a node needs, in the order of the phases.
class Evaluation {
 public:
  Evaluation(const OpDef& def, const void* attrs, const HostInputs& inputs, const Tables& tables,
             const EvaluateOptions& options)
      : def_(def), attrs_(attrs), tables_(tables), options_(options) {
    check_arity(inputs.size());
    copy_inputs(inputs);
    infer();
    choose();
    set_views();
    pack_and_init();
  }
  ~Evaluation() {
    if (initialised_ && kernel_->destroy != nullptr) kernel_->destroy(data_.data());
  }
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

  std::vector<HostTensor> run();

 private:
  void check_arity(size_t inputs);
  void copy_inputs(const HostInputs& inputs);
  void infer();
  void choose();
  void set_views();
  void pack_and_init();
  size_t tail() const { return options_.padded ? kTailBytes : 0; }
  NodeView node() const {
    NodeView n;
    n.def = &def_;
    n.kernel = kernel_;
    n.attrs = attrs_;
    n.inputs = input_infos_;
    n.outputs = output_infos_;
    n.isa = options_.isa;
    n.threads = options_.parallel.threads;
    n.exact = options_.exact;
    return n;
  }

  const OpDef& def_;
  const void* attrs_;
  const Tables& tables_;
  const EvaluateOptions& options_;
  std::vector<Buffer> input_memory_;
  std::vector<Buffer> output_memory_;
  std::vector<TensorInfo> input_infos_;
  std::vector<TensorInfo> output_infos_;
  const Kernel* kernel_ = nullptr;
  KernelPlan plan_;
  Buffer packs_[kMaxPacks];
  Buffer data_, scratch_;
  std::vector<TensorView> ins_, outs_;
  std::vector<const TensorView*> in_pointers_;
  std::vector<TensorView*> out_pointers_;
  bool initialised_ = false;
};

void Evaluation::check_arity(size_t inputs) {
  const OpInfo& info = def_.info;
  const auto n = static_cast<int>(inputs);
  if (n < info.min_inputs || (info.max_inputs >= 0 && n > info.max_inputs))
    throw Exception(Error::BadGraph, std::string(info.name) + ": " + std::to_string(n) + " inputs given, the op takes " +
                                         std::to_string(info.min_inputs) + " to " + std::to_string(info.max_inputs));
}

void Evaluation::copy_inputs(const HostInputs& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    TensorInfo info;
    Buffer memory;
    if (inputs[i].has_value()) {
      const HostTensor& t = *inputs[i];
      info.present = true;
      info.dtype = t.dtype;
      info.shape = to_shape(t, def_);
      if (t.data.size() != io::byte_size(t.dtype, t.shape, def_.info.name))
        throw Exception(Error::ShapeMismatch, std::string(def_.info.name) + ": input " + std::to_string(i) + " holds " +
                                                  std::to_string(t.data.size()) + " bytes for shape " + io::shape_text(t.shape));
      memory = Buffer(t.data.size(), 0xff, tail());
      info.is_padded = options_.padded && !(i < options_.constant.size() && options_.constant[i]);
      if (!t.data.empty()) std::memcpy(memory.data(), t.data.data(), t.data.size());
      info.is_constant = i < options_.constant.size() && options_.constant[i];
      if (info.is_constant) info.constant_data = memory.data();
    } else if (static_cast<int>(i) < def_.info.min_inputs) {
      throw Exception(Error::BadGraph, std::string(def_.info.name) + ": required input " + std::to_string(i) + " is missing");
    }
    input_infos_.push_back(info);
    input_memory_.push_back(std::move(memory));
  }
}

void Evaluation::infer() {
  std::vector<InferTensor> ins(input_infos_.size());
  for (size_t i = 0; i < ins.size(); ++i) {
    const TensorInfo& t = input_infos_[i];
    ins[i].present = t.present;
    ins[i].dtype = t.dtype;
    ins[i].shape = DimShape(t.shape);
    if (t.present) ins[i].data = input_memory_[i].data();
  }
  const int wanted = options_.outputs >= 0 ? options_.outputs : (def_.info.min_outputs > 0 ? def_.info.min_outputs : 1);
  std::vector<InferTensor> outs(static_cast<size_t>(wanted));
  for (InferTensor& t : outs) t.present = true;
  ErrorDetail detail;
  if (const Error e = run_infer(def_, attrs_, ins, outs, nullptr, &detail, -1); e != Error::Ok)
    raise(e, def_, detail, "inference");
  for (const InferTensor& t : outs) {
    if (!t.shape_known)
      throw Exception(Error::Unsupported, std::string(def_.info.name) + ": the rank of an output depends on data");
    TensorInfo info;
    info.present = true;
    info.is_padded = options_.padded;
    info.dtype = t.dtype;
    info.shape.rank = t.shape.rank;
    for (int d = 0; d < t.shape.rank; ++d) {
      info.shape.dims[d] = t.shape[d].hi;
      if (!t.shape[d].is_const()) info.is_static = false;
    }
    int64_t count = 0;
    uint64_t bytes = 0;
    if (!count_checked(info.shape.span(), count) || !bytes_checked(count, info.dtype, bytes) || bytes > (uint64_t{1} << 40))
      throw Exception(Error::LimitExceeded, std::string(def_.info.name) + ": an output has no bounded size");
    output_infos_.push_back(info);
    output_memory_.emplace_back(bytes, 0xff, tail());
  }
}

void Evaluation::choose() {
  std::string reasons;
  int best = -1;
  for (int t = 0; t < tables_.kernel_table_count; ++t) {
    for (const Kernel* k : tables_.kernels[t]) {
      if (k->op != def_.info.id || (!options_.kernel.empty() && options_.kernel != k->name)) continue;
      if (!isa_allows(options_.isa, k->isa)) {
        reasons += std::string("; ") + k->name + " needs " + isa_name(k->isa);
        continue;
      }
      const int rank = tables_.rank(t, *k);
      if (rank <= best) continue;
      KernelPlan plan;
      NodeView asked = node();
      asked.kernel = k;
      const Error e = k->prepare(asked, plan);
      if (e == Error::Unsupported) {
        reasons += std::string("; ") + k->name + " refused: " + plan.refused;
        continue;
      }
      if (e != Error::Ok) raise(e, def_, ErrorDetail{}, "prepare");
      kernel_ = k;
      plan_ = plan;
      best = rank;
    }
  }
  if (kernel_ == nullptr)
    throw Exception(Error::Unsupported, std::string(def_.info.name) + ": no kernel takes this node" + reasons);
  if (options_.kernel_used != nullptr) *options_.kernel_used = kernel_->name;
}

void Evaluation::set_views() {
  ins_.resize(input_infos_.size());
  outs_.resize(output_infos_.size());
  for (size_t i = 0; i < ins_.size(); ++i) {
    ins_[i] = {input_memory_[i].data(), input_infos_[i].shape, input_infos_[i].dtype};
    in_pointers_.push_back(input_infos_[i].present ? &ins_[i] : nullptr);
  }
  for (size_t i = 0; i < outs_.size(); ++i) {
    outs_[i] = {output_memory_[i].data(), output_infos_[i].shape, output_infos_[i].dtype};
    out_pointers_.push_back(&outs_[i]);
  }
  for (size_t i = 0; options_.inplace && i < ins_.size(); ++i) {
    if (((plan_.inplace_inputs >> i) & 1U) == 0 || input_memory_[i].size() < output_memory_[0].size()) continue;
    outs_[0].data = input_memory_[i].data();
    break;
  }
}

void Evaluation::pack_and_init() {
  const NodeView view = node();
  for (int p = 0; p < plan_.pack_count; ++p) {
    packs_[p] = Buffer(plan_.packs[p].bytes);
    const Error e = plan_.packs[p].pack(view, packs_[p].data());
    if (e != Error::Ok) raise(e, def_, ErrorDetail{}, "packing");
  }
  data_ = Buffer(plan_.data_bytes, 0);
  scratch_ = Buffer(plan_.scratch_bytes);
  if (kernel_->init == nullptr) return;
  ErrorDetail detail;
  InitContext context;
  context.data = data_.data();
  context.data_bytes = plan_.data_bytes;
  for (int p = 0; p < plan_.pack_count; ++p) context.packed[p] = packs_[p].data();
  context.parallel = options_.parallel;
  context.inputs = in_pointers_.data();
  context.outputs = out_pointers_.data();
  context.scratch = scratch_.data();
  context.detail = &detail;
  const Error e = kernel_->init(view, context);
  if (e != Error::Ok) raise(e, def_, detail, "init");
  initialised_ = true;
}

std::vector<HostTensor> Evaluation::run() {
  const uint64_t per_worker = (plan_.scratch_bytes_per_worker + kAlignment - 1) / kAlignment * kAlignment;
  const Buffer worker_scratch(per_worker * static_cast<uint64_t>(std::max(1, options_.parallel.threads)));
  ErrorDetail detail;
  RunContext context;
  context.def = &def_;
  context.kernel = kernel_;
  context.attrs = attrs_;
  context.inputs = in_pointers_.data();
  context.outputs = out_pointers_.data();
  context.input_count = static_cast<int>(ins_.size());
  context.output_count = static_cast<int>(outs_.size());
  context.data = data_.data();
  context.scratch = scratch_.data();
  context.scratch_bytes_per_worker = per_worker;
  context.worker_scratch = worker_scratch.data();
  for (int p = 0; p < plan_.pack_count; ++p) context.packed[p] = packs_[p].data();
  context.parallel = options_.parallel;
  context.output_capacity = output_memory_.empty() ? 0 : output_memory_[0].size();
  context.detail = &detail;
  if (const Error e = kernel_->run(context); e != Error::Ok) raise(e, def_, detail, "run");
  std::vector<HostTensor> results;
  for (size_t i = 0; i < outs_.size(); ++i) {
    HostTensor t;
    t.dtype = outs_[i].dtype;
    t.shape.assign(outs_[i].shape.dims, outs_[i].shape.dims + outs_[i].shape.rank);
    const uint64_t bytes = io::byte_size(t.dtype, t.shape, def_.info.name);
    if (bytes > output_memory_[i].size())
      throw Exception(Error::Internal, std::string(def_.info.name) + ": the kernel made output " + std::to_string(i) +
                                           " larger than inference allowed");
    const auto* first = static_cast<const std::byte*>(outs_[i].data);
    t.data.assign(first, first + bytes);
    results.push_back(std::move(t));
  }
  return results;
}

}  // namespace

std::vector<HostTensor> evaluate_raw(const OpDef& def, const void* attrs, const HostInputs& inputs, const Tables& tables,
                                     const EvaluateOptions& options) {
  return Evaluation(def, attrs, inputs, tables, options).run();
}

std::vector<HostTensor> evaluate(const OpDef& def, const Attributes& attributes, const HostInputs& inputs,
                                 const Tables& tables, const EvaluateOptions& options) {
  const Buffer attrs(def.attrs_bytes, 0);
  def.construct(attrs.data());
  for (const Attribute& a : attributes) {
    const AttrField* found = nullptr;
    for (const AttrField& f : def.fields)
      if (a.name == f.name) found = &f;
    if (found == nullptr)
      throw Exception(Error::BadAttribute, std::string(def.info.name) + ": there is no attribute '" + a.name + "'");
    AttrValue value{a.type, a.i, a.f, a.s, a.ints, a.floats};
    if (found->type == AttrType::Float && a.type == AttrType::Int) {  // a literal 1 for a float attribute
      value.type = AttrType::Float;
      value.f = static_cast<double>(a.i);
    }
    ErrorDetail detail;
    if (const Error e = store_attr(*found, value, attrs.data(), &detail, -1); e != Error::Ok)
      raise(e, def, detail, "attributes");
  }
  return evaluate_raw(def, attrs.data(), inputs, tables, options);
}

}  // namespace gf
