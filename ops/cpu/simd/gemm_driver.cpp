// The blocked loop of matrix products and convolutions.
// For each task (a block of rows x a block of panels of one product): for each block of k: copy the rows of A into
// scratch, then for each panel of B, for each tile of rows: one kernel call. The panel's block of B stays in L1/L2
// while the tiles pass by it; C is read and written once per block of k.
#include "ops/cpu/simd/gemm_driver.h"

#include <algorithm>
#include <cstring>

namespace gf::simd {
namespace {

// Blocks of rows: enough tiles that a panel of B is used often once loaded, few enough that the rows stay in L2.
constexpr int64_t kTilesPerBlock = 8;
// Tasks wanted, so that 2 to 16 threads end at about the same time, unless the work per task gets too small for that:
// every block of panels copies its rows of A again.
constexpr int64_t kTasksWanted = 16;
constexpr int64_t kMinPanelsPerBlock = 4;
constexpr int64_t kMinWork = int64_t{1} << 18;  // multiply-adds
// Most panels per block when B is packed while running: bounds the scratch.
constexpr int64_t kMaxDynamicPanels = 8;

constexpr int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return div_up(a, b) * b; }
/// First item of part `index` of `count` items in `parts` parts.
constexpr int64_t part_begin(int64_t index, int64_t count, int64_t parts) { return index * count / parts; }

/// One task: which part of C, and where this worker's scratch is.
struct Block {
  const GemmProblem* problem;
  const GemmKernels* kernels;
  const GemmGrid* grid;
  ActivateBlock activate;
  int64_t batch;
  int64_t tile_begin, tile_end, panel_begin, panel_end;
  float* a;
  float* b;
};

/// What the epilogue does in the kernel for this block of k.
TileArgs tile_defaults(const GemmProblem& p, const GemmGrid& grid, int64_t k_block) {
  TileArgs t{};
  t.alpha = p.alpha;
  t.residual_scale = p.residual_scale;
  t.residual_stride = p.residual_stride;
  t.ldc = p.ldc;
  t.accumulate = k_block > 0;
  if (k_block == grid.k_blocks - 1) {
    t.clamp = p.activation.kind == Activation::Relu || p.activation.kind == Activation::Clamp;
    t.lo = p.activation.kind == Activation::Relu ? 0.0F : p.activation.a;
    t.hi = p.activation.kind == Activation::Relu ? __builtin_inff() : p.activation.b;
  }
  return t;
}

bool needs_activate_pass(const ActivationSpec& spec) {
  return spec.kind != Activation::None && spec.kind != Activation::Relu && spec.kind != Activation::Clamp;
}

/// A tile whose rows or columns do not lie as the kernel wants them: computed in a buffer and copied out.
void run_edge_tile(const GemmProblem& p, TileArgs t, TileKernel kernel, int64_t row, int64_t rows, int64_t cols,
                   int64_t width, float* c, const float* residual) {
  alignas(64) float tile[kMaxTileRows * kMaxTileCols];
  alignas(64) float rest[kMaxTileRows * kMaxTileCols];
  alignas(64) float bias[kMaxTileCols] = {};
  const auto line = [&](int64_t i) { return p.map_row == nullptr ? row + i : p.map_row(p.context, row + i); };
  const auto bytes = static_cast<size_t>(cols) * sizeof(float);
  // Columns beyond `cols` are computed from zeros and dropped.
  if (t.accumulate) std::memset(tile, 0, sizeof(tile));
  if (residual != nullptr) std::memset(rest, 0, sizeof(rest));
  for (int64_t i = 0; i < rows; ++i) {
    if (t.accumulate) std::memcpy(tile + i * width, c + line(i) * p.ldc, bytes);
    if (residual != nullptr) std::memcpy(rest + i * width, residual + line(i) * p.residual_stride, bytes);
  }
  if (t.bias != nullptr) {
    std::memcpy(bias, t.bias, bytes);
    t.bias = bias;
  }
  t.residual = residual == nullptr ? nullptr : rest;
  t.residual_stride = width;
  t.c = tile;
  t.ldc = width;
  kernel(t);
  for (int64_t i = 0; i < rows; ++i) std::memcpy(c + line(i) * p.ldc, tile + i * width, bytes);
}

/// All tiles of the block's rows against one panel, for one block of k.
void run_panel(const Block& block, TileArgs t, int64_t col, const Operands& operands, bool first, bool last) {
  const GemmProblem& p = *block.problem;
  const GemmKernels& kernels = *block.kernels;
  const int64_t cols = std::min<int64_t>(kernels.nr, p.n - col);
  const int64_t width = cols <= kernels.lanes ? kernels.lanes : kernels.nr;
  const TileKernel* set = cols <= kernels.lanes ? kernels.narrow : kernels.full;
  const bool direct = cols == width && p.map_row == nullptr;
  float* c = operands.c + col;
  const float* residual = first && operands.residual != nullptr ? operands.residual + col : nullptr;
  t.bias = first && operands.bias != nullptr ? operands.bias + col : nullptr;
  t.a = block.a;
  for (int64_t tile = block.tile_begin; tile < block.tile_end; ++tile) {
    const int64_t row = part_begin(tile, p.m, block.grid->tiles);
    const int64_t rows = part_begin(tile + 1, p.m, block.grid->tiles) - row;
    if (direct) {
      t.c = c + row * p.ldc;
      t.residual = residual == nullptr ? nullptr : residual + row * p.residual_stride;
      set[rows - 1](t);
    } else {
      run_edge_tile(p, t, set[rows - 1], row, rows, cols, width, c, residual);
    }
    if (last && block.activate != nullptr) {
      if (p.map_row == nullptr) {
        block.activate(p.activation, c + row * p.ldc, p.ldc, rows, cols);
      } else {
        for (int64_t i = row; i < row + rows; ++i)
          block.activate(p.activation, c + p.map_row(p.context, i) * p.ldc, p.ldc, 1, cols);
      }
    }
    t.a += rows * kernels.a_stride;
  }
}

/// Packs columns of B that this block needs for one block of k; panel after panel, kc rows each.
void pack_block(const Block& block, const PackSource& source, int64_t k, int64_t kc) {
  const GemmKernels& kernels = *block.kernels;
  float* out = block.b;
  for (int64_t panel = block.panel_begin; panel < block.panel_end; ++panel) {
    const int64_t col = panel * kernels.nr;
    const int64_t cols = std::min<int64_t>(kernels.nr, block.problem->n - col);
    const int64_t width = cols <= kernels.lanes ? kernels.lanes : kernels.nr;
    pack_panel(kernels, advance(source, k * source.row_stride + col * source.col_stride), kc, cols, width, out);
    out += kc * width;
  }
}

void run_block(const Block& block) {
  const GemmProblem& p = *block.problem;
  const GemmKernels& kernels = *block.kernels;
  const GemmGrid& grid = *block.grid;
  const Operands operands = p.operands(p.context, block.batch);
  const int64_t row = part_begin(block.tile_begin, p.m, grid.tiles);
  const int64_t rows = part_begin(block.tile_end, p.m, grid.tiles) - row;
  for (int64_t k_block = 0; k_block < grid.k_blocks; ++k_block) {
    const int64_t k = k_block * grid.kc;
    const int64_t kc = std::min(grid.kc, p.k - k);
    if (kc > 0) p.fill(p.context, block.batch, row, rows, k, kc, block.a, kernels.a_stride);
    if (!p.packed) pack_block(block, operands.source, k, kc);
    TileArgs t = tile_defaults(p, grid, k_block);
    t.kc = kc;
    for (int64_t panel = block.panel_begin; panel < block.panel_end; ++panel) {
      const int64_t col = panel * kernels.nr;
      const int64_t width = p.n - col <= kernels.lanes ? kernels.lanes : kernels.nr;
      // Only the last panel may be narrow, so panels before this one are all nr wide.
      t.b = p.packed ? operands.b + col * p.k + k * width : block.b + (panel - block.panel_begin) * kernels.nr * kc;
      run_panel(block, t, col, operands, k_block == 0, k_block == grid.k_blocks - 1);
    }
  }
}

}  // namespace

