// Look-up tables for super-resolution, on one plane; called by rival_tables.py.
//
// `image` is padded; `offsets` are the distances of the taps from a pixel in it, `stride` that of its rows. Both add
// to sums[height][width][outputs]; `order` says where each output of the table goes (for a turned table).
#include <stdint.h>

enum { INTERVAL = 16, SIDE = 17 };  // tables have an entry for each 16th value: 0, 16, ... 256

static inline void swap_if_less(int32_t *a, int32_t *b) {
  int32_t high = *a > *b ? *a : *b;
  *b = *a > *b ? *b : *a;
  *a = high;
}

static inline __attribute__((always_inline)) void simplex_of(
    const uint8_t *image, int height, int width, int stride, const int32_t *offsets, const int8_t *table,
    const int32_t *order, const int outputs, int32_t *sums) {
  static const int32_t steps[4] = {SIDE * SIDE * SIDE, SIDE * SIDE, SIDE, 1};
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++, sums += outputs) {
      const uint8_t *pixel = image + y * stride + x;
      int32_t taps[4];  // the fraction, which sorts, and below it the step in the table
      int32_t position = 0;
      for (int k = 0; k < 4; k++) {
        int value = pixel[offsets[k]];
        position += value / INTERVAL * steps[k];
        taps[k] = value % INTERVAL << 16 | steps[k];
      }
      swap_if_less(&taps[0], &taps[1]);
      swap_if_less(&taps[2], &taps[3]);
      swap_if_less(&taps[0], &taps[2]);
      swap_if_less(&taps[1], &taps[3]);
      swap_if_less(&taps[1], &taps[2]);
      int32_t mixed[16] = {0};
      for (int k = 0, before = INTERVAL; k < 5; k++) {
        int fraction = k < 4 ? taps[k] >> 16 : 0;
        const int8_t *entry = table + position * outputs;
        for (int n = 0; n < outputs; n++) mixed[n] += (before - fraction) * entry[n];
        before = fraction;
        if (k < 4) position += taps[k] & 0xFFFF;
      }
      for (int n = 0; n < outputs; n++) sums[order[n]] += mixed[n];
    }
}

// Four taps, interpolated in the simplex of the five nearest entries; the sums are 16 times the table's values.
void simplex(const uint8_t *image, int height, int width, int stride, const int32_t *offsets, const int8_t *table,
             const int32_t *order, int outputs, int32_t *sums) {
  switch (outputs) {  // a constant lets the compiler unroll
    case 1: simplex_of(image, height, width, stride, offsets, table, order, 1, sums); break;
    case 4: simplex_of(image, height, width, stride, offsets, table, order, 4, sums); break;
    case 9: simplex_of(image, height, width, stride, offsets, table, order, 9, sums); break;
    default: simplex_of(image, height, width, stride, offsets, table, order, 16, sums);
  }
}

// Two or three taps of 16 values each (the upper or the lower half of a byte), four outputs; `factor` times the values.
void nibbles(const uint8_t *image, int height, int width, int stride, const int32_t *offsets, int taps, int shift,
             const int8_t *table, const int32_t *order, int factor, int32_t *sums) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++, sums += 4) {
      const uint8_t *pixel = image + y * stride + x;
      int32_t position = 0;
      for (int k = 0; k < taps; k++) position = position * 16 + (pixel[offsets[k]] >> shift & 15);
      for (int n = 0; n < 4; n++) sums[order[n]] += factor * table[position * 4 + n];
    }
}

// The image [scale·height][scale·width] of sums[height][width][scale²]: divided, rounded, clipped to 8 bits.
void finish(const int32_t *sums, int height, int width, int scale, int divisor, int bias, uint8_t *image) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int row = 0; row < scale; row++)
        for (int column = 0; column < scale; column++) {
          int32_t value = bias + (2 * *sums++ + divisor + 2 * 512 * divisor) / (2 * divisor) - 512;
          image[(y * scale + row) * width * scale + x * scale + column] = value < 0 ? 0 : value > 255 ? 255 : value;
        }
}
