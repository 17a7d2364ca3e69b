// The statistics of a row, as in ecbsr-bench: over rounds, because the runs of a round share its conditions.

const STUDENT_T = { 3: 4.303, 4: 3.182, 5: 2.776 }; // two-sided 95 %, by the number of values

export function median(values) {
  return percentile(values, 0.5);
}

/** The percentile at a fraction, with linear interpolation. */
export function percentile(values, fraction) {
  const ordered = [...values].sort((a, b) => a - b);
  const position = (ordered.length - 1) * fraction;
  const below = Math.floor(position);
  const above = Math.min(below + 1, ordered.length - 1);
  return ordered[below] + (ordered[above] - ordered[below]) * (position - below);
}

/**
 * A 95 % interval for the median of the population of positive values; null for fewer than 3.
 *
 * From 6 values on, the narrowest pair of order statistics that has it (binomial; Conover, Practical Nonparametric
 * Statistics, 3.2). Below, Student's t on the logarithms, widened to the smallest and largest value.
 */
export function interval(values) {
  const ordered = [...values].sort((a, b) => a - b);
  const count = ordered.length;
  if (count < 3) return null;
  if (count in STUDENT_T) {
    const logs = ordered.map(Math.log);
    const center = logs.reduce((sum, value) => sum + value, 0) / count;
    const variance = logs.reduce((sum, value) => sum + (value - center) ** 2, 0) / (count - 1);
    const half = STUDENT_T[count] * Math.sqrt(variance / count);
    return [Math.min(ordered[0], Math.exp(center - half)), Math.max(ordered.at(-1), Math.exp(center + half))];
  }
  let rank = 0;
  let probability = 0.5 ** count; // of exactly `rank` values below the median
  let tail = probability;
  while (1 - 2 * tail >= 0.95) {
    rank += 1;
    probability *= (count - rank + 1) / rank;
    tail += probability;
  }
  return [ordered[rank - 1], ordered[count - rank]];
}

/** A value with five significant digits; runs do not repeat to more. */
export function rounded(value) {
  return Number(value.toPrecision(5));
}
