const { AsyncLocalStorage } = require('node:async_hooks');
const { setImmediate: immediate } = require('node:timers/promises');

const transactions = new AsyncLocalStorage();

// What every query of the application goes through.
async function query(statement) {
  const id = transactions.getStore();
  console.log(`${id ? `tx ${id}` : 'none'}: ${statement}`);
  await immediate();
}

// Commits what `work` has done, or rolls it back.
const transaction = (id, work) => transactions.run(id, async () => {
  await query('begin');
  try {
    await work();
  } catch (error) {
    return query(`rollback, ${error}`);
  }
  return query('commit');
});

async function order(credit) {
  await query('insert order');
  if (credit === 0) throw 'no money';
  await query('insert invoice');
}

Promise.all([transaction(1, () => order(10)), transaction(2, () => order(0))]).then(() => query('select'));
