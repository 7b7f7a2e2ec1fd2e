// Layered drawing of a graph, without the page: longest-path layers (Sugiyama, Tagawa and Toda, 1981), order inside a layer by
// barycentres, and places along a layer by weighted isotonic regression (each layer's best answer to where its
// neighbours pull it, in order and without overlap). Edges that skip layers share one chain of waypoints per source.
'use strict';

const Layout = (() => {
  const kGapX = 26, kGapY = 40, kWaypointGap = 14;

  // items: [{w, h, late}], edges: [[from, to]] with from before to in `items` (the order of execution).
  // Returns {w, h, x, y, paths}: top-left corners, and for each edge the points it goes through.
  function layered(items, edges) {
    const n = items.length;
    if (n === 0) return {w: 0, h: 0, x: [], y: [], paths: []};
    const layer = assignLayers(items, edges);
    const g = withWaypoints(items, edges, layer);
    order(g);
    place(g);
    return draw(g, items, edges);
  }

  function assignLayers(items, edges) {
    const n = items.length;
    const layer = new Array(n).fill(0), out = Array.from({length: n}, () => []), into = new Array(n).fill(0);
    for (const [a, b] of edges) { out[a].push(b); into[b]++; }
    for (let v = 0; v < n; ++v) for (const u of out[v]) layer[u] = Math.max(layer[u], layer[v] + 1);
    // what has no inputs comes down to just above its first reader
    for (let v = n - 1; v >= 0; --v) {
      if (into[v] !== 0 || out[v].length === 0) continue;
      layer[v] = Math.min(...out[v].map(u => layer[u])) - 1;
    }
    const last = Math.max(...layer);
    for (let v = 0; v < n; ++v) if (items[v].late && out[v].length === 0) layer[v] = Math.max(layer[v], Math.min(last, layer[v] + 1));
    const first = Math.min(...layer);
    return layer.map(l => l - first);
  }

  // Nodes first, waypoints behind them.
  function withWaypoints(items, edges, layer) {
    const g = {n: items.length, layer: layer.slice(), w: items.map(i => i.w), h: items.map(i => i.h),
               up: items.map(() => []), down: items.map(() => []), chain: new Map()};
    const reach = new Array(items.length).fill(0);
    for (const [a, b] of edges) reach[a] = Math.max(reach[a], layer[b]);
    const link = (a, b) => { if (!g.down[a].includes(b)) { g.down[a].push(b); g.up[b].push(a); } };
    for (let a = 0; a < items.length; ++a) {
      const chain = [a];
      for (let l = layer[a] + 1; l < reach[a]; ++l) {
        const id = g.layer.length;
        g.layer.push(l); g.w.push(1); g.h.push(0); g.up.push([]); g.down.push([]);
        link(chain[chain.length - 1], id);
        chain.push(id);
      }
      g.chain.set(a, chain);
    }
    for (const [a, b] of edges) link(g.chain.get(a)[layer[b] - layer[a] - 1], b);
    const count = Math.max(...g.layer) + 1;
    g.layers = Array.from({length: count}, () => []);
    return g;
  }

  function order(g) {
    // first order: depth first, so that what belongs together starts together
    const seen = new Array(g.layer.length).fill(false);
    for (let root = 0; root < g.n; ++root) {
      if (g.up[root].length !== 0 || seen[root]) continue;
      const stack = [root];
      while (stack.length) {
        const v = stack.pop();
        if (seen[v]) continue;
        seen[v] = true;
        g.layers[g.layer[v]].push(v);
        for (let i = g.down[v].length - 1; i >= 0; --i) stack.push(g.down[v][i]);
      }
    }
    const at = new Array(g.layer.length).fill(0);
    const number = l => g.layers[l].forEach((v, i) => { at[v] = i; });
    g.layers.forEach((_, l) => number(l));
    let best = g.layers.map(l => l.slice()), fewest = crossings(g, at);
    for (let round = 0; round < 10 && fewest > 0; ++round) {
      const down = round % 2 === 0;
      for (let k = 1; k < g.layers.length; ++k) {
        const l = down ? k : g.layers.length - 1 - k, near = down ? g.up : g.down;
        const key = new Map();
        for (const v of g.layers[l])
          key.set(v, near[v].length ? near[v].reduce((s, u) => s + at[u], 0) / near[v].length : at[v]);
        g.layers[l].sort((a, b) => key.get(a) - key.get(b) || at[a] - at[b]);
        number(l);
      }
      const now = crossings(g, at);
      if (now < fewest) { fewest = now; best = g.layers.map(l => l.slice()); }
    }
    g.layers = best;
  }

  // Pairs of edges that cross, with a Fenwick tree over each lower layer.
  function crossings(g, at) {
    let total = 0;
    for (let l = 0; l + 1 < g.layers.length; ++l) {
      const size = g.layers[l + 1].length, tree = new Array(size + 1).fill(0);
      let inserted = 0;
      for (const v of g.layers[l]) {
        const ends = g.down[v].map(u => at[u]).sort((a, b) => a - b);
        for (const e of ends) {
          let smaller = 0;
          for (let i = e + 1; i > 0; i -= i & -i) smaller += tree[i];
          total += inserted - smaller;
        }
        for (const e of ends) { ++inserted; for (let i = e + 1; i <= size; i += i & -i) ++tree[i]; }
      }
    }
    return total;
  }

  function place(g) {
    const gap = (a, b) => (g.w[a] + g.w[b]) / 2 + (a >= g.n && b >= g.n ? kWaypointGap : kGapX);
    g.x = new Array(g.layer.length).fill(0);
    for (const layer of g.layers) {
      let x = 0;
      layer.forEach((v, i) => { if (i) x += gap(layer[i - 1], v); g.x[v] = x; });
      layer.forEach(v => { g.x[v] -= x / 2; });
    }
    const weight = (a, b) => (a >= g.n && b >= g.n ? 8 : a >= g.n || b >= g.n ? 1 : 2);
    const anchor = new Array(g.layer.length).fill(0);
    const pull = (layer, near) => {
      const want = [], heavy = [];
      for (const v of layer) {
        let sum = anchor[v] * g.x[v], total = anchor[v];
        for (const u of near(v)) { const w = weight(u, v) * (near(v).length === 1 ? 2 : 1); sum += w * g.x[u]; total += w; }
        want.push(total ? sum / total : g.x[v]);
        heavy.push(total || 0.05);
      }
      fit(layer, want, heavy, gap, g.x);
    };
    for (let round = 0; round < 14; ++round) {
      if (round % 2 === 0) for (let l = 1; l < g.layers.length; ++l) pull(g.layers[l], v => g.up[v]);
      else for (let l = g.layers.length - 2; l >= 0; --l) pull(g.layers[l], v => g.down[v]);
    }
    for (let round = 0; round < 4; ++round)
      for (let l = 0; l < g.layers.length; ++l) pull(g.layers[l], v => g.up[v].concat(g.down[v]));
    // long lines stay where they are, and the rest gathers beside them
    const both = v => g.up[v].concat(g.down[v]);
    for (let round = 0; round < 8; ++round) {
      straighten(g, gap, anchor);
      for (let l = 0; l < g.layers.length; ++l) pull(g.layers[l], both);
      for (let l = g.layers.length - 1; l >= 0; --l) pull(g.layers[l], both);
    }
    for (let round = 0; round < 2; ++round) straighten(g, gap, anchor);
  }

  // Runs of nodes that are each other's nearest are put on one vertical line where their neighbours leave room.
  function straighten(g, gap, anchor) {
    const at = new Array(g.layer.length);
    g.layers.forEach(layer => layer.forEach((v, i) => { at[v] = i; }));
    const nearest = (v, list) => list.reduce((best, u) => {
      const cost = Math.abs(g.x[u] - g.x[v]) - (u >= g.n && v >= g.n ? 1e6 : 0);
      return best === null || cost < best[1] ? [u, cost] : best;
    }, null)?.[0];
    const next = g.layer.map((_, v) => { const u = nearest(v, g.down[v]); return u !== undefined && nearest(u, g.up[u]) === v ? u : -1; });
    const begins = new Array(g.layer.length).fill(true);
    next.forEach(u => { if (u >= 0) begins[u] = false; });
    const room = v => {
      const layer = g.layers[g.layer[v]], i = at[v];
      return [i > 0 ? g.x[layer[i - 1]] + gap(layer[i - 1], v) : -Infinity, i + 1 < layer.length ? g.x[layer[i + 1]] - gap(v, layer[i + 1]) : Infinity];
    };
    for (let v = 0; v < g.layer.length; ++v) {
      if (!begins[v]) continue;
      let run = [], lo = -Infinity, hi = Infinity;
      const settle = () => {
        for (const u of run) anchor[u] = 0;
        if (run.length < 2) return;
        let sum = 0, total = 0;  // the line goes to where its neighbours are
        for (const u of run)
          for (const t of g.up[u].concat(g.down[u])) if (next[u] !== t && next[t] !== u) { sum += g.x[t]; ++total; }
        const middle = total ? sum / total : run.map(u => g.x[u]).sort((a, b) => a - b)[run.length >> 1];
        for (const u of run) { g.x[u] = Math.min(hi, Math.max(lo, middle)); anchor[u] = run.length > 8 ? run.length : 0; }
      };
      for (let u = v; u >= 0; u = next[u]) {
        const [a, b] = room(u);
        if (Math.max(lo, a) > Math.min(hi, b)) {
          settle();
          run = [];
          lo = -Infinity;
          hi = Infinity;
        }
        run.push(u);
        lo = Math.max(lo, a);
        hi = Math.min(hi, b);
      }
      settle();
    }
  }

  // min sum heavy (x - want)^2 with x[i + 1] - x[i] >= gap: pool adjacent violators.
  function fit(layer, want, heavy, gap, x) {
    const shift = [0];
    for (let i = 1; i < layer.length; ++i) shift.push(shift[i - 1] + gap(layer[i - 1], layer[i]));
    const blocks = [];
    layer.forEach((_, i) => {
      blocks.push({sum: (want[i] - shift[i]) * heavy[i], weight: heavy[i], count: 1});
      while (blocks.length > 1) {
        const b = blocks[blocks.length - 1], a = blocks[blocks.length - 2];
        if (a.sum / a.weight <= b.sum / b.weight) break;
        blocks.pop();
        a.sum += b.sum; a.weight += b.weight; a.count += b.count;
      }
    });
    let i = 0;
    for (const b of blocks) for (let k = 0; k < b.count; ++k, ++i) x[layer[i]] = b.sum / b.weight + shift[i];
  }

  function draw(g, items, edges) {
    const top = [], height = [];
    let y = 0;
    g.layers.forEach((layer, l) => {
      height.push(Math.max(8, ...layer.map(v => g.h[v])));
      top.push(y);
      y += height[l] + kGapY;
    });
    let left = Infinity, right = -Infinity;
    for (let v = 0; v < g.layer.length; ++v) { left = Math.min(left, g.x[v] - g.w[v] / 2); right = Math.max(right, g.x[v] + g.w[v] / 2); }
    const x = [], yy = [];
    for (let v = 0; v < g.n; ++v) {
      x.push(g.x[v] - g.w[v] / 2 - left);
      yy.push(top[g.layer[v]] + (height[g.layer[v]] - g.h[v]) / 2);
    }
    // several edges into a node end side by side, in the order in which they come
    const arriving = Array.from({length: g.n}, () => []);
    edges.forEach(([a, b], e) => arriving[b].push(e));
    const enters = new Array(edges.length);
    arriving.forEach((list, v) => {
      const from = e => { const [a, b] = edges[e]; return g.x[g.chain.get(a)[g.layer[b] - g.layer[a] - 1]]; };
      list.sort((p, q) => from(p) - from(q));
      const step = Math.min(16, items[v].w / (list.length + 1));
      list.forEach((e, i) => { enters[e] = (i - (list.length - 1) / 2) * step; });
    });
    const paths = edges.map(([a, b], e) => {
      const points = [[x[a] + items[a].w / 2, yy[a] + items[a].h]];
      if (yy[a] + items[a].h < top[g.layer[a]] + height[g.layer[a]]) points.push([points[0][0], top[g.layer[a]] + height[g.layer[a]]]);
      for (const v of g.chain.get(a).slice(1, g.layer[b] - g.layer[a])) {
        points.push([g.x[v] - left, top[g.layer[v]]]);
        points.push([g.x[v] - left, top[g.layer[v]] + height[g.layer[v]]]);
      }
      const end = x[b] + items[b].w / 2 + enters[e];
      if (yy[b] > top[g.layer[b]]) points.push([end, top[g.layer[b]]]);
      points.push([end, yy[b]]);
      return points;
    });
    return {w: right - left, h: y - kGapY, x, y: yy, paths};
  }

  return {layered};
})();
