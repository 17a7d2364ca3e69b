// Enlarging by cubic convolution (R. Keys, 1981; a = -0.5) with repeated borders, as MATLAB's imresize, in single
// precision: canvases enlarge with other filters.

const f = Math.fround;
const TAPS = 4;

/** A plane of width x height, enlarged by an integer factor; neither rounded nor clipped. */
export function bicubic(plane, width, height, scale) {
  const phases = Array.from({ length: scale }, (_, phase) => phaseOf(phase, scale));
  const tall = new Float32Array(plane.length * scale);
  for (let y = 0; y < height * scale; y++) {
    const { first, weights } = phases[y % scale];
    const rows = taps(Math.floor(y / scale) + first, height).map((row) => row * width);
    weigh(tall, y * width, 1, plane, rows, 1, width, weights);
  }
  const wide = new Float32Array(tall.length * scale);
  for (let y = 0; y < height * scale; y++) {
    for (let phase = 0; phase < scale; phase++) {
      row(wide, y * width * scale + phase, scale, tall, y * width, width, phases[phase]);
    }
  }
  return wide;
}

/** One phase of a row: every `step`-th value from `start`. */
function row(target, start, step, source, offset, width, { first, weights }) {
  const inner = Math.max(0, Math.min(width, width - first - TAPS + 1)); // positions whose taps lie inside, from -first on
  for (let x = 0; x < width; x++) {
    if (x < -first || x >= inner) {
      const places = taps(x + first, width).map((place) => offset + place);
      weigh(target, start + x * step, 1, source, places, 1, 1, weights);
    }
  }
  const begin = Math.max(0, -first);
  if (inner > begin) {
    const places = [0, 1, 2, 3].map((tap) => offset + begin + first + tap);
    weigh(target, start + begin * step, step, source, places, 1, inner - begin, weights);
  }
}

/** Sums of four weighted values, in order: `count` of them, the places of both sides moving on. */
function weigh(target, to, toStep, source, [a, b, c, d], step, count, [wa, wb, wc, wd]) {
  for (let i = 0; i < count; i++) {
    const k = i * step;
    const sum = f(f(f(wa * source[a + k]) + f(wb * source[b + k])) + f(wc * source[c + k]));
    target[to + i * toStep] = f(sum + f(wd * source[d + k]));
  }
}

/** The weights of a phase, and its first tap relative to the pixel that is enlarged. */
function phaseOf(phase, scale) {
  const center = (phase + 0.5) / scale - 0.5;
  const first = Math.floor(center) - 1;
  const raw = [0, 1, 2, 3].map((tap) => cubic(center - first - tap));
  const sum = raw.reduce((total, weight) => total + weight);
  return { first, weights: raw.map((weight) => f(Math.round((weight / sum) * 1e12) / 1e12)) };
}

function taps(first, length) {
  return [0, 1, 2, 3].map((tap) => Math.min(length - 1, Math.max(0, first + tap)));
}

function cubic(distance) {
  const x = Math.abs(distance);
  if (x <= 1) return (1.5 * x - 2.5) * x * x + 1;
  return x <= 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}
