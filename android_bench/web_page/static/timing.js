// Milliseconds per size, in the rounds of ecbsr-bench, and the document that ecbsr-bench --import reads.
import { interval, median, percentile, rounded } from './statistics.js';

/** What can run a model here, and its label. */
export function accelerators(gpu) {
  const webgpu = ['webgpu', gpu.software ? 'WebGPU in software' : 'WebGPU'];
  return [['wasm', 'WebAssembly (CPU)'], ...(gpu.available ? [webgpu] : [])];
}

const SCHEMA = 1; // of the document
const METHOD =
  'Measured in a browser, in one process: each round loads the model anew, warms up and times its runs, from the input ' +
  'to the output in memory; the rounds of all rows are interleaved. median_ms and p95_ms: median over rounds; ci95_ms: ' +
  'over rounds, as in ecbsr-bench.';

const HOW = 'All rounds are in one process; times are from the input to the output in memory; WebGPU may compute in float16.';

/**
 * Measures cases { model, accelerator, size } round by round, so that a device that heats up slows all alike.
 *
 * `picture(size)` gives real pixels, because black ones can be faster. `onRow` receives a row after each of its rounds.
 */
export async function measure({ page, engine, gpu, cases, picture, onRow, onProgress, stopped }) {
  const { rounds, runs, warm_ups: warmUps, round_ms: limit } = page.protocol;
  const done = cases.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { model, accelerator, size }] of cases.entries()) {
      if (stopped()) return rowsOf(page, cases, done);
      if (done[index].some(({ status }) => status !== 'ok')) continue; // it is not tried again
      onProgress((round * cases.length + index) / (rounds * cases.length));
      done[index].push(await oneRound({ page, engine, gpu, model, accelerator, size, picture, warmUps, runs, limit }));
      onRow(index, rowOf(page, cases[index], done[index]));
    }
  }
  onProgress(1);
  return rowsOf(page, cases, done);
}

async function oneRound({ page, engine, gpu, model, accelerator, size, picture, warmUps, runs, limit }) {
  if (accelerator === 'webgpu' && !page.models[model].webgpu) {
    return { status: 'unsupported', note: 'LiteRT.js runs models with uint8 images on the CPU only' };
  }
  const { width, height, rgba } = picture(size);
  let hidden = document.hidden;
  const notice = () => { hidden ||= document.hidden; };
  document.addEventListener('visibilitychange', notice);
  try {
    const argument = { model, accelerator, width, height, rgba, warmUps, runs, limit };
    const { ran, times, initial } = await engine.call('round', argument, [rgba]);
    if (ran !== accelerator) {
      return { status: 'fallback', times: [], note: 'WebGPU does not run the whole model, and the CPU took the rest' };
    }
    if (accelerator === 'webgpu' && gpu.software) {
      return { status: 'fallback', times: [], note: `the WebGPU of this browser is software (${gpu.name}): the CPU computed` };
    }
    const middle = median(times) || times.reduce((sum, time) => sum + time, 0) / times.length; // a coarse clock
    if (!middle) return { status: 'failed', times: [], note: 'the clock of this browser is too coarse for this size' };
    const note = hidden ? 'the page was in the background for a while' : '';
    return { status: 'ok', middle, p95: percentile(times, 0.95), initial, note };
  } catch (error) {
    return { status: 'failed', note: `${page.models[model].name}: ${error.message}`.slice(0, 300) };
  } finally {
    document.removeEventListener('visibilitychange', notice);
  }
}

function rowsOf(page, cases, done) {
  return cases.map((each, index) => rowOf(page, each, done[index])).filter((row) => row.rounds);
}

/** The row of a case from its rounds; without a latency unless all of them were timed. */
function rowOf(page, { model, accelerator, size }, rounds) {
  const { name, precision, note, nodes } = page.models[model];
  const last = rounds.at(-1);
  const timed = last?.status === 'ok';
  const times = timed ? rounds.map(({ middle }) => middle) : [];
  const limits = interval(times);
  const few = timed && rounds.length < page.protocol.rounds ? `only ${rounds.length} of ${page.protocol.rounds} rounds were run` : '';
  const notes = new Set([...rounds.map((round) => round.note), note, few]);
  return {
    rounds: rounds.length,
    json: {
      model: name,
      precision,
      device: 'browser',
      delegate: accelerator,
      threads: 1,
      size,
      status: last?.status ?? 'failed',
      median_ms: timed ? rounded(median(times)) : null,
      ci95_ms: limits && limits.map(rounded),
      p95_ms: timed ? rounded(median(rounds.map(({ p95 }) => p95))) : null,
      fps: timed ? rounded(1000 / median(times)) : null,
      runs: times.length,
      nodes_delegated: timed && accelerator === 'webgpu' ? nodes : null,
      nodes_total: nodes,
      note: [...notes].filter(Boolean).join('; '),
      init_ms: timed ? rounded(median(rounds.map(({ initial }) => initial))) : null,
      run_ms: times.map(rounded),
    },
  };
}

/** The document for `ecbsr-bench --import`. */
export function resultsDocument(page, rows, support, started) {
  const results = rows.map(({ json }) => json);
  const used = new Set(results.map(({ model }) => model));
  return {
    schema: SCHEMA,
    results,
    devices: {
      browser: {
        kind: 'browser',
        model: support.browser,
        soc: support.gpu.name,
        system: navigator.userAgent,
        cores: Array.from({ length: navigator.hardwareConcurrency || 0 }, (_, index) => ({ index })),
        tool: { kind: 'browser', version: `LiteRT.js ${page.litert_js}, ${support.program}` },
        notes: [`Measured in a browser: ${navigator.userAgent}`, HOW, ...support.missing],
      },
    },
    models: Object.fromEntries(page.models.filter(({ name }) => used.has(name)).map(({ name, info }) => [name, info])),
    settings: { rounds: page.protocol.rounds, iterations: page.protocol.runs },
    started,
    method: METHOD,
  };
}
