// A model at one size: its file with the shapes of that size, its input from pixels, its output as values.
import { luma, toPlanes } from './color.js';

const f = Math.fround;

export class Network {
  /** Loads a model for images of a size. */
  static async open(runtime, description, file, accelerator, width, height) {
    const bytes = sized(file, description.shapes, width, height);
    const { model, ran } = await runtime.compile(bytes, description.webgpu ? accelerator : 'wasm');
    return new Network(runtime, description, model, ran, width, height);
  }

  constructor(runtime, description, model, ran, width, height) {
    Object.assign(this, { runtime, description, model, ran, width, height });
  }

  /** The input for the RGBA pixels of a whole image. */
  input(rgba, color) {
    const { colors } = this.description;
    const count = this.width * this.height;
    const planes = colors === 1 ? [luma(rgba, color)] : toPlanes(rgba);
    const values = new Float32Array(count * colors);
    for (let c = 0; c < colors; c++) for (let i = 0; i < count; i++) values[i * colors + c] = planes[c][i];
    return this.store(values);
  }

  /** Values in 0..255, interleaved, as the model's input stores them. */
  store(values) {
    const { dtype, scale, zero_point: zeroPoint, black, white } = this.description.input;
    const colors = this.description.colors;
    const stored = dtype === 'uint8' ? new Uint8Array(values.length) : new Float32Array(values.length);
    const unit = isUnit(black, white);
    const step = f(scale);
    for (let i = 0; i < values.length; i++) {
      let real = f(values[i] / 255);
      if (!unit) {
        const c = black.length > 1 ? i % colors : 0;
        real = f(f(real * f(f(white[c]) - f(black[c]))) + f(black[c]));
      }
      stored[i] = dtype === 'uint8' ? clip(roundHalfToEven(f(real / step)) + zeroPoint) : real;
    }
    return stored;
  }

  /** What the model's output stores, as values where 255 is white; not clipped. */
  load(stored) {
    const { dtype, scale, zero_point: zeroPoint, black, white } = this.description.output;
    const colors = this.description.colors;
    const unit = isUnit(black, white);
    const values = new Float32Array(stored.length);
    const step = f(scale);
    for (let i = 0; i < stored.length; i++) {
      let real = dtype === 'uint8' ? f((stored[i] - zeroPoint) * step) : stored[i];
      if (!unit) {
        const c = black.length > 1 ? i % colors : 0;
        real = f(f(real - f(black[c])) / f(f(white[c]) - f(black[c])));
      }
      values[i] = real * 255;
    }
    return values;
  }

  /** The model's output for an input, as it stores it. */
  run(input) {
    return this.runtime.run(this.model, input, [1, this.height, this.width, this.description.colors]);
  }

  close() {
    this.model.delete();
  }
}

/** The file of a model with the shapes for an image of a size; each entry is [word, a, b, c] for a·width + b·height + c. */
export function sized(file, shapes, width, height) {
  const copy = file.slice(0);
  const view = new DataView(copy);
  for (const [word, a, b, c] of shapes) view.setInt32(4 * word, a * width + b * height + c, true);
  return copy;
}

function isUnit(black, white) {
  return black.length === 1 && black[0] === 0 && white[0] === 1;
}

function roundHalfToEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function clip(value) {
  return Math.min(255, Math.max(0, value));
}
