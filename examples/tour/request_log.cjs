const { AsyncLocalStorage } = require('node:async_hooks');
const http = require('node:http');

const requestId = new AsyncLocalStorage();

function logWithId(message) {
  console.log(`${requestId.getStore() ?? '-'}: ${message}`);
}

let nextId = 0;
const server = http.createServer((request, response) => {
  requestId.run(nextId++, () => {
    logWithId('start');
    setImmediate(() => { // here may stand any number of asynchronous calls
      logWithId('finish');
      response.end();
    });
  });
});

server.listen(0, async () => {
  for (let i = 0; i < 2; i++) await fetch(`http://localhost:${server.address().port}/`);
  server.closeAllConnections();
  server.close();
});
