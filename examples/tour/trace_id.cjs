const { AsyncLocalStorage } = require('node:async_hooks');
const { setImmediate: immediate } = require('node:timers/promises');

const traceId = new AsyncLocalStorage();
const log = (message) => console.log(`${traceId.getStore() ?? '-'}: ${message}`);

// The first stage.
const trace = (id, next) => traceId.run(id, next);

// The second stage.
async function logged(path, next) {
  log(`GET ${path}`);
  const body = await next();
  log(`took ${body.length} bytes`);
  return body;
}

// The last stage.
async function find(path) {
  await immediate();
  const name = path.slice(1);
  log(`found ${name}`);
  return `<${name}/>`;
}

const handle = (id, path) => trace(id, () => logged(path, () => find(path)));

Promise.all([handle('a1', '/cats'), handle('b2', '/dogs')]).then((bodies) => bodies.forEach(log));
