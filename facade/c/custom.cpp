// Ops and kernels written in C: rows of the usual tables whose functions call back. One set of C++ functions serves all of
// them; the row that is asked (InferContext::def, NodeView::kernel, RunContext::kernel) leads to the C description.
#include "runtime/include/ghostflow/ghostflow_custom.h"

#include <algorithm>

#include "facade/c/handles.h"
#include "schema/op.h"

using gf::Error;
using gf::c::fail;
using gf::c::guarded;

// A node as callbacks see it; exactly one of the first three is set.
struct gf_node {
  gf::InferContext* infer = nullptr;
  const gf::NodeView* view = nullptr;      // prepare and init
  const gf::RunContext* run = nullptr;
  const gf::OpDef* def = nullptr;
  const void* attrs = nullptr;
  void* data = nullptr;
  gf::ErrorDetail* detail = nullptr;
  const char* refused = "";
};

namespace gf::c {
namespace {

constexpr int kMaxAttributes = 16;

// Attribute values of a node of a C op, in session memory. A value of type None was not in the file.
struct Values {
  AttrValue slot[kMaxAttributes];
};

template <int kSlot>
void* slot_address(void* attrs) {
  return &static_cast<Values*>(attrs)->slot[kSlot];
}
using SlotAddress = void* (*)(void* attrs);
template <int... kSlots>
constexpr std::array<SlotAddress, sizeof...(kSlots)> slot_table(std::integer_sequence<int, kSlots...>) {
  return {&slot_address<kSlots>...};
}
constexpr auto kSlotAddresses = slot_table(std::make_integer_sequence<int, kMaxAttributes>());

struct COp : OpDef {
  std::vector<AttrField> own_fields;
  std::vector<AttrValue> defaults;
  gf_status (*callback)(void*, gf_node*) = nullptr;
  void* context = nullptr;
};
struct CKernel : Kernel {
  gf_kernel c;
};

// What a callback returned. A failure without a sentence of its own gets one; a number that is no status is a failure too.
Error outcome(gf_node& node, gf_status status) {
  if (status == GF_OK) return Error::Ok;
  const bool known = status > 0 && status <= GF_INTERNAL && std::strcmp(error_name(static_cast<Error>(status)), error_name(Error{0xffff})) != 0;
  if (!known) status = GF_INTERNAL;
  if (known && node.refused[0] != '\0') return static_cast<Error>(status);
  return static_cast<Error>(gf_node_fail(&node, status, known ? "its callback failed and did not say why" : "its callback returned a number that is no gf_status"));
}

Error infer_c(InferContext& context, const void* attrs) {
  const auto& op = static_cast<const COp&>(context.def());
  gf_node node;
  node.infer = &context;
  node.def = &op;
  node.attrs = attrs;
  return outcome(node, op.callback(op.context, &node));
}

gf_node node_of(const NodeView& view) {
  gf_node node;
  node.view = &view;
  node.def = view.def;
  node.attrs = view.attrs;
  return node;
}

Error prepare_c(const NodeView& view, KernelPlan& plan) {
  const gf_kernel& k = static_cast<const CKernel*>(view.kernel)->c;
  gf_node node = node_of(view);
  gf_kernel_plan wanted{};
  const Error e = outcome(node, k.prepare(k.context, &node, &wanted));
  plan.data_bytes = wanted.data_bytes;
  plan.scratch_bytes = wanted.scratch_bytes;
  plan.scratch_bytes_per_worker = wanted.scratch_bytes_per_worker;
  plan.inplace_inputs = wanted.inplace_inputs;
  plan.refused = node.refused;
  return e;
}

Error init_c(const NodeView& view, InitContext& context) {
  const gf_kernel& k = static_cast<const CKernel*>(view.kernel)->c;
  gf_node node = node_of(view);
  node.data = context.data;
  node.detail = context.detail;
  return outcome(node, k.init(k.context, &node));
}

Error run_c(RunContext& context) {
  const gf_kernel& k = static_cast<const CKernel*>(context.kernel)->c;
  gf_node node;
  node.run = &context;
  node.def = context.def;
  node.attrs = context.attrs;
  node.data = context.data;
  node.detail = context.detail;
  return outcome(node, k.run(k.context, &node));
}

// A tensor of an inference or of a session being made.
void fill_dims(gf_tensor& t, DType dtype, const DimShape& shape, const void* data) {
  TensorView view;
  view.dtype = dtype;
  view.shape.rank = shape.rank;
  for (int d = 0; d < shape.rank; ++d) view.shape.dims[d] = shape.dims[d].hi;
  view.data = const_cast<void*>(data);
  fill(t, view, {});
  for (int d = 0; d < shape.rank; ++d) t.min_dims[d] = shape.dims[d].lo;
}
gf_status fill_info(gf_tensor& t, const TensorInfo& info) {
  if (!info.present) return GF_NOT_FOUND;
  fill(t, TensorView{const_cast<void*>(info.constant_data), info.shape, info.dtype}, {});
  if (!info.is_static) std::fill_n(t.min_dims, info.shape.rank, 0);
  return GF_OK;
}

gf_status find_attribute(const gf_node* node, const char* name, AttrType type, AttrValue& value) {
  if (node == nullptr || name == nullptr) return GF_INVALID_ARGUMENT;
  for (size_t i = 0; i < node->def->fields.size(); ++i) {
    const AttrField& field = node->def->fields[i];
    if (std::strcmp(field.name, name) != 0) continue;
    if (field.type != type) return GF_TYPE_MISMATCH;
    value = field.load(node->attrs);
    if (value.type == AttrType::None) value = static_cast<const COp*>(node->def)->defaults[i];
    return GF_OK;
  }
  return GF_NOT_FOUND;
}

template <class T>
gf_status list_attribute(const gf_node* node, const char* name, AttrType type, std::span<const T> AttrValue::*list, const T** values, size_t* count) {
  AttrValue v;
  if (values == nullptr || count == nullptr) return GF_INVALID_ARGUMENT;
  GF_C_TRY(find_attribute(node, name, type, v));
  *values = (v.*list).data();
  *count = (v.*list).size();
  return GF_OK;
}

}  // namespace
}  // namespace gf::c

