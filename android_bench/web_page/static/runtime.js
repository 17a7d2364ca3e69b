// LiteRT.js, and the GPU that it can use.
import { getWebGpuDevice, loadAndCompile, loadLiteRt, supportsFeature, Tensor } from './litert/index.js';

export class Runtime {
  /** Loads the program of LiteRT.js from a folder. */
  static async load(folder) {
    // Without a GPU, LiteRT.js warns; the page says so in words. Its program logs on the console as well.
    const { warn, error, log } = console;
    const lines = [];
    console.warn = console.error = console.log = (...line) => lines.push(line.join(' '));
    try {
      await loadLiteRt(folder);
    } catch (failure) {
      throw new Error(`LiteRT.js cannot be loaded: ${failure?.message ?? failure} ${lines.join(' ')}`.trim());
    } finally {
      Object.assign(console, { warn, error, log });
    }
    return new Runtime(await describeGpu(), await supportsFeature('relaxedSimd'));
  }

  constructor(gpu, relaxedSimd) {
    Object.assign(this, { gpu, relaxedSimd });
  }

  /**
   * Loads a model.
   *
   * `ran` is the accelerator that runs all of it: "wasm" where WebGPU was wanted but does not take the whole model.
   */
  async compile(bytes, accelerator) {
    const warn = console.warn;
    console.warn = () => {}; // about a model that WebGPU does not take: `ran` says it
    let model;
    try {
      model = await loadAndCompile(new Uint8Array(bytes), { accelerator });
    } finally {
      console.warn = warn;
    }
    const whole = model.options.accelerator === accelerator && (accelerator === 'wasm' || model.isFullyAccelerated);
    return { model, ran: whole ? accelerator : 'wasm' };
  }

  /** Runs a model on one typed array and returns the output's. LiteRT.js frees no tensor by itself. */
  async run(model, input, shape) {
    const tensor = new Tensor(input, shape);
    let outputs = [];
    try {
      outputs = await model.run([tensor]);
      return await outputs[0].data();
    } finally {
      tensor.delete();
      for (const output of outputs) output.delete();
    }
  }
}

/** Whether there is a GPU, whether it is one in software (then the CPU computes), and its name. */
async function describeGpu() {
  const device = getWebGpuDevice();
  if (!device) {
    const absent = self.isSecureContext ? 'this browser has no WebGPU' : 'it needs https, or localhost';
    const reason = self.navigator.gpu ? 'the browser offers no GPU to this page' : absent;
    return { available: false, software: false, name: '', reason };
  }
  const info = device.adapterInfo ?? (await self.navigator.gpu.requestAdapter())?.info ?? {};
  const name = [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(' ');
  const software = info.isFallbackAdapter === true || /swiftshader|llvmpipe|lavapipe|basic render|software/i.test(name);
  return { available: true, software, name, reason: '' };
}
