const { AsyncLocalStorage } = require('node:async_hooks');
const { setImmediate: immediate } = require('node:timers/promises');

const value = new AsyncLocalStorage();
const show = (place) => console.log(`${place}: ${value.getStore() ?? '-'}`);

async function work() {
  await immediate();
  show('after await');
  setTimeout(() => show('timer'), 1);
}

value.run('value', () => {
  show('in run');
  work();
});
show('outside');
setTimeout(() => show('timer outside'), 50);
