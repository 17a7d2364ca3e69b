// The page: its controls, and what they start.
import { Comparison } from './compare.js';
import { $, download, fillSelect, fillTerms } from './dom.js';
import { Engine } from './engine.js';
import { Live } from './live.js';
import { closeVideo, openCamera, openClip, pixelsOf, readPicture } from './sources.js';
import { describeSupport, keepOffline } from './support.js';
import { TimingView } from './timing_view.js';
import { accelerators } from './timing.js';

const address = new URL('.', location.href).href;

class App {
  constructor(page, engine, { gpu }) {
    Object.assign(this, { page, engine, gpu, live: null, source: null, shown: '', changing: Promise.resolve() });
    this.comparison = new Comparison($('compare'));
    this.video = $('video');
    fillSelect($('model'), page.models.map(({ name }, index) => [index, name]));
    fillSelect($('accelerator'), accelerators(gpu));
    fillSelect($('camera-size'), Object.entries(page.sizes).map(([name, size]) => [name, `${name} (${size.join('×')})`]));
    this.listen();
  }

  get model() {
    return Number($('model').value);
  }

  get scale() {
    return this.page.models[this.model].scale;
  }

  listen() {
    $('choose').onclick = () => $('file').click();
    $('file').onchange = () => {
      const [file] = $('file').files;
      $('file').value = ''; // so that choosing the same file again is a change
      if (file) this.change(() => this.open(file));
    };
    $('sample').onclick = () => this.change(() => this.openSample());
    const camera = () => openCamera(this.video, this.page.sizes[$('camera-size').value]);
    $('camera').onclick = () => this.change(() => this.openVideo(camera, 'camera'));
    $('pause').onclick = () => (this.video.paused ? this.video.play().catch((error) => this.fail(error)) : this.video.pause());
    $('save').onclick = () => this.save();
    $('actual').onchange = () => { this.comparison.actualPixels = $('actual').checked; };
    for (const name of ['play', 'pause']) {
      this.video.addEventListener(name, () => { $('pause').textContent = this.video.paused ? 'Play' : 'Pause'; });
    }
    for (const id of ['model', 'accelerator']) $(id).onchange = () => this.change(() => this.refresh());
    const drop = $('drop');
    drop.ondragover = (event) => { event.preventDefault(); drop.classList.add('over'); };
    drop.ondragleave = () => drop.classList.remove('over');
    drop.ondrop = (event) => {
      event.preventDefault();
      drop.classList.remove('over');
      const [file] = event.dataTransfer.files;
      if (file) this.change(() => this.open(file));
    };
  }

  /** Changes the source or the model after the changes before it; an error of `action` is shown. */
  change(action) {
    this.changing = this.changing.then(action).catch((error) => this.fail(error));
    return this.changing;
  }

  async openSample() {
    const answer = await fetch('sample.png');
    if (!answer.ok) throw new Error(`The sample cannot be loaded (${answer.status}).`);
    await this.openPicture(await answer.blob(), 'sample');
  }

  open(file) {
    const name = file.name.replace(/\.[^.]*$/, '') || 'picture';
    if (file.type.startsWith('video/')) return this.openVideo(() => openClip(this.video, file), name);
    return this.openPicture(file, name);
  }

  async openPicture(blob, name) {
    await this.endVideo();
    this.source = { blob, name };
    await this.refresh();
  }

  async openVideo(open, name) {
    await this.endVideo();
    this.source = null;
    this.say('Opening…');
    await open();
    this.source = { video: true, name };
    $('pause').hidden = false;
    this.startLive();
  }

  startLive() {
    const show = (result, pixels, figures) => this.show(result, pixels, figures);
    this.live = new Live(this.video, this.scale, (pixels) => this.upscale(pixels), show, (error) => this.fail(error));
  }

  async endLive() {
    const { live } = this;
    this.live = null;
    await live?.stop();
  }

  async endVideo() {
    await this.endLive();
    closeVideo(this.video);
    $('pause').hidden = true;
  }

  /** Shows the source anew, after a change of the model or of what runs it. */
  async refresh() {
    if (!this.source) return;
    if (this.source.video) {
      await this.endLive();
      if (this.video.paused) {
        const pixels = pixelsOf(this.video, this.video.videoWidth, this.video.videoHeight, this.scale);
        await this.showPixels(pixels);
      }
      this.startLive();
      return;
    }
    await this.showPixels(await readPicture(this.source.blob, this.scale));
  }

  async showPixels(pixels) {
    this.say('Computing…');
    const result = await this.upscale(pixels);
    if (result) this.show(result, pixels);
  }

  /** Null after an error, which the page then shows. */
  async upscale({ width, height, rgba }) {
    const argument = { model: this.model, accelerator: $('accelerator').value, width, height, rgba };
    try {
      const result = await this.engine.call('upscale', argument, [rgba]);
      return { ...result, name: `${this.source.name}-${this.page.models[argument.model].name}.png` };
    } catch (error) {
      this.say(`The network could not run: ${error.message}`, true);
      return null;
    }
  }

  show(result, pixels, figures = null) {
    this.comparison.show(result);
    this.shown = result.name;
    $('save').hidden = false;
    const parts = [`${pixels.width}×${pixels.height} → ${result.width}×${result.height}`];
    const what = this.ranBy(result.ran);
    if (figures) {
      parts.push(`network ${figures.network.toFixed(1)} ms on ${what}`);
      if (figures.fps) parts.push(`${figures.fps.toFixed(1)} frames a second shown`);
      if (figures.dropped !== null) parts.push(`${figures.dropped} dropped`);
    } else {
      parts.push(`network ${result.milliseconds.toFixed(1)} ms on ${what}, one run`);
    }
    if (pixels.note) parts.push(pixels.note);
    this.say(parts.join(' · '));
  }

  /** What computed, in words: never a GPU where it was the CPU. */
  ranBy(ran) {
    if (ran === 'wasm') {
      const wanted = $('accelerator').value === 'webgpu';
      return wanted ? 'the CPU (LiteRT.js runs this model on WebGPU not at all, or in part only)' : 'the CPU (WebAssembly, one thread)';
    }
    return this.gpu.software ? `the CPU (WebGPU in software, ${this.gpu.name})` : `the GPU (WebGPU${this.gpu.name ? `, ${this.gpu.name}` : ''})`;
  }

  say(text, failed = false) {
    $('state').textContent = text;
    $('state').classList.toggle('failed', failed);
  }

  fail(error) {
    this.say(error.message, true);
  }

  save() {
    const name = this.shown;
    $('compare').querySelector('.ours').toBlob((blob) => download(blob, name));
  }
}

async function main() {
  $('start').textContent = 'Loading the models and LiteRT.js…';
  try {
    const engine = new Engine(address);
    const [page, about] = await Promise.all([fetch('page.json').then((answer) => answer.json()), engine.call('about')]);
    const support = describeSupport(about);
    const app = new App(page, engine, support);
    new TimingView(page, engine, support, () => app.change(() => app.endVideo()));
    const show = (offline) => fillTerms($('support'), [...support.facts, ['offline', offline]]);
    show('being prepared');
    $('start').hidden = true;
    $('parts').hidden = false;
    await app.change(() => app.openSample());
    document.documentElement.dataset.ready = 'true';
    show(await keepOffline());
    document.documentElement.dataset.offline = 'true';
  } catch (error) {
    $('start').textContent = `This page cannot run here: ${error.message}`;
    $('start').classList.add('failed');
  }
}

main();
