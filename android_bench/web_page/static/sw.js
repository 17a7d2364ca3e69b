// Keeps the page for use without a network. The build writes the version and the files; a new build replaces all of them.
const PREFIX = `ecbsr-page ${self.registration.scope} `; // another page of this server has a cache of its own
const VERSION = PREFIX + '@VERSION@';
const FILES = '@FILES@';
const PROGRAMS = '@PROGRAMS@'; // of LiteRT.js, of which a browser loads one

/** A function with i8x16.relaxed_swizzle. */
const RELAXED_SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253,
  128, 2, 11,
];

self.addEventListener('install', (event) => {
  // no-cache: what the browser has just loaded is asked for again, and a server that knows it sends it only once.
  const program = WebAssembly.validate(new Uint8Array(RELAXED_SIMD)) ? PROGRAMS.relaxed : PROGRAMS.compatible;
  const requests = [...FILES, ...program].map((file) => new Request(file, { cache: 'no-cache' }));
  event.waitUntil(caches.open(VERSION).then((cache) => cache.addAll(requests)));
});

self.addEventListener('activate', (event) => {
  const tidy = async () => {
    const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== VERSION);
    await Promise.all(names.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

self.addEventListener('fetch', (event) => {
  if (event.request.method !== 'GET' || !event.request.url.startsWith(self.registration.scope)) return;
  const answer = async () => {
    const cache = await caches.open(VERSION);
    const isPage = new URL(event.request.url).pathname.endsWith('/index.html'); // kept under the name of its folder
    return (await cache.match(isPage ? './' : event.request, { ignoreSearch: true })) ?? fetch(event.request);
  };
  event.respondWith(answer());
});
