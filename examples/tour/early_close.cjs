const { createHook } = require('node:async_hooks');
const fs = require('node:fs');
const net = require('node:net');

const kinds = new Map();
const print = (event, id) => kinds.has(id) && fs.writeSync(1, `${event} ${kinds.get(id)}\n`);

createHook({
  init(id, kind) {
    if (kind === 'TickObject') return; // what Node's own modules do meanwhile
    kinds.set(id, kind);
    print('init', id);
  },
  before: (id) => print('before', id),
  after: (id) => print('after', id),
  destroy: (id) => print('destroy', id),
}).enable();

clearTimeout(setTimeout(() => {}, 10));
net.createServer().listen(0).close();
