// pointwise: a chain of elementwise ops in one pass over memory (made by a pass, never imported). Inputs broadcast to the output. They
// have one float type, which is the outputs' (arithmetic is f32 for f32, f16 and bf16), or, where `types` gives that of each output, any
// mix of those three: arithmetic is f32, results are rounded once. The program is a list of instructions, each four integers: op id
// (OpInfo::id of a unary or binary elementwise op), first parameter, operand, operand.
//   operand k >= 0: input k;  operand -1 - j: result of instruction j (an earlier one);  kNoOperand: none (unary ops)
// Parameters are the attributes of the instruction's op in field order, one float each. Outputs are the results that `results`
// names, all of the broadcast shape; one output needs no list: it is the last result.
#pragma once

#include "schema/formula.h"

namespace gf::op {

struct Pointwise {
  static constexpr int kMaxInputs = 16;
  static constexpr int kMaxOutputs = 4;
  static constexpr int kMaxInstructions = 32;
  static constexpr int kWords = 4;                     ///< integers per instruction
  static constexpr int64_t kNoOperand = int64_t{1} << 40;

  static constexpr OpInfo info{.id = 140, .name = "pointwise", .min_inputs = 1, .max_inputs = kMaxInputs,
                               .max_outputs = kMaxOutputs, .flags = kOpFused};
  struct Attrs {
    IntList program = {};
    FloatList parameters = {};
    IntList results = {};      ///< instruction of each output; empty: the last one
    IntList types = {};        ///< DType of each output; empty: that of the inputs
  };
  static constexpr AttrField fields[] = {field<&Attrs::program>(1, "program"),
                                         field<&Attrs::parameters>(2, "parameters"),
                                         field<&Attrs::results>(3, "results"), field<&Attrs::types>(4, "types")};
  static constexpr DTypeSet kMixed = dtypes(DType::F32, DType::F16, DType::BF16);

  /// One decoded instruction.
  struct Instruction {
    uint16_t op = 0;
    int64_t parameter = 0;
    int64_t a = 0, b = kNoOperand;
  };
  static Instruction instruction(const Attrs& attrs, int index) {
    const int64_t* w = attrs.program.data() + static_cast<ptrdiff_t>(index) * kWords;
    return {static_cast<uint16_t>(w[0]), w[1], w[2], w[3]};
  }
  static int instruction_count(const Attrs& a) { return static_cast<int>(a.program.size() / kWords); }
  static int output_count(const Attrs& a) { return a.results.empty() ? 1 : static_cast<int>(a.results.size()); }
  /// The instruction whose result is output k.
  static int result_of(const Attrs& a, int k) {
    return a.results.empty() ? instruction_count(a) - 1 : static_cast<int>(a.results[static_cast<size_t>(k)]);
  }

  static DType type_of(const Attrs& a, int k, DType inputs) {
    return a.types.empty() ? inputs : static_cast<DType>(a.types[static_cast<size_t>(k)]);
  }

  static Error infer(InferContext& c, const Attrs& a) {
    const bool mixed = !a.types.empty();
    GF_TRY(c.expect_type(0, mixed ? kMixed : kFloats));
    GF_TRY(check_program(c, a));
    DimShape shape = c.shape(0);
    for (int i = 1; i < c.input_count(); ++i) {
      if (!c.has_input(i)) return c.fail(Error::BadGraph, "input %d is missing", i);
      GF_TRY(mixed ? c.expect_type(i, kMixed) : c.expect_same_type(0, i));
      GF_TRY(c.broadcast(shape, c.shape(i), shape));
    }
    if (c.output_count() > output_count(a))
      return c.fail(Error::BadGraph, "%d outputs, the program has %d results", c.output_count(), output_count(a));
    for (int k = 0; k < output_count(a); ++k) GF_TRY(c.set(k, type_of(a, k, c.dtype(0)), shape));
    return Error::Ok;
  }
  static constexpr GradientOfExpansion grad{};

