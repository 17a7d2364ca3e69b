// Two pictures on top of each other, and a divider that mouse, touch and keyboard move.

const STEPS = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 };

export class Comparison {
  constructor(element) {
    this.element = element;
    this.divider = element.querySelector('[role=slider]');
    this.canvases = { bicubic: element.querySelector('.bicubic'), ours: element.querySelector('.ours') };
    this.move(50);
    element.addEventListener('pointerdown', (event) => this.grab(event));
    element.addEventListener('pointermove', (event) => {
      if (element.hasPointerCapture(event.pointerId)) this.follow(event);
    });
    this.divider.addEventListener('keydown', (event) => {
      if (!(event.key in STEPS)) return;
      event.preventDefault();
      this.move(this.at + STEPS[event.key]);
    });
  }

  /** Shows the RGBA pixels of both pictures, of one size. */
  show({ width, height, ours, bicubic }) {
    for (const [name, pixels] of Object.entries({ ours, bicubic })) {
      const canvas = this.canvases[name];
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(pixels), width, height), 0, 0);
    }
    this.element.style.setProperty('--width', width);
    this.element.style.setProperty('--height', height);
    this.element.hidden = false;
  }

  /** Whether a pixel of the picture is one of the screen, so that a large one scrolls. */
  set actualPixels(on) {
    this.element.style.setProperty('--density', window.devicePixelRatio || 1);
    this.element.classList.toggle('actual', on);
  }

  grab(event) {
    // In a picture that scrolls, only the divider itself is for dragging.
    if (this.element.classList.contains('actual') && !this.divider.contains(event.target)) return;
    if (event.button !== 0) return;
    this.element.setPointerCapture(event.pointerId);
    this.follow(event);
  }

  follow(event) {
    const { left, width } = this.element.getBoundingClientRect();
    this.move((100 * (event.clientX - left)) / width);
  }

  move(percent) {
    this.at = Math.min(100, Math.max(0, percent));
    this.element.style.setProperty('--at', `${this.at}%`);
    this.divider.setAttribute('aria-valuenow', Math.round(this.at));
    this.divider.setAttribute('aria-valuetext', `bicubic on ${Math.round(this.at)} % of the width`);
  }
}
