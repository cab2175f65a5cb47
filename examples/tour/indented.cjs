const { createHook, executionAsyncId } = require('node:async_hooks');
const fs = require('node:fs');
const net = require('node:net');

process.stdout; // is made at its first use

let indent = 0;
let first; // what was there before the program is not counted: it depends on what stdout is
const n = (id) => id > 1 ? id - first + 2 : id;
const print = (line) => fs.writeSync(1, `${' '.repeat(indent)}${line}\n`);

createHook({
  init(id, kind, trigger) {
    first ??= id;
    print(`${kind}(${n(id)}): trigger: ${n(trigger)} execution: ${n(executionAsyncId())}`);
  },
  before(id) {
    print(`before:  ${n(id)}`);
    indent += 2;
  },
  after(id) {
    indent -= 2;
    print(`after:  ${n(id)}`);
  },
  destroy: (id) => print(`destroy:  ${n(id)}`),
}).enable();

const server = net.createServer(() => {}).listen(0, () => {
  server.unref();
  setTimeout(() => console.log(`>>> ${n(executionAsyncId())}`), 10);
});