  /// One node per instruction, and casts where types are mixed.
  static Error expand(Expander& e, const Attrs& a) {
    Var results[kMaxInstructions];
    const int n = instruction_count(a);
    for (int k = 0; k < n; ++k) {
      const Instruction i = instruction(a, k);
      const OpDef* op = e.find_op(i.op);
      alignas(16) std::byte attrs[kMaxAttrsBytes];
      if (op == nullptr || op->attrs_bytes > kMaxAttrsBytes || op->attrs_alignment > 16)
        return e.fail(Error::UnknownOp, "an instruction of a pointwise chain is no known op");
      op->construct(attrs);
      auto parameter = static_cast<size_t>(i.parameter);
      for (const AttrField& field : op->fields) {
        if (parameter >= a.parameters.size())
          return e.fail(Error::BadAttribute, "an instruction of a pointwise chain lacks parameters");
        const float value = a.parameters[parameter++];
        AttrValue v;
        v.type = field.type;
        v.f = static_cast<double>(value);
        v.i = static_cast<int64_t>(value);
        field.store(attrs, v);
      }
      const auto input = [&](int64_t w) { return a.types.empty() ? e.input(static_cast<int>(w)) : e.cast(e.input(static_cast<int>(w)), DType::F32); };
      const auto operand = [&](int64_t w) { return w >= 0 ? input(w) : results[-1 - w]; };
      const Var inputs[] = {operand(i.a), i.b == kNoOperand ? Var{} : operand(i.b)};
      e.emit(*op, {inputs, i.b == kNoOperand ? size_t{1} : size_t{2}}, attrs, {&results[k], 1});
    }
    for (int k = 0; k < output_count(a); ++k)
      if (const Var y = results[result_of(a, k)]; e.wants_output(k)) e.output(k, a.types.empty() ? y : e.cast(y, type_of(a, k, DType::F32)));
    return e.error();
  }

 private:
  static constexpr size_t kMaxAttrsBytes = 64;
  static Error check_program(InferContext& c, const Attrs& a) {
    const size_t n = a.program.size() / kWords;
    if (n == 0 || n > kMaxInstructions || n * kWords != a.program.size())
      return c.fail(Error::BadAttribute, "program has %zu words; it needs 4 per instruction, 1 to %d instructions",
                    a.program.size(), kMaxInstructions);
    if (a.results.size() > kMaxOutputs)
      return c.fail(Error::BadAttribute, "results has %zu entries, at most %d", a.results.size(), kMaxOutputs);
    for (const int64_t r : a.results)
      if (r < 0 || r >= static_cast<int64_t>(n))
        return c.fail(Error::BadAttribute, "results names instruction %lld of %zu", static_cast<long long>(r), n);
    if (!a.types.empty() && static_cast<int>(a.types.size()) != output_count(a))
      return c.fail(Error::BadAttribute, "types has %zu entries for %d results", a.types.size(), output_count(a));
    for (const int64_t t : a.types)
      if (t < 0 || t > 0xff || !kMixed.contains(static_cast<DType>(t)))
        return c.fail(Error::BadAttribute, "types has %lld; only float32, float16 and bfloat16 mix", static_cast<long long>(t));
    for (int k = 0; k < static_cast<int>(n); ++k) {
      const int64_t* w = a.program.data() + static_cast<ptrdiff_t>(k) * kWords;
      if (w[0] <= 0 || w[0] > 0xffff)
        return c.fail(Error::BadAttribute, "instruction %d: op id %lld", k, static_cast<long long>(w[0]));
      if (w[1] < 0 || w[1] > static_cast<int64_t>(a.parameters.size()))
        return c.fail(Error::BadAttribute, "instruction %d: parameter %lld of %zu", k, static_cast<long long>(w[1]),
                      a.parameters.size());
      for (int j = 2; j < kWords; ++j) {
        const bool none = j == 3 && w[j] == kNoOperand;
        if (!none && (w[j] >= c.input_count() || w[j] < -k))
          return c.fail(Error::BadAttribute, "instruction %d: operand %lld is neither an input nor an earlier result", k,
                        static_cast<long long>(w[j]));
      }
    }
    return Error::Ok;
  }
};

}  // namespace gf::op
