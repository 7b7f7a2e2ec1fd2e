// Importer rows of LSTM, GRU and RNN. layout = 1 (batch first) becomes transposes around the op; activation names
// become numbers with their parameters written out.
#include <algorithm>
#include <cctype>

#include "converter/onnx/import_util.h"
#include "converter/onnx/lowering.h"

namespace gf::onnx {
namespace {

using ir::kNoValue;
using ir::ValueId;

/// Owns the lists of a RecurrentAttrs while the node is made.
struct CellAttrs {
  std::vector<int64_t> activations;
  std::vector<float> alpha, beta;
  RecurrentAttrs attrs;
};

// ONNX leaves the case of the names open.
bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// activation_alpha and activation_beta hold values for those activations only that take them, in order.
void read_activations(Lowering& l, CellAttrs& cell) {
  const auto names = l.strings_attr("activations");
  const auto alphas = l.floats_attr("activation_alpha"), betas = l.floats_attr("activation_beta");
  size_t next_alpha = 0, next_beta = 0;
  for (const std::string& name : names) {
    const auto* known = std::find_if(std::begin(kCellActivations), std::end(kCellActivations),
                                     [&](const CellActivationName& a) { return same_word(name, a.name); });
    if (known == std::end(kCellActivations)) l.unsupported("the activation '" + name + "'");
    cell.activations.push_back(static_cast<int64_t>(known->number));
    cell.alpha.push_back(known->has_alpha && next_alpha < alphas.size() ? alphas[next_alpha++] : known->alpha);
    cell.beta.push_back(known->has_beta && next_beta < betas.size() ? betas[next_beta++] : known->beta);
  }
  cell.attrs.activations = cell.activations;
  cell.attrs.activation_alpha = cell.alpha;
  cell.attrs.activation_beta = cell.beta;
}

template <class Op, int kFunctions, bool kLstm>
void recurrent(Lowering& l) {
  CellAttrs cell;
  RecurrentAttrs& a = cell.attrs;
  const std::string direction = l.string_attr("direction", "forward");
  if (direction == "reverse")
    a.direction = RecurrentDirection::Reverse;
  else if (direction == "bidirectional")
    a.direction = RecurrentDirection::Both;
  else if (direction != "forward")
    l.invalid("direction is '" + direction + "'", Error::BadAttribute);
  read_activations(l, cell);
  if (!cell.activations.empty() && cell.activations.size() != static_cast<size_t>(kFunctions * a.directions()))
    l.invalid(std::to_string(cell.activations.size()) + " activations, expected " +
                  std::to_string(kFunctions * a.directions()),
              Error::BadAttribute);
  a.clip = l.float_attr("clip", 0);
  a.option = l.int_attr(kLstm ? "input_forget" : "linear_before_reset", 0) != 0;
  const Dim width = l.rank(2) == 3 ? l.shape(2)[2] : Dim(0, 1);
  a.hidden = l.int_attr("hidden_size", width.is_const() ? width.lo : 0);
  const bool batch_first = l.int_attr("layout", 0) != 0;
  const auto swapped = [&](ValueId v) {
    return v == kNoValue || !batch_first ? v : l.b.transpose(v, std::vector<int64_t>{1, 0, 2});
  };
  std::vector<ValueId> inputs{swapped(l.input(0)), l.input(1),          l.input(2),
                              l.optional_input(3), l.optional_input(4), swapped(l.optional_input(5))};
  if (kLstm) {
    inputs.push_back(swapped(l.optional_input(6)));
    inputs.push_back(l.optional_input(7));
  }
  const size_t outputs = kLstm && l.wants_output(2) ? 3 : (l.wants_output(1) ? 2 : 1);
  const std::vector<ValueId> y = l.b.node<Op>(std::move(inputs), a, outputs).outputs;
  l.output(0, batch_first && l.wants_output(0) ? l.b.transpose(y[0], std::vector<int64_t>{2, 0, 1, 3}) : y[0]);
  for (size_t i = 1; i < y.size(); ++i) l.output(i, swapped(y[i]));
}

constexpr ImportRow kRows[] = {
    {"", "GRU", 1, recurrent<op::Gru, 2, false>},
    {"", "LSTM", 1, recurrent<op::Lstm, 3, true>},
    {"", "RNN", 1, recurrent<op::Rnn, 1, false>},
};

}  // namespace

std::span<const ImportRow> import_rows_recurrent() { return kRows; }

}  // namespace gf::onnx
