const { AsyncLocalStorage } = require('node:async_hooks');

const stores = new AsyncLocalStorage();

async function test() {
  console.log(stores.getStore());
}

async function run(id) {
  return stores.run({ id }, async () => { await test(); });
}

run(1);
run(2);
run(3);
