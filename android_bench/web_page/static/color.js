// BT.601 luma and chroma of limited range, in single precision and in the order of the Python package: same bytes.
// `color` has the rows Y, Cb, Cr of `to_ycbcr` and the rows R, G, B of `to_rgb`, as float32 values.

const f = Math.fround;

/** The luma of RGBA pixels, in 16..235; not rounded. */
export function luma(rgba, color) {
  return plane(rgba, color.to_ycbcr[0], 16);
}

/** The luma and chroma planes of RGBA pixels. */
export function toYCbCr(rgba, color) {
  return color.to_ycbcr.map((row, index) => plane(rgba, row, index ? 128 : 16));
}

/** The red, green and blue planes of RGBA pixels, in 0..255. */
export function toPlanes(rgba) {
  return [0, 1, 2].map((offset) => {
    const values = new Float32Array(rgba.length / 4);
    for (let i = 0; i < values.length; i++) values[i] = rgba[4 * i + offset];
    return values;
  });
}

/** Opaque RGBA pixels of luma and chroma planes, rounded and clipped. */
export function fromYCbCr([y, cb, cr], color) {
  const rgba = new Uint8Array(4 * y.length);
  const rows = color.to_rgb.flat();
  const [ry, rb, rr] = [f(rows[0]), f(rows[1]), f(rows[2])];
  const [gy, gb, gr] = [f(rows[3]), f(rows[4]), f(rows[5])];
  const [by, bb, br] = [f(rows[6]), f(rows[7]), f(rows[8])];
  for (let i = 0, o = 0; i < y.length; i++, o += 4) {
    const a = f(y[i] - 16);
    const b = f(cb[i] - 128);
    const c = f(cr[i] - 128);
    rgba[o] = round(f(f(f(ry * a) + f(rb * b)) + f(rr * c)));
    rgba[o + 1] = round(f(f(f(gy * a) + f(gb * b)) + f(gr * c)));
    rgba[o + 2] = round(f(f(f(by * a) + f(bb * b)) + f(br * c)));
    rgba[o + 3] = 255;
  }
  return rgba;
}

/** Opaque RGBA pixels of red, green and blue planes, rounded and clipped. */
export function fromPlanes([red, green, blue]) {
  const rgba = new Uint8Array(4 * red.length);
  for (let i = 0, o = 0; i < red.length; i++, o += 4) {
    rgba[o] = round(red[i]);
    rgba[o + 1] = round(green[i]);
    rgba[o + 2] = round(blue[i]);
    rgba[o + 3] = 255;
  }
  return rgba;
}

function plane(rgba, [r, g, b], offset) {
  const values = new Float32Array(rgba.length / 4);
  for (let i = 0, o = 0; i < values.length; i++, o += 4) {
    values[i] = f(f(f(f(rgba[o] * r) + f(rgba[o + 1] * g)) + f(rgba[o + 2] * b)) + offset);
  }
  return values;
}

/** Clipped and rounded half up, as MATLAB does. */
function round(value) {
  if (value <= 0) return 0;
  return value >= 255 ? 255 : f(value + 0.5) | 0;
}
