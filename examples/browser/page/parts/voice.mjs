// Voice activity: the detector's memory is State, which stays in the session between windows. A file is heard at once and then
// played, the microphone as it comes.
import { createSession } from 'ghostflow/worker';
import { absent, button, dropZone, h, messages, stats, time, timeOf, told } from '../lib/dom.mjs';
import { painted } from '../lib/chart.mjs';
import { RATE, decode, listen } from '../lib/audio.mjs';

const WINDOW = 512, CONTEXT = 64, SECOND = RATE / WINDOW, ON = 0.5, OFF = 0.35, LIVE_SECONDS = 12;

/** The model, window after window. */
class Detector {
  #window = new Float32Array(CONTEXT + WINDOW);
  constructor(session) {
    this.session = session;
  }
  async reset() {
    this.#window.fill(0);
    await this.session.resetState();
  }
  /** Probability of speech in 512 new samples. */
  async hear(samples) {
    this.#window.set(samples, CONTEXT);
    const { output } = await this.session.run({ input: this.#window });
    // the end of this window is the context of the next
    this.#window.copyWithin(0, WINDOW);
    return output[0];
  }
}

/** What has been heard: for each window its probability and loudest sample, and the stretches of speech. */
class Heard {
  probabilities = [];
  peaks = [];
  segments = [];
  speaking = false;
  add(samples, p) {
    let peak = 0;
    for (const v of samples) peak = Math.max(peak, Math.abs(v));
    const now = this.probabilities.length / SECOND;
    this.probabilities.push(p);
    this.peaks.push(peak);
    if (!this.speaking && p >= ON) this.segments.push({ from: now, to: undefined });
    if (this.speaking && p < OFF) this.segments.at(-1).to = now;
    this.speaking = this.speaking ? p >= OFF : p >= ON;
  }
  get seconds() {
    return this.probabilities.length / SECOND;
  }
}

const clock = (s) => `${Math.floor(s / 60)}:${(s % 60).toFixed(1).padStart(4, '0')}`;

export async function mount(root, { assets }) {
  if (assets.missing.voice ?? assets.missing.all) return void root.append(absent('The voice detector', assets.missing.voice ?? assets.missing.all));
  const message = messages(), tiles = stats();
  const number = h('span', {}, '–'), meter = h('div', { class: 'meter', role: 'meter', 'aria-label': 'Probability of speech', 'aria-valuemin': '0', 'aria-valuemax': '1' }, number), said = h('p', { id: 'said' }, 'Waiting');
  const audio = h('audio', { controls: true, hidden: true }), segments = h('ol', { class: 'segments', 'aria-label': 'Stretches of speech' });
  const title = h('h3', {}, h('span', {}, 'Timeline'), h('small', {}, ''));
  let heard = new Heard(), live = false, playhead = 0;
  const view = () => (live ? [Math.max(0, heard.seconds - LIVE_SECONDS), Math.max(heard.seconds, LIVE_SECONDS)] : [0, Math.max(heard.seconds, 1)]);
  const timeline = painted((c, w, ht, colour) => {
    const [from, to] = view(), X = (s) => ((s - from) / (to - from)) * w, mid = ht * 0.4, base = ht - 22, top = ht * 0.76;
    c.fillStyle = colour('sunk');
    c.fillRect(0, 0, w, base);
    c.fillStyle = colour('second-soft');
    for (const s of heard.segments) c.fillRect(X(s.from), 0, X(s.to ?? heard.seconds) - X(s.from), base);
    const first = Math.max(0, Math.floor(from * SECOND)), n = heard.probabilities.length;
    // one line of the picture for each pixel: the loudest of its windows
    const per = Math.max(1, Math.floor(((to - from) * SECOND) / w));
    for (let i = first; i < n; i += per) {
      let peak = 0, p = 0;
      for (let k = i; k < Math.min(n, i + per); ++k) peak = Math.max(peak, heard.peaks[k]), p = Math.max(p, heard.probabilities[k]);
      const size = Math.max(1, Math.sqrt(peak) * mid * 0.9);
      c.fillStyle = colour(p >= ON ? 'second' : 'muted');
      c.globalAlpha = p >= ON ? 1 : 0.5;
      c.fillRect(X(i / SECOND), mid - size, Math.max(1, X((i + per) / SECOND) - X(i / SECOND) - 0.6), 2 * size);
    }
    c.globalAlpha = 1;
    c.strokeStyle = colour('accent');
    c.lineWidth = 1.6;
    c.beginPath();
    for (let i = first; i < n; ++i) {
      const x = X((i + 0.5) / SECOND), y = base - 3 - heard.probabilities[i] * (base - top - 3);
      if (i === first) c.moveTo(x, y);
      else c.lineTo(x, y);
    }
    c.stroke();
    c.fillStyle = colour('muted');
    c.font = '11px ui-monospace, Menlo, monospace';
    c.textBaseline = 'middle';
    const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((s) => X(from + s) > 52) ?? 1200;
    for (let s = Math.ceil(from / step) * step; s < to; s += step) if (X(s) < w - 24) c.fillText(`${s} s`, X(s) + 3, ht - 9);
    if (live || playhead === 0) return;
    c.fillStyle = colour('ink');
    c.fillRect(X(playhead) - 1, 0, 2, base);
  }, { class: 'timeline', 'aria-label': 'Loudness and probability of speech over time' });
  const show = (p) => {
    meter.style.setProperty('--p', p.toFixed(3));
    meter.setAttribute('aria-valuenow', p.toFixed(2));
    number.textContent = `${Math.round(100 * p)}%`;
    meter.classList.toggle('speaking', p >= ON);
    const text = p >= ON ? 'Speech' : 'No speech';
    if (said.textContent !== text) said.textContent = text;
  };
  const listSegments = () => {
    const done = heard.segments.slice(-60);
    segments.replaceChildren(...done.map((s) => h('li', {}, h('button', { type: 'button', onclick: () => seek(s.from) }, `${clock(s.from)} – ${s.to === undefined ? 'end' : clock(s.to)}`))));
    title.lastChild.textContent = heard.segments.length === 0 ? 'no speech yet' : `${heard.segments.length} stretch${heard.segments.length === 1 ? '' : 'es'} of speech`;
  };
  const seek = (s) => {
    if (live || audio.hidden) return;
    audio.currentTime = s;
    audio.play().catch(() => undefined);
  };
  timeline.canvas.addEventListener('click', (e) => seek((e.offsetX / timeline.canvas.clientWidth) * heard.seconds));

  let turn = 0, microphone;
  const mic = button('Listen', { icon: 'voice', primary: true, id: 'microphone', onclick: () => (microphone === undefined ? hear() : silence()) });
  const sample = button('Sample', { icon: 'play', onclick: async () => play(await (await fetch('/assets/speech.wav')).blob(), 'the sample') });
  const drop = dropZone({ accept: 'audio/*,.wav', label: 'Drop a sound file', hint: 'or click: WAV, MP3, …', take: (file) => play(file, file.name) });
  drop.root.classList.add('slim');
  root.append(message.root, h('div', { class: 'sources' }, mic, sample, drop.root), h('div', { class: 'listen' }, h('div', { class: 'card meter-card', 'aria-live': 'off' }, meter, said),
    h('div', { class: 'card' }, title, timeline.canvas, audio, segments)), tiles.root);

  const session = await createSession('/assets/voice.gf', { cache: true, threads: 1 }), detector = new Detector(session);
  tiles.set({ 'time per run': [time(await timeOf(session, 7)), 'for 32 ms of sound'], ...told(session.info) });

  async function begin(isLive) {
    const mine = ++turn;
    silence();
    message.clear();
    audio.pause();
    audio.hidden = true;
    live = isLive;
    playhead = 0;
    heard = new Heard();
    delete root.dataset.done;
    await idle;
    await detector.reset();
    return mine;
  }
  let idle = Promise.resolve();

  async function play(blob, name) {
    const mine = await begin(false);
    try {
      const samples = await decode(await blob.arrayBuffer());
      if (samples.length < WINDOW) throw new Error(`“${name}” is shorter than the 32 milliseconds that the detector hears at a time.`);
      const from = performance.now();
      idle = (async () => {
        let drawn = performance.now();
        for (let at = 0; at + WINDOW <= samples.length && mine === turn; at += WINDOW) {
          const piece = samples.subarray(at, at + WINDOW);
          heard.add(piece, await detector.hear(piece));
          if (performance.now() - drawn < 60) continue;
          drawn = performance.now();
          show(heard.probabilities.at(-1));
          timeline.draw();
        }
      })();
      await idle;
      if (mine !== turn) return;
      tiles.set({ 'whole file': [time(performance.now() - from), `${Math.round(heard.seconds)} s of sound`] });
      timeline.draw();
      listSegments();
      show(heard.probabilities[0] ?? 0);
      URL.revokeObjectURL(audio.src);
      audio.src = URL.createObjectURL(blob);
      audio.hidden = false;
      root.dataset.done = JSON.stringify(heard.segments.map((s) => [s.from, s.to ?? heard.seconds]));
    } catch (e) {
      message.fail(e);
    }
  }
  const follow = () => {
    playhead = audio.currentTime;
    show(heard.probabilities[Math.min(heard.probabilities.length - 1, Math.floor(playhead * SECOND))] ?? 0);
    timeline.draw();
    if (!audio.paused && !audio.ended) requestAnimationFrame(follow);
  };
  audio.addEventListener('play', follow);
  audio.addEventListener('seeked', follow);

  async function hear() {
    const mine = await begin(true);
    let waiting = [], working = false;
    try {
      const on = await listen((piece) => {
        waiting.push(piece);
        // behind by more than a second: the oldest is let go
        if (waiting.length > SECOND) waiting = waiting.slice(-Math.round(SECOND / 2));
        if (waiting.length === 1 || !working) work();
      });
      if (mine !== turn) return on.stop();
      microphone = on;
      mic.lastChild.textContent = 'Stop';
      mic.classList.remove('primary');
    } catch (e) {
      message.fail(e);
      return;
    }
    async function work() {
      if (working) return;
      working = true;
      let free;
      idle = new Promise((done) => (free = done));
      try {
        while (waiting.length > 0 && mine === turn) {
          const piece = waiting.shift();
          heard.add(piece, await detector.hear(piece));
          show(heard.probabilities.at(-1));
          timeline.draw();
        }
        listSegments();
        root.dataset.live = String(heard.segments.length);
      } catch (e) {
        message.fail(e);
        silence();
      } finally {
        working = false;
        free();
      }
    }
  }
  function silence() {
    microphone?.stop();
    microphone = undefined;
    mic.lastChild.textContent = 'Listen';
    mic.classList.add('primary');
  }
  return {
    hide() {
      silence();
      audio.pause();
    },
  };
}
