// What this browser has and lacks, in words.

/** { browser, gpu, program, facts: [label, text] of each, missing: sentences }, from what the worker found. */
export function describeSupport({ gpu, relaxedSimd }) {
  const software = `in software only (${gpu.name}): it computes on the CPU`;
  const program = relaxedSimd ? 'with relaxed SIMD' : 'without relaxed SIMD';
  const facts = [
    ['WebGPU', gpu.available ? (gpu.software ? software : gpu.name || 'available') : `missing: ${gpu.reason}. The CPU computes.`],
    ['WebAssembly', relaxedSimd ? program : 'without relaxed SIMD, which this browser lacks: slower'],
    ['threads', 'one: more need headers that not every host can send'],
    ['camera', navigator.mediaDevices?.getUserMedia ? 'can be asked for' : 'missing: it needs https, or localhost'],
    ['cores', String(navigator.hardwareConcurrency || 'not reported')],
    ['user agent', navigator.userAgent],
  ];
  const missing = gpu.available ? [] : [`WebGPU is missing: ${gpu.reason}.`];
  return { browser: browserName(), gpu, program, facts, missing };
}

/** Keeps the page for use without a network; returns what came of it, in words. */
export async function keepOffline() {
  if (!('serviceWorker' in navigator)) {
    return window.isSecureContext ? 'missing: this browser keeps no pages' : 'missing: it needs https, or localhost';
  }
  try {
    const registration = await navigator.serviceWorker.register('sw.js');
    await activated(registration.active ?? registration.waiting ?? registration.installing);
    return 'ready: from now on this page works without a network';
  } catch (error) {
    return `missing: the page could not be kept (${error.message})`;
  }
}

function activated(worker) {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (worker.state === 'activated') resolve();
      if (worker.state === 'redundant') reject(new Error('a file of it did not arrive'));
    };
    worker.addEventListener('statechange', look);
    look();
  });
}

/** Such as "Chromium 156 on Linux"; "" where the browser tells only its user agent. */
function browserName() {
  const data = navigator.userAgentData;
  const brand = data?.brands?.find(({ brand: name }) => !/not.?a.?brand/i.test(name));
  return brand ? `${brand.brand} ${brand.version} on ${data.platform || 'an unknown system'}` : '';
}
