// The blocked loop of matrix products and convolutions.
// A task is a block of rows x a block of panels of one product. Its panels are walked in chunks: the part of B that a
// block of k and a few panels hold, small enough for L2. For each chunk, for each tile of rows: copy the tile's rows of
// A into a buffer that never leaves L1, then one kernel call per panel. While a chunk is used, the kernels prefetch the
// next one, so that B arrives from memory behind the arithmetic.
#include "ops/cpu/simd/gemm_driver.h"

#include <algorithm>
#include <cstring>

namespace gf::simd {
namespace {

// Tasks wanted, so that 2 to 16 threads end at about the same time. Smaller tasks read B and copy A more often: they
// are cut no smaller than this while the work per task is worth a thread's wake-up.
constexpr int64_t kTasksWanted = 16;
constexpr int64_t kTasksPerThread = 2;  // the same where B is packed while running; one thread needs one
constexpr int64_t kMinTiles = 4;
constexpr int64_t kMinPanels = 4;
constexpr int64_t kMinWork = int64_t{1} << 18;  // multiply-adds
constexpr int64_t kMaxTiles = 64;               // most per task where B is packed: more tasks than wanted for tall products

// WebAssembly has no prefetching: what says where to do it is left out of a module.
#ifdef __wasm_simd128__
constexpr bool kMayPrefetch = false;
#else
constexpr bool kMayPrefetch = true;
#endif

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
  ViewOfA a_view;  ///< no data: A is not in memory as a matrix
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

/// Panels [begin, end) of blocks of k [k_begin, k_end): one block, or all of them when they fit.
struct Chunk {
  int64_t begin, end, k_begin, k_end;
  bool operator==(const Chunk&) const = default;
};

/// The chunk after `c` in the order run_block walks them; `c` itself when it is the last.
Chunk next_chunk(const Block& block, const Chunk& c) {
  const GemmGrid& grid = *block.grid;
  Chunk next = c;
  if (c.k_end < grid.k_blocks) {
    next.k_begin = c.k_end;
    next.k_end = std::min(c.k_end + grid.chunk_k_blocks, grid.k_blocks);
  } else if (c.end < block.panel_end) {
    next = {c.end, std::min(c.end + grid.chunk_panels, block.panel_end), 0, grid.chunk_k_blocks};
  }
  return next;
}

/// First k of a block of k; the block after the last begins at the end.
int64_t k_start(const Block& block, int64_t k_block) { return std::min(k_block * block.grid->kc, block.problem->k); }

int64_t panel_width(const Block& block, int64_t panel) {
  const int64_t rest = block.problem->n - panel * block.kernels->nr;
  return rest <= block.kernels->lanes ? block.kernels->lanes : block.kernels->nr;
}

/// Start of a chunk's part of a panel in packed B. Only the last panel may be narrow, so those before are all nr wide.
const float* packed_at(const Block& block, const float* b, int64_t panel, int64_t k) {
  return b + panel * block.kernels->nr * block.problem->k + k * panel_width(block, panel);
}

/// Rows of one tile, and those of its kernel: a small tile among larger ones takes the larger ones' order of additions, so
/// that equal rows of one product are equal to the last bit. The rows that it lacks are computed and dropped.
struct Tile {
  int64_t row, rows, kernel_rows;
};
Tile tile_at(const Block& block, int64_t index) {
  const int64_t m = block.problem->m, tiles = block.grid->tiles, plain = block.kernels->plain_rows;
  const int64_t row = part_begin(index, m, tiles), rows = part_begin(index + 1, m, tiles) - row;
  return {row, rows, div_up(m, tiles) >= plain ? std::max(rows, plain) : rows};
}

/// What fill copies after this tile and block of k: the next block of k of the chunk, the next tile, or the first one of the next
/// chunk. False when nothing comes.
bool next_fill(const Block& block, const Chunk& chunk, const Chunk& next, int64_t& tile, int64_t& k_block) {
  if (++k_block < chunk.k_end) return true;
  k_block = chunk.k_begin;
  if (++tile < block.tile_end) return true;
  tile = block.tile_begin;
  k_block = next.k_begin;
  return !(next == chunk);
}

/// Part of A that is copied next: `rows` rows of kc elements of `values` from `from`; nullptr: nothing is known of it.
struct NextA {
  const float* from = nullptr;
  int64_t rows = 0, kc = 0, values = 1, row_stride = 0, col_stride = 0;
};
NextA next_of_a(const Block& block, const Chunk& chunk, const Chunk& next, int64_t tile, int64_t k_block) {
  if (block.a_view.data == nullptr || !next_fill(block, chunk, next, tile, k_block)) return {};
  const ViewOfA& a = block.a_view;
  const Tile to = tile_at(block, tile);
  const int64_t k = k_start(block, k_block), values = block.problem->values;
  return {a.data + to.row * a.row_stride + k * values * a.col_stride, to.rows, k_start(block, k_block + 1) - k, values, a.row_stride, a.col_stride};
}

/// Prefetches the share of call `call` of `calls` of what is copied next, while B stays in cache.
void look_ahead_a(const NextA& a, int64_t call, int64_t calls, TileArgs& t) {
  const int64_t kc = a.kc * a.values;
  if (a.col_stride != 1) {  // a piece of a row of memory per value of k, of two cache lines at most
    if (call >= 2 * a.values) return;
    t.ahead = a.from + (call < a.values ? 0 : a.rows - 1) + call % a.values * a.col_stride;
    t.ahead_step = a.values * a.col_stride;
  } else if (a.row_stride == kc) {  // one piece of memory
    const int64_t share = a.rows * kc / calls;
    t.ahead = a.from + call * share;
    t.ahead_step = div_up(share, t.kc);
  } else {  // one row per call
    t.ahead = a.from + (calls < a.rows ? call * a.rows / calls : std::min(call, a.rows - 1)) * a.row_stride;
    t.ahead_step = div_up(kc, t.kc);
  }
}

/// Prefetches this call's share of the next chunk of packed B: the same panel, the part that falls to this tile.
void look_ahead_b(const Block& block, const Chunk& chunk, const Chunk& next, int64_t tile, int64_t k_block, int64_t panel, const float* b, TileArgs& t) {
  const int64_t calls = chunk.k_end - chunk.k_begin, call = k_block - chunk.k_begin;  // per panel and tile
  const int64_t ahead = std::min(next.begin + (panel - chunk.begin), next.end - 1);
  const int64_t k = k_start(block, next.k_begin), kc = k_start(block, next.k_end) - k;
  const int64_t share = kc * panel_width(block, ahead) / ((block.tile_end - block.tile_begin) * calls);
  t.ahead = packed_at(block, b, ahead, k) + ((tile - block.tile_begin) * calls + call) * share;
  t.ahead_step = div_up(share, t.kc);
}

/// One kernel call: tile x panel x block of k. `t` holds what does not change from panel to panel.
void run_panel(const Block& block, const Tile& tile, int64_t panel, int64_t k_block, TileArgs t,
               const Operands& operands) {
  const GemmProblem& p = *block.problem;
  const GemmKernels& kernels = *block.kernels;
  const int64_t col = panel * kernels.nr, width = panel_width(block, panel);
  const int64_t cols = std::min<int64_t>(kernels.nr, p.n - col);
  const TileKernel kernel = (width == kernels.nr ? kernels.full : kernels.narrow)[tile.kernel_rows - 1];
  const bool first = k_block == 0;
  float* c = operands.c + col;
  const float* residual = first && operands.residual != nullptr ? operands.residual + col : nullptr;
  t.bias = first && operands.bias != nullptr ? operands.bias + col : nullptr;
  if (cols == width && p.map_row == nullptr && tile.kernel_rows == tile.rows) {
    t.c = c + tile.row * p.ldc;
    t.residual = residual == nullptr ? nullptr : residual + tile.row * p.residual_stride;
    kernel(t);
  } else {
    run_edge_tile(p, t, kernel, tile.row, tile.rows, cols, width, c, residual);
  }
  if (block.activate == nullptr || k_block + 1 < block.grid->k_blocks) return;
  if (p.map_row == nullptr) {
    block.activate(p.activation, c + tile.row * p.ldc, p.ldc, tile.rows, cols);
    return;
  }
  for (int64_t i = tile.row; i < tile.row + tile.rows; ++i)
    block.activate(p.activation, c + p.map_row(p.context, i) * p.ldc, p.ldc, 1, cols);
}

/// Panels of a tile that the kernel writes in place and nothing follows: only what differs from panel to panel is set anew, which
/// counts where k is small. `panel`: the first one; returns the one behind the last.
int64_t run_straight(const Block& block, const Tile& tile, int64_t panel, int64_t end, bool first, TileArgs t, int64_t b_step, const Operands& operands) {
  const GemmProblem& p = *block.problem;
  const GemmKernels& kernels = *block.kernels;
  const int64_t nr = kernels.nr, col = panel * nr;
  end = std::min(end, p.n / nr);
  const TileKernel kernel = kernels.full[tile.kernel_rows - 1];
  t.c = operands.c + col + tile.row * p.ldc;
  t.bias = first && operands.bias != nullptr ? operands.bias + col : nullptr;
  t.residual = first && operands.residual != nullptr ? operands.residual + col + tile.row * p.residual_stride : nullptr;
  for (; panel < end; ++panel) {
    kernel(t);
    t.b += b_step;
    t.c += nr;
    if (t.bias != nullptr) t.bias += nr;
    if (t.residual != nullptr) t.residual += nr;
  }
  return panel;
}

/// One tile of rows against a chunk.
void run_tile(const Block& block, const Chunk& chunk, const Chunk& next, int64_t index, const Operands& operands) {
  const GemmProblem& p = *block.problem;
  const GemmKernels& kernels = *block.kernels;
  const Tile tile = tile_at(block, index);
  if (tile.kernel_rows > tile.rows)
    std::memset(block.a + tile.rows * kernels.a_stride, 0, static_cast<size_t>((tile.kernel_rows - tile.rows) * kernels.a_stride) * sizeof(float));
  const float* packed = block.b;  // in the order pack_chunk writes
  const bool prefetches = kMayPrefetch && kernels.prefetches;
  const bool straight = !prefetches && p.map_row == nullptr && tile.kernel_rows == tile.rows;
  for (int64_t k_block = chunk.k_begin; k_block < chunk.k_end; ++k_block) {
    const int64_t k = k_start(block, k_block);
    TileArgs t = tile_defaults(p, *block.grid, k_block);
    t.a = block.a;
    t.kc = k_start(block, k_block + 1) - k;
    if (t.kc > 0) p.fill(p.context, block.batch, tile.row, tile.rows, k, t.kc, block.a, kernels.a_stride);
    int64_t panel = chunk.begin;
    if (straight && (block.activate == nullptr || k_block + 1 < block.grid->k_blocks)) {
      t.b = p.packed ? packed_at(block, operands.b, panel, k) : packed;
      panel = run_straight(block, tile, panel, chunk.end, k_block == 0, t, (p.packed ? p.k : t.kc) * kernels.nr, operands);
      packed += t.kc * kernels.nr * (panel - chunk.begin);
    }
    const bool b_comes = prefetches && p.packed && !(next == chunk) && t.kc > 0;
    const NextA next_a = !prefetches || b_comes || t.kc == 0 ? NextA{} : next_of_a(block, chunk, next, index, k_block);
    for (; panel < chunk.end; ++panel) {
      t.b = p.packed ? packed_at(block, operands.b, panel, k) : packed;
      packed += t.kc * panel_width(block, panel);
      if (!kMayPrefetch) {
        run_panel(block, tile, panel, k_block, t, operands);
        continue;
      }
      t.ahead = t.b;
      t.ahead_step = 0;
      if (b_comes) look_ahead_b(block, chunk, next, index, k_block, panel, operands.b, t);
      if (next_a.from != nullptr) look_ahead_a(next_a, panel - chunk.begin, chunk.end - chunk.begin, t);
      run_panel(block, tile, panel, k_block, t, operands);
    }
  }
}

/// Packs a chunk of B: for each block of k, panel after panel.
void pack_chunk(const Block& block, const Chunk& chunk, const PackSource& source) {
  const GemmKernels& kernels = *block.kernels;
  float* out = block.b;
  for (int64_t k_block = chunk.k_begin; k_block < chunk.k_end; ++k_block) {
    const int64_t k = k_start(block, k_block), kc = k_start(block, k_block + 1) - k;
    for (int64_t panel = chunk.begin; panel < chunk.end; ++panel) {
      const int64_t col = panel * kernels.nr, width = panel_width(block, panel);
      const int64_t cols = std::min<int64_t>(kernels.nr, block.problem->n - col);
      if (block.problem->pack != nullptr) {
        block.problem->pack(block.problem->context, advance(source, col * source.col_stride), k, kc, cols, width, out);
      } else {
        pack_panel(kernels, advance(source, k * source.row_stride + col * source.col_stride), kc, cols, width, out);
      }
      out += kc * width;
    }
  }
}

void run_block(const Block& block) {
  const GemmGrid& grid = *block.grid;
  const Operands operands = block.problem->operands(block.problem->context, block.batch);
  Chunk chunk{block.panel_begin, std::min(block.panel_begin + grid.chunk_panels, block.panel_end), 0,
              grid.chunk_k_blocks};
  while (true) {
    const Chunk next = next_chunk(block, chunk);
    if (!block.problem->packed) pack_chunk(block, chunk, operands.source);
    for (int64_t tile = block.tile_begin; tile < block.tile_end; ++tile) run_tile(block, chunk, next, tile, operands);
    if (next == chunk) return;
    chunk = next;
  }
}

}  // namespace

GemmGrid make_grid(const GemmKernels& kernels, int64_t batch, int64_t m, int64_t n, int64_t k, bool packed, int threads) {
  GemmGrid g;
  g.k_blocks = std::max<int64_t>(1, div_up(k, kernels.kc_max));
  g.kc = std::min<int64_t>(kernels.kc_max, round_up(div_up(k, g.k_blocks), 8));
  g.k_blocks = g.kc == 0 ? 1 : std::max<int64_t>(1, div_up(k, g.kc));
  g.tiles = std::max<int64_t>(1, div_up(m, kernels.mr));
  g.panels = div_up(n, kernels.nr);
  const int64_t fits = kernels.chunk_floats / (std::max<int64_t>(g.kc, 1) * kernels.nr);
  const int64_t chunks = std::max<int64_t>(1, div_up(g.panels, std::max<int64_t>(1, fits)));
  const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(std::max<int64_t>(k, 1)) *
                      static_cast<double>(batch);
  const auto worth = static_cast<int64_t>(std::min(work / static_cast<double>(kMinWork), 1e6)) + 1;
  const int64_t most = packed ? kTasksWanted : threads <= 1 ? 1 : std::min(kTasksWanted, kTasksPerThread * threads);
  const int64_t wanted = std::min(most, worth);
  const auto missing = [&](int64_t other) { return div_up(wanted, std::max<int64_t>(1, batch * other)); };
  // Blocks of whole chunks cost nothing; then blocks of rows, then smaller blocks of panels, then whatever is left.
  g.n_blocks = std::min(chunks, missing(1));
  g.m_blocks = std::max(packed ? div_up(g.tiles, kMaxTiles) : 1, std::min(missing(g.n_blocks), div_up(g.tiles, kMinTiles)));
  g.n_blocks = std::max(g.n_blocks, std::min(missing(g.m_blocks), div_up(g.panels, kMinPanels)));
  g.m_blocks = std::max(g.m_blocks, std::min(missing(g.n_blocks), g.tiles));
  g.n_blocks = std::max<int64_t>(1, std::max(g.n_blocks, std::min(missing(g.m_blocks), g.panels)));
  const int64_t block_panels = std::max<int64_t>(1, div_up(g.panels, g.n_blocks));
  g.chunk_panels = div_up(block_panels, div_up(block_panels, std::max<int64_t>(1, fits)));
  g.chunk_k_blocks = 1;
  if (g.k_blocks > 1 && g.k_blocks * g.kc * kernels.nr * block_panels <= kernels.chunk_floats) {
    g.chunk_panels = block_panels;
    g.chunk_k_blocks = g.k_blocks;
  }
  g.a_floats = int64_t{kernels.mr} * kernels.a_stride;
  const int64_t panel = std::max<int64_t>(g.kc, 1) * kernels.nr;
  g.b_floats = packed ? 0 : std::min(g.k_blocks * panel * g.panels, std::max<int64_t>(kernels.chunk_floats, panel));
  return g;
}

uint64_t grid_scratch_bytes(const GemmGrid& grid) {
  return static_cast<uint64_t>(round_up((grid.a_floats + grid.b_floats) * 4, static_cast<int64_t>(kGemmAlignment)));
}

uint64_t max_scratch_bytes(const GemmKernels& kernels) {
  GemmGrid g;
  g.a_floats = int64_t{kernels.mr} * kernels.a_stride;
  g.b_floats = std::max<int64_t>(kernels.chunk_floats, int64_t{kernels.kc_max} * kernels.nr);
  return grid_scratch_bytes(g);
}

void run_gemm(Isa isa, const GemmProblem& problem, void* scratch, const ParallelFor& parallel) {
  if (problem.batch <= 0 || problem.m <= 0 || problem.n <= 0) return;
  const GemmKernels& kernels = *problem.kernels;
  const GemmGrid grid = make_grid(kernels, problem.batch, problem.m, problem.n, problem.k, problem.packed, parallel.threads);
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
                    .a_view = problem.view == nullptr ? ViewOfA{} : problem.view(problem.context, task / per_batch),
                    .tile_begin = part_begin(m_block, grid.tiles, grid.m_blocks),
                    .tile_end = part_begin(m_block + 1, grid.tiles, grid.m_blocks),
                    .panel_begin = part_begin(n_block, grid.panels, grid.n_blocks),
                    .panel_end = part_begin(n_block + 1, grid.panels, grid.n_blocks),
                    .a = memory,
                    .b = memory + grid.a_floats});
  });
}

}  // namespace gf::simd
