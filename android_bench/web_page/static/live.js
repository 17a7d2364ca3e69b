// A clip or the camera through the network: always the newest frame, the others are dropped.
import { nextFrame, pixelsOf } from './sources.js';
import { median } from './statistics.js';

const WINDOW = 30; // frames that the shown figures are taken from

export class Live {
  /** `upscale(pixels)` gives a result, `show(result, pixels, figures)` shows it, and `fail(error)` tells why it ended. */
  constructor(video, scale, upscale, show, fail) {
    Object.assign(this, { video, scale, upscale, show, running: true, ends: [], networks: [], shown: 0 });
    this.first = null;
    this.finished = this.loop().catch(fail);
  }

  async stop() {
    this.running = false;
    await this.finished;
  }

  async loop() {
    while (this.running) {
      const presented = await this.frame();
      if (!this.running) return;
      const { videoWidth, videoHeight } = this.video;
      const pixels = pixelsOf(this.video, videoWidth, videoHeight, this.scale);
      const result = await this.upscale(pixels);
      if (!this.running || !result) return;
      this.shown += 1;
      if (presented !== null) this.first ??= presented - 1;
      this.ends.push(performance.now());
      this.networks.push(result.milliseconds);
      for (const list of [this.ends, this.networks]) if (list.length > WINDOW) list.shift();
      this.show(result, pixels, this.figures(presented));
    }
  }

  /** The next frame; a video that is paused or in the background has none, so that stopping is looked for as well. */
  async frame() {
    const next = nextFrame(this.video);
    while (this.running) {
      const pause = new Promise((resolve) => setTimeout(resolve, 200, undefined));
      const presented = await Promise.race([next, pause]);
      if (presented !== undefined) return presented;
    }
    return null;
  }

  figures(presented) {
    const span = this.ends.at(-1) - this.ends[0];
    return {
      fps: span > 0 ? (1000 * (this.ends.length - 1)) / span : null,
      network: median(this.networks),
      dropped: presented === null ? null : Math.max(0, presented - this.first - this.shown),
    };
  }
}
