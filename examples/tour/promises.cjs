const { createHook, executionAsyncId: id, triggerAsyncId: trigger } = require('node:async_hooks');
const fs = require('node:fs');

const print = (line) => fs.writeSync(1, `${line}\n`);
const numbers = new Map([[1, 'main']]);
const n = (id) => numbers.get(id);

Promise.resolve().then(() => print(`without hooks: id ${id()}, trigger ${trigger()}`));

setImmediate(() => {
  numbers.set(id(), 'main');
  createHook({
    init(id, kind, trigger) {
      numbers.set(id, numbers.size - 1);
      print(`init ${kind} ${n(id)}, trigger ${n(trigger)}`);
    },
    before: (id) => n(id) && print(`before ${n(id)}`),
    after: (id) => n(id) > 0 && print(`after ${n(id)}`),
    promiseResolve: (id) => print(`resolve ${n(id)}`),
  }).enable();
  new Promise((resolve) => resolve(true)).then(() => print(`id - trigger = ${id() - trigger()}`));
});
