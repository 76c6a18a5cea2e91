// What the page's server sends beside the files. The page asks for nothing but its own files; only the worker that downloads what
// the user asks for may reach other hosts.

/** @param {string} connect where scripts may fetch from */
const policy = (connect) =>
  [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self' blob:",
    "style-src 'self'",
    "img-src 'self' blob:",
    "media-src 'self' blob:",
    "font-src 'self'",
    "manifest-src 'self'",
    `connect-src ${connect}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types samtrack default',
  ].join('; ');

const COMMON = {
  'Content-Security-Policy': policy("'self' blob:"),
  'Permissions-Policy': 'camera=(self), microphone=(), geolocation=()',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-cache',
};

/** The worker for downloads. */
const NET = { 'Content-Security-Policy': policy("'self' https: http://localhost:* http://127.0.0.1:*") };

/** Headers of a file, by its path. */
export const headersFor = (path) => (path === '/net.js' ? { ...COMMON, ...NET } : COMMON);

const lines = (headers, write) => Object.entries(headers).map(([name, value]) => write(name, value));

/** For hosts that read a file `_headers` (Cloudflare Pages, Netlify). A path's own headers come in addition, so only those that differ are taken back. */
export const headersFile = () =>
  [
    '/*',
    ...lines(COMMON, (name, value) => `  ${name}: ${value}`),
    '/net.js',
    '  ! Content-Security-Policy',
    ...lines(NET, (name, value) => `  ${name}: ${value}`),
    '',
  ].join('\n');

/** For nginx: to be included in a `server` block. */
export const nginxFile = () => {
  const add = (headers) => lines(headers, (name, value) => `    add_header ${name} "${value}" always;`).join('\n');
  return `# Headers of SAMTrack's page. Include this in the server block whose root is this folder.
types {
    text/html html;
    text/css css;
    text/javascript js mjs;
    application/json json;
    application/manifest+json webmanifest;
    application/wasm wasm;
    image/svg+xml svg;
    image/jpeg jpg;
    image/png png;
    video/mp4 mp4;
    application/octet-stream safetensors;
}
location = /net.js {
${add({ ...COMMON, ...NET })}
}
location / {
${add(COMMON)}
}
`;
};
