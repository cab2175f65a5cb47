const { createHook, executionAsyncResource } = require('node:async_hooks');
const http = require('node:http');

const state = Symbol('state');

createHook({
  init(id, kind, trigger, resource) {
    const running = executionAsyncResource();
    if (running) resource[state] = running[state];
  },
}).enable();

const server = http.createServer((request, response) => {
  executionAsyncResource()[state] = { state: request.url };
  setTimeout(() => response.end(JSON.stringify(executionAsyncResource()[state])), 10);
});

server.listen(0, async () => {
  const get = (path) => fetch(`http://localhost:${server.address().port}${path}`).then((r) => r.text());
  for (const body of await Promise.all([get('/a'), get('/b')])) console.log(body);
  server.closeAllConnections();
  server.close();
});