GemmGrid make_grid(const GemmKernels& kernels, int64_t batch, int64_t m, int64_t n, int64_t k, bool packed) {
  GemmGrid g;
  g.k_blocks = std::max<int64_t>(1, div_up(k, kernels.kc_max));
  g.kc = std::min<int64_t>(kernels.kc_max, round_up(div_up(k, g.k_blocks), 8));
  g.k_blocks = g.kc == 0 ? 1 : std::max<int64_t>(1, div_up(k, g.kc));
  g.tiles = std::max<int64_t>(1, div_up(m, kernels.mr));
  g.panels = div_up(n, kernels.nr);
  g.m_blocks = div_up(g.tiles, kTilesPerBlock);
  g.n_blocks = packed ? 1 : std::max<int64_t>(1, div_up(g.panels, kMaxDynamicPanels));
  const auto tasks = [&] { return batch * g.m_blocks * g.n_blocks; };
  const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(std::max<int64_t>(k, 1)) *
                      static_cast<double>(batch);
  const auto most = static_cast<int64_t>(std::min(work / static_cast<double>(kMinWork), 1e6)) + 1;
  const int64_t wanted = std::min(kTasksWanted, most);
  if (tasks() < wanted) {  // columns first: rows of A are cheaper to copy twice than B is to read twice
    const int64_t split = div_up(wanted, std::max<int64_t>(1, batch * g.m_blocks));
    g.n_blocks = std::max(g.n_blocks, std::min(split, std::max<int64_t>(1, g.panels / kMinPanelsPerBlock)));
  }
  if (tasks() < wanted) g.m_blocks = std::min(g.tiles, div_up(wanted, std::max<int64_t>(1, batch * g.n_blocks)));
  if (tasks() < wanted)
    g.n_blocks = std::max(g.n_blocks, std::min(g.panels, div_up(wanted, std::max<int64_t>(1, batch * g.m_blocks))));
  g.a_floats = div_up(g.tiles, g.m_blocks) * kernels.mr * kernels.a_stride;
  g.b_floats = packed ? 0 : g.kc * div_up(g.panels, std::max<int64_t>(1, g.n_blocks)) * kernels.nr;
  return g;
}