struct gf_tables::Rows {
  std::deque<gf::c::COp> ops;              // addresses stay
  std::deque<gf::c::CKernel> kernels;
  std::deque<std::string> texts;
  std::vector<const gf::OpDef*> op_rows;   // the library's, then those above
  std::vector<const gf::Kernel*> kernel_rows;
  std::atomic<bool> in_use{false};

  const char* keep(const char* text) { return texts.emplace_back(text != nullptr ? text : "").c_str(); }
  const gf::OpDef* find(const char* name) const {
    for (const gf::OpDef* row : op_rows)
      if (std::strcmp(row->info.name, name) == 0) return row;
    return nullptr;
  }
};

gf::Tables gf_tables::view() const {
  rows->in_use = true;
  const gf::Tables usual = gf::default_tables();
  gf::Tables all;
  all.ops = {rows->op_rows};
  all.add(rows->kernel_rows);
  for (int i = 0; i < usual.kernel_table_count; ++i) all.add(usual.kernels[i]);
  return all;
}

namespace {

gf_status check_growing(const gf_tables* tables, gf_error* error) {
  GF_C_HANDLE(tables, Tables, error);
  return tables->rows->in_use ? fail(error, Error::WrongPhase, "the table is in use by a model or program; add before") : GF_OK;
}

bool bad_arity(int32_t min, int32_t max) { return min < 0 || min > 64 || max > 64 || max < -1 || (max >= 0 && max < min); }

gf_status check_attributes(const gf_op& op, gf_error* error) {
  if (op.attribute_count < 0 || op.attribute_count > gf::c::kMaxAttributes || (op.attribute_count > 0 && op.attributes == nullptr))
    return fail(error, Error::InvalidArgument, "op '%.60s': 0 to %d attributes are possible", op.name, gf::c::kMaxAttributes);
  for (int32_t i = 0; i < op.attribute_count; ++i) {
    const gf_attribute& a = op.attributes[i];
    bool good = a.name != nullptr && a.name[0] != '\0' && a.number >= 1 && a.number <= 65535 && a.type >= GF_ATTRIBUTE_INT && a.type <= GF_ATTRIBUTE_FLOATS;
    for (int32_t k = 0; good && k < i; ++k) good = op.attributes[k].number != a.number && std::strcmp(op.attributes[k].name, a.name) != 0;
    if (!good) return fail(error, Error::InvalidArgument, "op '%.60s': attribute %d needs a name and a number of its own, and a type", op.name, i);
  }
  return GF_OK;
}

void add_attribute(gf_tables::Rows& rows, gf::c::COp& row, const gf_attribute& a) {
  const auto slot = row.own_fields.size();
  gf::AttrField field;
  field.number = static_cast<uint16_t>(a.number);
  field.name = rows.keep(a.name);
  field.type = static_cast<gf::AttrType>(a.type);
  field.member = gf::c::kSlotAddresses[slot];  // its storage is an AttrValue
  gf::AttrValue value;
  value.type = field.type;
  value.i = a.default_int;
  value.f = a.default_float;
  if (field.type == gf::AttrType::String) value.s = rows.keep(a.default_string);
  row.own_fields.push_back(field);
  row.defaults.push_back(value);
}

}  // namespace

