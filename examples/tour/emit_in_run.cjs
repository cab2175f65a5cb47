const { AsyncLocalStorage } = require('node:async_hooks');
const { EventEmitter } = require('node:events');

const context = new AsyncLocalStorage();

// A listener that prints the context it is called in.
const show = (listener) => (place) => console.log(`${listener}, ${place}: ${context.getStore() ?? '-'}`);

const emitter = new EventEmitter();
emitter.on('event', show('added outside'));
context.run('added', () => {
  emitter.on('event', show('added in run'));
  emitter.on('event', AsyncLocalStorage.bind(show('bound in run')));
});
context.run('emitted', () => emitter.emit('event', 'emitted in run'));
emitter.emit('event', 'emitted outside');