uint64_t grid_scratch_bytes(const GemmGrid& grid) {
  return static_cast<uint64_t>(round_up((grid.a_floats + grid.b_floats) * 4, static_cast<int64_t>(kGemmAlignment)));
}

uint64_t max_scratch_bytes(const GemmKernels& kernels) {
  GemmGrid g;
  g.a_floats = kTilesPerBlock * kernels.mr * kernels.a_stride;
  g.b_floats = kMaxDynamicPanels * kernels.nr * int64_t{kernels.kc_max};
  return grid_scratch_bytes(g);
}

void run_gemm(Isa isa, const GemmProblem& problem, void* scratch, const ParallelFor& parallel) {
  if (problem.batch <= 0 || problem.m <= 0 || problem.n <= 0) return;
  const GemmKernels& kernels = gemm_kernels(isa);
  const GemmGrid grid = make_grid(kernels, problem.batch, problem.m, problem.n, problem.k, problem.packed);
  const uint64_t per_worker = grid_scratch_bytes(grid);
  const ActivateBlock activate = needs_activate_pass(problem.activation) ? activate_block(isa) : nullptr;
  const int64_t per_batch = grid.m_blocks * grid.n_blocks;
  parallel(problem.batch * per_batch, [&](int64_t task, int worker) {
    const int64_t inside = task % per_batch;
    const int64_t m_block = inside / grid.n_blocks, n_block = inside % grid.n_blocks;
    auto* memory = reinterpret_cast<float*>(static_cast<char*>(scratch) + static_cast<uint64_t>(worker) * per_worker);
    run_block(Block{.problem = &problem,
                    .kernels = &kernels,
                    .grid = &grid,
                    .activate = activate,
                    .batch = task / per_batch,
                    .tile_begin = part_begin(m_block, grid.tiles, grid.m_blocks),
                    .tile_end = part_begin(m_block + 1, grid.tiles, grid.m_blocks),
                    .panel_begin = part_begin(n_block, grid.panels, grid.n_blocks),
                    .panel_end = part_begin(n_block + 1, grid.panels, grid.n_blocks),
                    .a = memory,
                    .b = memory + grid.a_floats});
  });
}

}  // namespace gf::simd
