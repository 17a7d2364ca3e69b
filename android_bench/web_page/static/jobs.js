// What the page asks the worker to do.
import { Network } from './network.js';
import { Runtime } from './runtime.js';
import { upscale } from './upscaler.js';

export class Jobs {
  /** Loads LiteRT.js and the description of the models. */
  static async load(address) {
    const [page, runtime] = await Promise.all([
      fetch(`${address}page.json`).then((answer) => answer.json()),
      Runtime.load(`${address}litert/wasm/`),
    ]);
    return new Jobs(address, page, runtime);
  }

  constructor(address, page, runtime) {
    Object.assign(this, { address, page, runtime, files: new Map(), network: null });
  }

  /** What the runtime found: { relaxedSimd, gpu: { available, software, name, reason } }. */
  about() {
    const { gpu, relaxedSimd } = this.runtime;
    return { gpu, relaxedSimd };
  }

  /**
   * Enlarges a picture: { model, accelerator, width, height, rgba }.
   *
   * The answer has RGBA pixels of both pictures, the milliseconds of the network, and what ran it.
   */
  async upscale({ model, accelerator, width, height, rgba }) {
    const description = this.page.models[model];
    const open = (tileWidth, tileHeight) => this.open(model, accelerator, tileWidth, tileHeight);
    const picture = { width, height, rgba: new Uint8ClampedArray(rgba) };
    const { ours, bicubic, milliseconds, ran } = await upscale(picture, description, this.page.color, open);
    const size = { width: width * description.scale, height: height * description.scale };
    return { ...size, ours: ours.buffer, bicubic: bicubic.buffer, milliseconds, ran, transfer: [ours.buffer, bicubic.buffer] };
  }

  /**
   * One round of a measurement: { model, accelerator, width, height, rgba, warmUps, runs, limit }.
   *
   * The model is loaded anew. The answer has the milliseconds of each run, from the input to the output in memory, or
   * none where the accelerator did not run the whole model.
   */
  async round({ model, accelerator, width, height, rgba, warmUps, runs, limit }) {
    const description = this.page.models[model];
    this.close();
    const started = performance.now();
    const network = await Network.open(this.runtime, description, await this.file(model), accelerator, width, height);
    const initial = performance.now() - started;
    try {
      if (network.ran !== accelerator) return { ran: network.ran, times: [], initial };
      const input = network.input(new Uint8ClampedArray(rgba), this.page.color);
      for (let i = 0; i < warmUps; i++) await network.run(input);
      const times = [];
      const end = performance.now() + limit;
      while (times.length < runs && (times.length < 3 || performance.now() < end)) {
        const start = performance.now();
        await network.run(input);
        times.push(performance.now() - start);
      }
      return { ran: network.ran, times, initial };
    } finally {
      network.close();
    }
  }

  /** The network for tiles of a size; it stays open until another one is needed. */
  async open(model, accelerator, width, height) {
    const key = [model, accelerator, width, height].join();
    if (this.network?.key !== key) {
      this.close();
      const description = this.page.models[model];
      this.network = await Network.open(this.runtime, description, await this.file(model), accelerator, width, height);
      this.network.key = key;
    }
    return this.network;
  }

  close() {
    this.network?.close();
    this.network = null;
  }

  async file(model) {
    if (!this.files.has(model)) {
      const answer = await fetch(`${this.address}models/${this.page.models[model].file}`);
      if (!answer.ok) throw new Error(`the model cannot be loaded (${answer.status})`);
      this.files.set(model, await answer.arrayBuffer());
    }
    return this.files.get(model);
  }
}
