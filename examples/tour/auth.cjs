const { AsyncLocalStorage } = require('node:async_hooks');
const { setImmediate: immediate } = require('node:timers/promises');

const users = new AsyncLocalStorage();
const user = () => users.getStore() ?? '-';

// A lookup that takes a turn of the loop.
async function authenticate(token) {
  await immediate();
  if (token !== 't1') throw 'unknown token';
  return 'ann';
}

// The first stage: `next` runs as the user, or with the error and as nobody.
function auth(token, next) {
  if (!token) return next('missing token');
  return authenticate(token).then((user) => users.run(user, next), next);
}

// The second stage: adds who it was.
async function audit(next) {
  const answer = await next();
  return `${answer}, audited as ${user()}`;
}

// The last stage.
async function profile(error) {
  await immediate();
  return error ? `401 ${error}` : `200 profile of ${user()}`;
}

(async () => {
  for (const token of ['t1', undefined, 't2']) {
    console.log(await auth(token, (error) => audit(() => profile(error))));
  }
})();
