// The loader of a build with few element types (DTYPES and SHAPE_DTYPES of ghostflow_add_runtime): its source once more, under other
// names, for kernels in float32 and shapes in int64.
#define GF_DTYPES (1U << 1)
#define GF_SHAPE_DTYPES (1U << 11)
#define kBuiltDTypes kFewDTypes
#define validate_model validate_model_of_few_types
#include "runtime/load/validate.cpp"

#include <gtest/gtest.h>

#include "schema/ops.h"
#include "schema/ops/add.h"
#include "schema/ops/identity.h"
#include "tests/runtime/gf_file_spec.h"
#include "tests/support/block.h"

namespace gf::test {
namespace {

// y = op(x) or op(x, x) on one element type.
Error load(uint16_t op, const char* name, int inputs, DType type, std::string& text) {
  FileSpec f;
  f.ops = {{op, name}};
  EntrySpec e;
  e.tensors = {{format::kInput, 0, 0, {{2}}, static_cast<uint8_t>(type), "x"}, {format::kComputed, 0, 0, {{2}}, static_cast<uint8_t>(type)}};
  e.graphs = {{{{0, std::vector<int32_t>(static_cast<size_t>(inputs), 0), {1}}}, {0}, {1}}};
  e.output_names = {"y"};
  f.entries = {e};
  const Block file = Block::copy(SpecWriter::write(f));
  ErrorDetail detail;
  const Error error = validate_model_of_few_types(*fb::GetSizePrefixedModel(file.span().data()), 0, file.span().size(), AllOps::table(), {}, &detail);
  text = detail.text;
  return error;
}

TEST(ShapeDTypes, OnlyViewsTakeThem) {
  std::string text;
  EXPECT_EQ(load(op::Add::info.id, "add", 2, DType::F32, text), Error::Ok) << text;
  EXPECT_EQ(load(op::Identity::info.id, "identity", 1, DType::F32, text), Error::Ok) << text;
  EXPECT_EQ(load(op::Identity::info.id, "identity", 1, DType::I64, text), Error::Ok) << text;
  EXPECT_EQ(load(op::Add::info.id, "add", 2, DType::I64, text), Error::Unsupported);
  EXPECT_EQ(text, "add: this build has int64 for shapes only; add the type to DTYPES of ghostflow_add_runtime");
  EXPECT_EQ(load(op::Identity::info.id, "identity", 1, DType::F64, text), Error::Unsupported);
}

}  // namespace
}  // namespace gf::test
