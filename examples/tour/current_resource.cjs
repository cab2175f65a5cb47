const { createHook, executionAsyncId, executionAsyncResource } = require('node:async_hooks');
const fs = require('node:fs');

const seen = Symbol('what init attaches to a resource');
const write = (line) => fs.writeSync(1, `${line}\n`);

function print(place) {
  const kind = executionAsyncResource()[seen];
  write(kind ? `${place}: the ${kind} that init saw` : `${place}: nothing attached`);
}

createHook({
  init(id, kind, trigger, resource) {
    resource[seen] = kind;
    write(`init ${kind}`);
  },
  before: () => print('before'),
  after: () => print('after'),
}).enable();

print(`main: id ${executionAsyncId()}`);
fs.open(__filename, 'r', () => {});
process.once('beforeExit', () => setTimeout(() => print('callback'), 1));
