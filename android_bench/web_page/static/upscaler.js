// A picture through a network, in tiles that overlap by the receptive field: the result is that of the whole picture.
import { bicubic } from './bicubic.js';
import { fromPlanes, fromYCbCr, toPlanes, toYCbCr } from './color.js';

const TILE = 512; // LR pixels along a side: its activations fit into the memory of a phone

/**
 * Enlarges RGBA pixels by a network and by bicubic.
 *
 * `open(width, height)` gives the network for tiles of a size. `milliseconds` is the time of the network alone.
 */
export async function upscale({ width, height, rgba }, description, color, open) {
  const { scale, colors, radius } = description;
  const planes = colors === 1 ? toYCbCr(rgba, color) : toPlanes(rgba);
  const enlarged = planes.map((plane) => bicubic(plane, width, height, scale));
  const results = planes.slice(0, colors).map(() => new Float32Array(width * height * scale * scale));
  const rows = spans(height, radius);
  const columns = spans(width, radius);
  const network = await open(columns[0].size, rows[0].size);
  let milliseconds = 0;
  for (const row of rows) {
    for (const column of columns) {
      const input = network.store(cut(planes.slice(0, colors), width, column, row));
      const started = performance.now();
      const output = await network.run(input);
      milliseconds += performance.now() - started;
      paste(results, width * scale, network.load(output), column, row, scale);
    }
  }
  const ours = colors === 1 ? fromYCbCr([results[0], enlarged[1], enlarged[2]], color) : fromPlanes(results);
  const plain = colors === 1 ? fromYCbCr(enlarged, color) : fromPlanes(enlarged);
  return { ours, bicubic: plain, milliseconds, ran: network.ran };
}

/** Tiles of one size along an axis: { start, size }, and the part [from, to) of it that is right for the whole picture. */
export function spans(length, radius, most = Math.max(TILE, 4 * radius)) {
  if (length <= most) return [{ start: 0, size: length, from: 0, to: length }];
  const count = Math.ceil((length - 2 * radius) / (most - 2 * radius));
  const step = Math.ceil((length - 2 * radius) / count);
  const size = step + 2 * radius;
  return Array.from({ length: count }, (_, i) => ({
    start: Math.min(i * step, length - size),
    size,
    from: i ? i * step + radius : 0,
    to: i < count - 1 ? (i + 1) * step + radius : length,
  }));
}

/** The pixels of a tile, interleaved. */
function cut(planes, width, column, row) {
  const count = planes.length;
  const tile = new Float32Array(column.size * row.size * count);
  for (let y = 0, o = 0; y < row.size; y++) {
    let i = (row.start + y) * width + column.start;
    for (let x = 0; x < column.size; x++, i++) for (let c = 0; c < count; c++) tile[o++] = planes[c][i];
  }
  return tile;
}

/** Copies the valid part of an enlarged tile. */
function paste(planes, width, values, column, row, scale) {
  const count = planes.length;
  const tileWidth = column.size * scale;
  for (let y = row.from * scale; y < row.to * scale; y++) {
    let i = ((y - row.start * scale) * tileWidth + (column.from - column.start) * scale) * count;
    for (let x = column.from * scale; x < column.to * scale; x++) {
      for (let c = 0; c < count; c++) planes[c][y * width + x] = values[i++];
    }
  }
}
