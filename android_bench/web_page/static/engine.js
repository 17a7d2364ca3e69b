// The page's side of the worker: each job is a promise.

export class Engine {
  constructor(address) {
    this.address = address;
    this.jobs = new Map();
    this.count = 0;
    this.worker = null;
  }

  /** Starts the worker from a blob, because only then the page's Content-Security-Policy holds in it as well. */
  start() {
    const [page, script] = [this.address, `${this.address}worker.js`].map((text) => JSON.stringify(text));
    const blob = new Blob([`self.pageAddress = ${page}; importScripts(${script});`], { type: 'text/javascript' });
    this.url = URL.createObjectURL(blob);
    const worker = new Worker(this.url);
    this.worker = worker;
    worker.onmessage = ({ data }) => this.settle(data);
    worker.onerror = (event) => {
      event.preventDefault();
      if (worker === this.worker) this.failAll(`the thread of the network has ended: ${event.message || 'its program cannot be loaded'}`);
    };
  }

  /** Does a job of jobs.js. The first one, and the next after a failure, starts a worker: its memory may be used up. */
  call(name, argument, transfer = []) {
    return new Promise((resolve, reject) => {
      if (!this.worker) this.start();
      this.count += 1;
      this.jobs.set(this.count, { resolve, reject });
      this.worker.postMessage({ id: this.count, name, argument }, transfer);
    });
  }

  settle({ id, result, error }) {
    const job = this.jobs.get(id);
    this.jobs.delete(id);
    if (error === undefined) {
      job?.resolve(result);
      return;
    }
    job?.reject(new Error(error));
    this.failAll(error);
  }

  failAll(message) {
    this.worker.terminate();
    this.worker = null;
    URL.revokeObjectURL(this.url);
    for (const { reject } of this.jobs.values()) reject(new Error(message));
    this.jobs.clear();
  }
}
