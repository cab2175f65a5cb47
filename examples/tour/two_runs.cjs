const { AsyncLocalStorage } = require('node:async_hooks');

const processes = new AsyncLocalStorage();
const log = (message) => console.log(`${processes.getStore()}: ${message}`);

processes.run(1, () => {
  log('Starting process');
  setTimeout(() => log('Timeout finished'), 100);
});
processes.run(2, () => {
  log('Another process');
  setTimeout(() => log('Another timeout finished'), 200);
});
