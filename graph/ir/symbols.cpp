#include "graph/ir/symbols.h"

#include <algorithm>

namespace gf::ir {
namespace {

// Polynomials beyond this size become opaque: shape arithmetic of real models stays far below.
constexpr size_t kMaxTerms = 64;
constexpr size_t kMaxDegree = 12;

}  // namespace

SymbolTable::SymbolTable() : expressions_(1), intervals_(1) {}

Dim SymbolTable::symbol(std::string_view name, int64_t lo, int64_t hi) {
  for (size_t i = 0; i < symbols_.size(); ++i) {
    if (symbols_[i].name != name) continue;
    for (size_t k = 0; k < atoms_.size(); ++k)
      if (atoms_[k].symbol == static_cast<int>(i))
        return intern({{{static_cast<uint32_t>(k)}, 1}}, {symbols_[i].lo, symbols_[i].hi});
  }
  symbols_.push_back({std::string(name), lo, hi, false});
  Atom a;
  a.symbol = static_cast<int>(symbols_.size() - 1);
  a.lo = lo;
  a.hi = hi;
  atoms_.push_back(std::move(a));
  if (lo == hi) return lo;
  return intern({{{static_cast<uint32_t>(atoms_.size() - 1)}, 1}}, {lo, hi});
}

int SymbolTable::symbol_index(Dim dim) const {
  if (dim.is_const() || dim.expr == 0 || dim.expr >= expressions_.size()) return -1;
  const Polynomial& p = expressions_[dim.expr];
  if (p.size() != 1 || p.begin()->second != 1 || p.begin()->first.size() != 1) return -1;
  return atoms_[p.begin()->first[0]].symbol;
}

const SymbolTable::Polynomial SymbolTable::polynomial(Dim dim) const {
  if (dim.is_const()) return dim.lo == 0 ? Polynomial{} : Polynomial{{{}, dim.lo}};
  return expressions_[dim.expr];
}

Dim SymbolTable::interval_of(const Polynomial& p) const {
  bool overflow = false;
  Dim sum = 0;
  for (const auto& [monomial, coefficient] : p) {
    Dim term = coefficient;
    for (uint32_t a : monomial) {
      const Dim factor = dim_interval(DimOp::Mul, term, Dim(atoms_[a].lo, atoms_[a].hi), overflow);
      term = {factor.lo, factor.hi};
    }
    const Dim s = dim_interval(DimOp::Add, sum, term, overflow);
    sum = {s.lo, s.hi};
  }
  return overflow ? Dim(-kUnbounded, kUnbounded) : sum;
}

Dim SymbolTable::intern(Polynomial p, Dim interval) {
  if (p.empty()) return 0;
  if (p.size() == 1 && p.begin()->first.empty()) return p.begin()->second;
  const Dim own = interval_of(p);
  const int64_t lo = std::max(interval.lo, own.lo), hi = std::min(interval.hi, own.hi);
  const auto [it, is_new] = ids_.try_emplace(p, static_cast<uint32_t>(expressions_.size()));
  if (is_new) {
    expressions_.push_back(std::move(p));
    intervals_.push_back({lo, hi});
  } else {
    intervals_[it->second].lo = std::max(intervals_[it->second].lo, lo);
    intervals_[it->second].hi = std::min(intervals_[it->second].hi, hi);
  }
  const Dim known = intervals_[it->second];
  return known.lo == known.hi ? Dim(known.lo) : Dim(known.lo, known.hi, it->second);
}

uint32_t SymbolTable::atom(Atom a) {
  for (size_t k = 0; k < atoms_.size(); ++k)
    if (atoms_[k].symbol < 0 && a.symbol < 0 && atoms_[k].op == a.op && atoms_[k].a == a.a && atoms_[k].b == a.b)
      return static_cast<uint32_t>(k);
  atoms_.push_back(std::move(a));
  return static_cast<uint32_t>(atoms_.size() - 1);
}

Dim SymbolTable::fresh(int64_t lo, int64_t hi) {
  return symbol("?" + std::to_string(symbols_.size()), lo, hi);
}

Dim SymbolTable::combine(DimOp op, Dim a, Dim b, Dim interval) {
  // an operand without identity is an unknown of its own
  if (!a.is_const() && a.expr == 0) a = fresh(a.lo, a.hi);
  if (!b.is_const() && b.expr == 0) b = fresh(b.lo, b.hi);
  const Polynomial pa = polynomial(a), pb = polynomial(b);
  Polynomial out;
  const auto accumulate = [&out](const Monomial& m, int64_t c) {
    int64_t& slot = out[m];
    if (!add_checked(slot, c, slot)) return false;
    if (slot == 0) out.erase(m);
    return true;
  };
  bool ok = true;
  switch (op) {
    case DimOp::Add:
    case DimOp::Sub:
      for (const auto& [m, c] : pa) ok = ok && accumulate(m, c);
      for (const auto& [m, c] : pb) ok = ok && accumulate(m, op == DimOp::Add ? c : -c);
      break;
    case DimOp::Mul:
      for (const auto& [ma, ca] : pa)
        for (const auto& [mb, cb] : pb) {
          Monomial m = ma;
          m.insert(m.end(), mb.begin(), mb.end());
          std::sort(m.begin(), m.end());
          int64_t c = 0;
          ok = ok && m.size() <= kMaxDegree && mul_checked(ca, cb, c) && accumulate(m, c);
        }
      break;
    case DimOp::Min:
    case DimOp::Max: {
      if (a.same(b)) return a;
      if (a.hi <= b.lo) return op == DimOp::Min ? a : b;
      if (b.hi <= a.lo) return op == DimOp::Min ? b : a;
      ok = false;
      break;
    }
    case DimOp::FloorDiv:
    case DimOp::CeilDiv:
    case DimOp::Mod: {
      // exact division by a single term: every term of `a` must be divisible by it
      ok = pb.size() == 1;
      if (ok) {
        const auto& [mb, cb] = *pb.begin();
        ok = cb != 0;
        for (const auto& [ma, ca] : pa) {
          if (!ok) break;
          Monomial rest;
          std::set_difference(ma.begin(), ma.end(), mb.begin(), mb.end(), std::back_inserter(rest));
          ok = rest.size() + mb.size() == ma.size() && ca % cb == 0 && accumulate(rest, ca / cb);
        }
        if (ok && op == DimOp::Mod) return 0;
      }
      if (!ok && a.same(b) && a.lo > 0) return op == DimOp::Mod ? 0 : 1;
      break;
    }
  }
  if (ok && out.size() <= kMaxTerms) return intern(std::move(out), interval);
  Atom opaque;
  opaque.op = op;
  opaque.a = pa;
  opaque.b = pb;
  opaque.lo = interval.lo;
  opaque.hi = interval.hi;
  return intern({{{atom(std::move(opaque))}, 1}}, interval);
}

std::string SymbolTable::text(const Polynomial& p) const {
  std::string out;
  for (auto it = p.rbegin(); it != p.rend(); ++it) {
    const auto& [monomial, coefficient] = *it;
    if (!out.empty()) out += coefficient < 0 ? " - " : " + ";
    else if (coefficient < 0) out += "-";
    const int64_t magnitude = coefficient < 0 ? -coefficient : coefficient;
    if (monomial.empty() || magnitude != 1) out += std::to_string(magnitude);
    bool first = !(monomial.empty() || magnitude != 1);
    for (uint32_t index : monomial) {
      if (!first) out += "*";
      first = false;
      const Atom& a = atoms_[index];
      if (a.symbol >= 0) {
        out += symbols_[static_cast<size_t>(a.symbol)].name;
        continue;
      }
      static constexpr const char* kNames[] = {"add", "sub", "mul", "floor", "ceil", "mod", "min", "max"};
      const bool division = a.op == DimOp::FloorDiv || a.op == DimOp::CeilDiv;
      out += std::string(kNames[static_cast<int>(a.op)]) + "(" + text(a.a) + (division ? " / " : ", ") + text(a.b) + ")";
    }
  }
  return out.empty() ? "0" : out;
}

std::string SymbolTable::to_text(Dim dim) const {
  if (dim.is_const()) return std::to_string(dim.lo);
  return dim.expr == 0 ? "?" : text(expressions_[dim.expr]);
}

}  // namespace gf::ir
