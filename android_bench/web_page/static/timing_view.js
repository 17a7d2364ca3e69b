// The part of the page that measures: choices, table, download.
import { $, checkedValues, download, element, fillChecks } from './dom.js';
import { readPicture } from './sources.js';
import { accelerators, measure, resultsDocument } from './timing.js';

const COLUMNS = [
  ['model', 'text', ({ model }) => model],
  ['size', 'text', ({ size }) => size.join('×')],
  ['on', 'text', ({ delegate }) => delegate],
  ['status', 'text', ({ status }) => status],
  ['median ms', 'number', ({ median_ms: value }) => number(value)],
  ['95 % interval', 'number', ({ ci95_ms: limits }) => (limits ? limits.map(number).join(' – ') : '')],
  ['p95 ms', 'number', ({ p95_ms: value }) => number(value)],
  ['fps', 'number', ({ fps }) => number(fps)],
  ['note', 'note', ({ note }) => note],
];

export class TimingView {
  /** `support` is what the browser has; `before` frees the worker for the measurement. */
  constructor(page, engine, support, before) {
    Object.assign(this, { page, engine, support, before, rows: [], started: '', running: false, stop: false });
    fillChecks($('sizes'), Object.entries(page.sizes).map(([name, size]) => [name, `${name} (${size.join('×')})`]), ['270p', '360p']);
    fillChecks($('models'), page.models.map(({ name }, index) => [String(index), name]), ['0']);
    $('measure').onclick = () => (this.running ? this.end() : this.run());
    const offered = accelerators(support.gpu);
    fillChecks($('accelerators'), offered, offered.map(([name]) => name));
    $('download').onclick = () => this.download();
  }

  end() {
    this.stop = true;
    $('measure').disabled = true;
  }

  async run() {
    const [models, accelerators, sizes] = ['models', 'accelerators', 'sizes'].map((id) => checkedValues($(id)));
    const cases = models.flatMap((model) => accelerators.flatMap((accelerator) =>
      sizes.map((name) => ({ model: Number(model), accelerator, size: this.page.sizes[name] }))));
    if (!cases.length) {
      $('measuring').textContent = 'Choose at least one model, one size, and what runs it.';
      return;
    }
    Object.assign(this, { running: true, stop: false, rows: [], started: new Date().toISOString() });
    $('measure').textContent = 'Stop';
    $('download').hidden = true;
    $('drop').inert = true; // nothing else computes meanwhile
    const live = new Map();
    try {
      await this.before();
      const picture = await this.picture();
      this.rows = await measure({
        page: this.page, engine: this.engine, gpu: this.support.gpu, cases, picture,
        onRow: (index, row) => { live.set(index, row); this.render([...live.values()]); },
        onProgress: (share) => { $('measuring').textContent = share < 1 ? `${Math.round(100 * share)} %` : ''; },
        stopped: () => this.stop,
      });
      $('measuring').textContent = this.stop ? 'Stopped; the rounds so far are shown.' : '';
    } catch (error) {
      $('measuring').textContent = `The measurement failed: ${error.message}`;
    } finally {
      this.running = false;
      $('drop').inert = false;
      $('measure').textContent = 'Measure';
      $('measure').disabled = false;
    }
    this.render(this.rows);
    $('download').hidden = !this.rows.length;
  }

  /** A function of the size that gives pixels of the sample, mirrored where it is smaller. */
  async picture() {
    const answer = await fetch('sample.png');
    const sample = await readPicture(await answer.blob(), 1);
    return ([width, height]) => ({ width, height, rgba: mirrored(sample, width, height) });
  }

  render(rows) {
    const head = document.createElement('thead');
    head.append(line('th', COLUMNS.map(([label, kind]) => [label, kind, label])));
    const body = document.createElement('tbody');
    for (const { json } of rows) {
      const cells = line('td', COLUMNS.map(([label, kind, text]) => [label, kind, text(json)]));
      cells.children[3].firstChild.className = `status ${json.status}`;
      body.append(cells);
    }
    $('rows').replaceChildren(head, body);
    $('rows').parentElement.hidden = !rows.length;
  }

  download() {
    const results = resultsDocument(this.page, this.rows, this.support, this.started);
    download(new Blob([JSON.stringify(results, null, 2)], { type: 'application/json' }), 'browser-results.json');
  }
}

function line(tag, cells) {
  const row = document.createElement('tr');
  for (const [label, kind, text] of cells) {
    const cell = element(tag, text ? kind : `${kind} empty`, '');
    cell.dataset.label = label;
    cell.append(element('span', '', text));
    row.append(cell);
  }
  return row;
}

function number(value) {
  if (value === null) return '';
  return value >= 0.1 ? value.toFixed(value < 10 ? 2 : 1) : value.toPrecision(2);
}

function mirrored({ width, height, rgba }, wide, high) {
  const source = new Uint32Array(rgba);
  const target = new Uint32Array(wide * high);
  const place = (i, length) => (Math.floor(i / length) % 2 ? length - 1 - (i % length) : i % length);
  for (let y = 0, o = 0; y < high; y++) {
    const start = place(y, height) * width;
    for (let x = 0; x < wide; x++) target[o++] = source[start + place(x, width)];
  }
  return target.buffer;
}
