// Named dimensions and the algebra of expressions over them. Expressions are kept as polynomials with integer
// coefficients over atoms (symbols and opaque sub-expressions such as floor(N/2)), hash-consed so that equal expressions
// have equal ids: 2*N == N+N, (N*12)/4 == 3*N.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "schema/dim.h"

namespace gf::ir {

struct Symbol {
  std::string name;
  int64_t lo = 0;
  int64_t hi = kUnbounded;
  bool is_input = false;   ///< named by an input shape (may be set by the caller); else decided by the data
};

class SymbolTable final : public DimAlgebra {
 public:
  SymbolTable();
  /// Dim of the symbol called `name`, made when new. Bounds given later must be set before anything is inferred from it.
  Dim symbol(std::string_view name, int64_t lo = 1, int64_t hi = kUnbounded);
  /// Index of the symbol that `dim` is (exactly), or -1 when it is another expression or a constant.
  int symbol_index(Dim dim) const;
  const std::vector<Symbol>& symbols() const { return symbols_; }
  void mark_input(int index) { symbols_[static_cast<size_t>(index)].is_input = true; }
  /// "3*N + 1", "floor(N/2)", "7".
  std::string to_text(Dim dim) const;

  Dim combine(DimOp op, Dim a, Dim b, Dim interval) override;
  Dim fresh(int64_t lo, int64_t hi) override;

 private:
  // a monomial: sorted atom indices (with repetition); a polynomial: monomial -> coefficient
  using Monomial = std::vector<uint32_t>;
  using Polynomial = std::map<Monomial, int64_t>;
  struct Atom {
    int symbol = -1;                          // index into symbols_, or an opaque operation:
    DimOp op = DimOp::FloorDiv;
    Polynomial a, b;
    int64_t lo = 0, hi = kUnbounded;
  };
  const Polynomial polynomial(Dim dim) const;
  Dim intern(Polynomial polynomial, Dim interval);
  Dim interval_of(const Polynomial& polynomial) const;
  uint32_t atom(Atom atom);
  std::string text(const Polynomial& polynomial) const;

  std::vector<Symbol> symbols_;
  std::vector<Atom> atoms_;
  std::vector<Polynomial> expressions_;       // id -> polynomial; id 0 unused
  std::map<Polynomial, uint32_t> ids_;
  std::vector<Dim> intervals_;                // tightest interval known per id
};

}  // namespace gf::ir
