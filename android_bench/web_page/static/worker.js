// The thread of the network. It is a classic worker, because LiteRT.js loads its program with importScripts.
'use strict';

// LiteRT.js asks this for the place of its .wasm file.
self.Module = { locateFile: (name) => `${self.pageAddress}litert/wasm/${name}` };

const loading = import(`${self.pageAddress}jobs.js`).then(({ Jobs }) => Jobs.load(self.pageAddress));
loading.catch(() => {}); // each job reports it

let last = Promise.resolve(); // one job at a time, so that none disturbs the timing of another
self.onmessage = ({ data }) => {
  last = last.then(() => work(data));
};

async function work({ id, name, argument }) {
  try {
    const jobs = await loading;
    const result = await jobs[name](argument);
    self.postMessage({ id, result }, result?.transfer ?? []);
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
}