extern "C" {

gf_status gf_tables_create(gf_tables** tables, gf_error* error) {
  return guarded(error, [&]() -> gf_status {
    GF_C_NOT_NULL(tables, error);
    *tables = nullptr;
    auto made = std::make_unique<gf_tables>();
    made->rows = std::make_shared<gf_tables::Rows>();
    const gf::OpTable usual = gf::default_tables().ops;
    made->rows->op_rows.assign(usual.rows.begin(), usual.rows.end());
    *tables = made.release();
    return GF_OK;
  });
}

void gf_tables_destroy(gf_tables* tables) {
  if (tables == nullptr || tables->kind != gf::c::Kind::Tables) return;
  tables->kind = gf::c::Kind::Dead;
  delete tables;
}

gf_status gf_tables_add_op(gf_tables* tables, const gf_op* op, gf_error* error) {
  return guarded(error, [&]() -> gf_status {
    GF_C_TRY(check_growing(tables, error));
    GF_C_NOT_NULL(op, error);
    GF_C_TRY(gf::c::check_size(op, "gf_op", error));
    if (op->name == nullptr || op->name[0] == '\0') return fail(error, Error::InvalidArgument, "an op needs a name");
    if (op->infer == nullptr) return fail(error, Error::InvalidArgument, "op '%.60s' has no infer", op->name);
    if (bad_arity(op->min_inputs, op->max_inputs) || bad_arity(op->min_outputs, op->max_outputs))
      return fail(error, Error::InvalidArgument, "op '%.60s': numbers of inputs and outputs make no sense", op->name);
    GF_C_TRY(check_attributes(*op, error));
    gf_tables::Rows& rows = *tables->rows;
    if (rows.find(op->name) != nullptr) return fail(error, Error::InvalidArgument, "there is an op '%.60s' already", op->name);
    if (rows.ops.size() >= 0x7fff) return fail(error, Error::LimitExceeded, "too many ops");
    gf::c::COp& row = rows.ops.emplace_back();
    uint16_t id = gf::kFirstCustomOpId;
    for (const gf::OpDef* other : rows.op_rows) id = std::max<uint16_t>(id, static_cast<uint16_t>(other->info.id >= gf::kFirstCustomOpId ? other->info.id + 1 : 0));
    row.info.id = id;
    row.info.name = rows.keep(op->name);
    row.info.min_inputs = static_cast<int8_t>(op->min_inputs);
    row.info.max_inputs = static_cast<int8_t>(op->max_inputs);
    row.info.min_outputs = static_cast<int8_t>(op->min_outputs);
    row.info.max_outputs = static_cast<int8_t>(op->max_outputs);
    for (int32_t i = 0; i < op->attribute_count; ++i) add_attribute(rows, row, op->attributes[i]);
    row.fields = row.own_fields;
    row.attrs_bytes = sizeof(gf::c::Values);
    row.attrs_alignment = alignof(gf::c::Values);
    row.construct = [](void* p) { new (p) gf::c::Values(); };
    row.infer = &gf::c::infer_c;
    row.gradient = "an op from C";
    row.callback = op->infer;
    row.context = op->context;
    rows.op_rows.push_back(&row);
    return GF_OK;
  });
}

gf_status gf_tables_add_kernel(gf_tables* tables, const gf_kernel* kernel, gf_error* error) {
  return guarded(error, [&]() -> gf_status {
    GF_C_TRY(check_growing(tables, error));
    GF_C_NOT_NULL(kernel, error);
    GF_C_TRY(gf::c::check_size(kernel, "gf_kernel", error));
    if (kernel->op == nullptr || kernel->prepare == nullptr || kernel->run == nullptr)
      return fail(error, Error::InvalidArgument, "a kernel needs an op, prepare and run");
    if (kernel->destroy != nullptr && kernel->init == nullptr) return fail(error, Error::InvalidArgument, "destroy pairs with init, and there is none");
    if (kernel->rank < 0 || kernel->rank > 65535) return fail(error, Error::InvalidArgument, "rank is %d, not 0 to 65535", kernel->rank);
    gf_tables::Rows& rows = *tables->rows;
    const gf::OpDef* def = rows.find(kernel->op);
    if (def == nullptr) return fail(error, Error::NotFound, "there is no op '%.60s'; add it first", kernel->op);
    gf::c::CKernel& row = rows.kernels.emplace_back();
    row.c = *kernel;
    row.op = def->info.id;
    row.name = rows.keep(kernel->name);
    row.rank = static_cast<uint16_t>(kernel->rank);
    row.prepare = &gf::c::prepare_c;
    row.init = kernel->init != nullptr ? &gf::c::init_c : nullptr;
    row.run = &gf::c::run_c;
    row.destroy = kernel->destroy;
    rows.kernel_rows.push_back(&row);
    return GF_OK;
  });
}

int32_t gf_node_input_count(const gf_node* node) {
  if (node == nullptr) return -1;
  if (node->infer != nullptr) return node->infer->input_count();
  return node->view != nullptr ? static_cast<int32_t>(node->view->inputs.size()) : node->run->input_count;
}

int32_t gf_node_output_count(const gf_node* node) {
  if (node == nullptr) return -1;
  if (node->infer != nullptr) return node->infer->output_count();
  return node->view != nullptr ? static_cast<int32_t>(node->view->outputs.size()) : node->run->output_count;
}

gf_status gf_node_input(const gf_node* node, int32_t index, gf_tensor* tensor) {
  if (index < 0 || index >= gf_node_input_count(node)) return GF_INVALID_ARGUMENT;
  GF_C_TRY(gf::c::check_out(tensor, "gf_tensor", nullptr));
  if (node->view != nullptr) return gf::c::fill_info(*tensor, node->view->input(index));
  if (node->infer != nullptr) {
    if (!node->infer->has_input(index)) return GF_NOT_FOUND;
    gf::c::fill_dims(*tensor, node->infer->dtype(index), node->infer->shape(index), node->infer->data(index));
    return GF_OK;
  }
  if (!node->run->has_input(index)) return GF_NOT_FOUND;
  gf::c::fill(*tensor, node->run->input(index), {});
  return GF_OK;
}

gf_status gf_node_output(const gf_node* node, int32_t index, gf_tensor* tensor) {
  if (index < 0 || index >= gf_node_output_count(node)) return GF_INVALID_ARGUMENT;
  GF_C_TRY(gf::c::check_out(tensor, "gf_tensor", nullptr));
  if (node->infer != nullptr) return GF_WRONG_PHASE;
  if (node->view != nullptr) return gf::c::fill_info(*tensor, node->view->output(index));
  if (!node->run->has_output(index)) return GF_NOT_FOUND;
  gf::c::fill(*tensor, node->run->output(index), {});
  return GF_OK;
}

gf_status gf_node_int(const gf_node* node, const char* name, int64_t* value) {
  gf::AttrValue v;
  if (value == nullptr) return GF_INVALID_ARGUMENT;
  GF_C_TRY(gf::c::find_attribute(node, name, gf::AttrType::Int, v));
  *value = v.i;
  return GF_OK;
}

gf_status gf_node_float(const gf_node* node, const char* name, double* value) {
  gf::AttrValue v;
  if (value == nullptr) return GF_INVALID_ARGUMENT;
  GF_C_TRY(gf::c::find_attribute(node, name, gf::AttrType::Float, v));
  *value = v.f;
  return GF_OK;
}

gf_status gf_node_string(const gf_node* node, const char* name, const char** text, size_t* size) {
  gf::AttrValue v;
  if (text == nullptr || size == nullptr) return GF_INVALID_ARGUMENT;
  GF_C_TRY(gf::c::find_attribute(node, name, gf::AttrType::String, v));
  *text = gf::c::c_text(v.s);
  *size = v.s.size();
  return GF_OK;
}

gf_status gf_node_ints(const gf_node* node, const char* name, const int64_t** values, size_t* count) {
  return gf::c::list_attribute(node, name, gf::AttrType::Ints, &gf::AttrValue::ints, values, count);
}

gf_status gf_node_floats(const gf_node* node, const char* name, const float** values, size_t* count) {
  return gf::c::list_attribute(node, name, gf::AttrType::Floats, &gf::AttrValue::floats, values, count);
}

gf_status gf_node_fail(gf_node* node, gf_status status, const char* text) {
  if (node == nullptr) return GF_INVALID_ARGUMENT;
  if (text == nullptr) text = "";
  node->refused = text;
  if (node->infer != nullptr) return static_cast<gf_status>(node->infer->fail(static_cast<Error>(status), "%s", text));
  if (node->detail != nullptr) static_cast<void>(node->detail->set(static_cast<Error>(status), node->run != nullptr ? node->run->node : -1, "%s", text));
  return status;
}

gf_status gf_node_set_output(gf_node* node, int32_t index, gf_dtype dtype, int32_t rank, const int64_t* dims, const int64_t* min_dims) {
  if (node == nullptr || index < 0 || index >= gf_node_output_count(node) || rank < 0 || rank > GF_MAX_RANK || (rank > 0 && dims == nullptr))
    return GF_INVALID_ARGUMENT;
  if (node->infer == nullptr) return GF_WRONG_PHASE;
  if (static_cast<unsigned>(dtype) >= static_cast<unsigned>(gf::kDTypeCount) || dtype == GF_ANY) return GF_INVALID_ARGUMENT;
  gf::DimShape shape;
  for (int32_t d = 0; d < rank; ++d) {
    const int64_t low = min_dims != nullptr ? min_dims[d] : dims[d];
    if (low < 0 || low > dims[d]) return GF_INVALID_ARGUMENT;
    shape.push(gf::Dim(low, dims[d]));
  }
  return static_cast<gf_status>(node->infer->set(index, static_cast<gf::DType>(dtype), shape));
}

void* gf_node_data(const gf_node* node) { return node != nullptr ? node->data : nullptr; }
void* gf_node_scratch(const gf_node* node) { return node != nullptr && node->run != nullptr ? node->run->scratch : nullptr; }
void* gf_node_worker_scratch(const gf_node* node, int32_t worker) {
  if (node == nullptr || node->run == nullptr || worker < 0 || worker >= std::max(1, node->run->parallel.threads)) return nullptr;
  return node->run->scratch_of<void>(worker);
}
void gf_node_parallel(const gf_node* node, int64_t tasks, void (*body)(void* argument, int64_t task, int worker), void* argument) {
  if (node == nullptr || node->run == nullptr || body == nullptr) return;
  node->run->parallel(tasks, [&](int64_t task, int worker) { body(argument, task, worker); });
}

}  // extern "C"
