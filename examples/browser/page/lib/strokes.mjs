// A pad to draw on, and the 28 x 28 picture of a drawing as MNIST has it: fitted into 20 x 20, its centre of mass in the middle.
import { h } from './dom.mjs';

export const SIDE = 28;
const FIT = 20, SIZE = 336;

/** `changed` is called while a stroke is drawn, `ended` after one. */
export function drawingPad({ changed, ended, label }) {
  const canvas = h('canvas', { class: 'pad', width: SIZE, height: SIZE, role: 'img', 'aria-label': label });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  let last, empty = true;
  const clear = () => {
    context.fillStyle = '#16151c';
    context.fillRect(0, 0, SIZE, SIZE);
    context.strokeStyle = '#fff';
    context.lineWidth = SIZE / 13;
    context.lineCap = context.lineJoin = 'round';
    empty = true;
  };
  const place = (e) => {
    const box = canvas.getBoundingClientRect();
    return [((e.clientX - box.left) / box.width) * SIZE, ((e.clientY - box.top) / box.height) * SIZE];
  };
  const line = (to) => {
    context.beginPath();
    context.moveTo(...last);
    context.lineTo(to[0] + 0.01, to[1]);
    context.stroke();
    last = to;
    empty = false;
  };
  canvas.addEventListener('pointerdown', (e) => {
    if (!e.isPrimary || e.button > 0) return;
    canvas.setPointerCapture(e.pointerId);
    last = place(e);
    line(last);
    changed();
  });
  canvas.addEventListener('pointermove', (e) => {
    if (last === undefined || !e.isPrimary) return;
    for (const point of e.getCoalescedEvents?.().length ? e.getCoalescedEvents() : [e]) line(place(point));
    changed();
  });
  const end = () => {
    if (last === undefined) return;
    last = undefined;
    ended();
  };
  canvas.addEventListener('pointerup', end);
  canvas.addEventListener('pointercancel', end);
  clear();
  return {
    canvas, clear,
    get empty() {
      return empty;
    },
    /** 784 bytes; undefined: nothing is drawn. */
    picture: () => (empty ? undefined : normalised(canvas, context)),
  };
}

function normalised(canvas, context) {
  const { data } = context.getImageData(0, 0, SIZE, SIZE);
  let left = SIZE, right = -1, top = SIZE, bottom = -1;
  for (let y = 0; y < SIZE; ++y) for (let x = 0; x < SIZE; ++x) if (data[4 * (y * SIZE + x)] > 60) {
    left = Math.min(left, x), right = Math.max(right, x), top = Math.min(top, y), bottom = Math.max(bottom, y);
  }
  if (right < 0) return undefined;
  const w = right - left + 1, ht = bottom - top + 1, scale = FIT / Math.max(w, ht, SIZE / 5);
  const small = new OffscreenCanvas(SIDE, SIDE), c = small.getContext('2d', { willReadFrequently: true });
  const draw = (dx, dy) => {
    c.fillStyle = '#000';
    c.fillRect(0, 0, SIDE, SIDE);
    c.imageSmoothingQuality = 'high';
    c.drawImage(canvas, left, top, w, ht, dx, dy, w * scale, ht * scale);
    const pixels = c.getImageData(0, 0, SIDE, SIDE).data;
    // the ground of the pad is not quite black
    return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => Math.max(0, Math.round(((pixels[4 * i] - 24) * 255) / 231)));
  };
  const x0 = (SIDE - w * scale) / 2, y0 = (SIDE - ht * scale) / 2, first = draw(x0, y0);
  let sum = 0, mx = 0, my = 0;
  first.forEach((v, i) => (sum += v, mx += v * (i % SIDE), my += v * Math.floor(i / SIDE)));
  return draw(x0 + Math.round((SIDE - 1) / 2 - mx / sum), y0 + Math.round((SIDE - 1) / 2 - my / sum));
}

/** A small canvas with a picture of 784 bytes. */
export function thumbnail(picture) {
  const canvas = h('canvas', { width: SIDE, height: SIDE }), image = new ImageData(SIDE, SIDE);
  paint(image, picture);
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas;
}
function paint(image, picture) {
  picture.forEach((v, i) => {
    image.data.fill(v, 4 * i, 4 * i + 3);
    image.data[4 * i + 3] = 255;
  });
}

/** The picture moved, turned and scaled a little, as values 0..1, into `out` at `at`. */
export function varied(picture, out, at, random = Math.random) {
  const turn = (random() - 0.5) * 0.5, scale = 1 + (random() - 0.5) * 0.25, shear = (random() - 0.5) * 0.2, dx = (random() - 0.5) * 4, dy = (random() - 0.5) * 4;
  const cos = Math.cos(turn) / scale, sin = Math.sin(turn) / scale, m = (SIDE - 1) / 2;
  for (let y = 0; y < SIDE; ++y) for (let x = 0; x < SIDE; ++x) {
    const u = x - m - dx, v = y - m - dy;
    out[at + y * SIDE + x] = bilinear(picture, cos * u + sin * v + shear * v + m, cos * v - sin * u + m) / 255;
  }
}
function bilinear(picture, x, y) {
  const x0 = Math.floor(x), y0 = Math.floor(y), fx = x - x0, fy = y - y0;
  const pixel = (i, j) => (i < 0 || j < 0 || i >= SIDE || j >= SIDE ? 0 : picture[j * SIDE + i]);
  return (1 - fy) * ((1 - fx) * pixel(x0, y0) + fx * pixel(x0 + 1, y0)) + fy * ((1 - fx) * pixel(x0, y0 + 1) + fx * pixel(x0 + 1, y0 + 1));
}
