// The workloads in JavaScript. Reads lines "name operations size" from standard input and answers
// each with the nanoseconds that it took, or "-" if this engine cannot do it.
import { AsyncLocalStorage, createHook, executionAsyncId } from "node:async_hooks";
import { createInterface } from "node:readline";
import process from "node:process";
import { clearTimeout, setImmediate, setTimeout } from "node:timers";

const BATCH = 100;
const CALLBACKS = 1000;
const LONG = 30_000;

const stores = Array.from({ length: 65 }, () => new AsyncLocalStorage());
let sink = 0;

async function timed(work) {
  const start = process.hrtime.bigint();
  await work();
  return process.hrtime.bigint() - start;
}

// Runs `work` with the stores set by nested calls of run.
function within(used, work) {
  return used.reduceRight((inner, store) => () => store.run(1, inner), work)();
}

// ---- tasks ----

async function turns(count) {
  for (let n = 0; n < count; n++) await undefined;
}

function turnsOf(operations, size) {
  const crowd = () => Array.from({ length: size }, () => turns(operations / size));
  return timed(() => Promise.all(crowd()));
}

function ping(operations) {
  const wait = [null, null];
  let left = operations;
  async function player(me) {
    while (left > 0) {
      const { promise, resolve } = Promise.withResolvers();
      wait[me] = resolve;
      left--;
      wait[1 - me]?.();
      if (left > 0) await promise;
    }
    wait[1 - me]?.();
  }
  return timed(() => Promise.all([player(0), player(1)]));
}

async function child(n) {
  await undefined;
  return n;
}

async function spawnJoin(operations) {
  for (let batch = 0; batch < operations / BATCH; batch++) {
    const children = [];
    for (let n = 0; n < BATCH; n++) children.push(child(n));
    for (const one of children) sink += await one;
  }
}

async function spawnDetached(operations) {
  for (let batch = 0; batch < operations / BATCH; batch++) {
    for (let n = 1; n < BATCH; n++) child(n);
    await child(0);
  }
}

function fanIn(operations, size) {
  const rounds = operations / size;
  let { promise, resolve } = Promise.withResolvers();
  async function waiter() {
    for (let n = 0; n < rounds; n++) await promise;
  }
  return timed(async () => {
    const crowd = Array.from({ length: size }, waiter);
    for (let n = 0; n < rounds; n++) {
      const send = resolve;
      ({ promise, resolve } = Promise.withResolvers());
      send();
      // As soon as all wait again.
      await undefined;
      await undefined;
    }
    resolve();
    await Promise.all(crowd);
  });
}

// ---- context ----

function repeat(operations, work) {
  return timed(() => {
    for (let n = 0; n < operations; n++) work(n);
  });
}

function reads(operations, size) {
  return within(stores.slice(0, size), () =>
    repeat(operations, () => {
      sink += stores[0].getStore();
    }));
}

function runs(operations, size, subject) {
  return within(stores.slice(0, size), () =>
    repeat(operations, (n) => {
      sink += subject.run(n, () => n);
    }));
}

async function reader() {
  await undefined;
  return stores[0].getStore();
}

async function enterAndSpawn(operations) {
  for (let batch = 0; batch < operations / BATCH; batch++) {
    const children = [];
    for (let n = 0; n < BATCH; n++) children.push(stores[0].run(n, reader));
    for (const one of children) sink += await one;
  }
}

async function turnsHooked(operations) {
  let events = 0;
  const count = () => {
    events++;
  };
  const hook = createHook({ before: count, after: count }).enable();
  try {
    await undefined;
    const time = await timed(() => turns(operations));
    // Bun and Deno have the class, but not the events.
    return events < operations ? null : time;
  } finally {
    hook.disable();
  }
}

// ---- callbacks ----

async function callbacks(operations, queue) {
  for (let batch = 0; batch < operations / CALLBACKS; batch++) {
    for (let n = 1; n < CALLBACKS; n++) {
      queue(() => {
        sink += n;
      });
    }
    await new Promise(queue);
  }
}

function immediateChain(operations) {
  return timed(() =>
    new Promise((resolve) => {
      let left = operations;
      function link() {
        if (--left > 0) setImmediate(link);
        else resolve();
      }
      setImmediate(link);
    })
  );
}

// ---- timers ----

function sleeps(operations, size) {
  const first = setTimeout(() => {}, LONG / 2);
  const time = repeat(operations, (n) => clearTimeout(setTimeout(() => {}, LONG + (n % size) * 37)));
  clearTimeout(first);
  return time;
}

// An index below size, in no order that a cache could foresee.
function scattered(n, size) {
  return (Math.imul(n, 0x9e3779b1) >>> 0) % size;
}

async function refresh(operations, size) {
  const timeouts = Array.from({ length: size }, () => setTimeout(() => {}, LONG));
  const time = await repeat(operations, (n) => timeouts[scattered(n, size)].refresh());
  timeouts.forEach((timeout) => clearTimeout(timeout));
  return time;
}

// Processor time, since it must wait.
async function fire(operations) {
  const start = process.cpuUsage();
  let left = operations;
  await new Promise((resolve) => {
    for (let n = 0; n < operations; n++) {
      setTimeout(() => {
        if (--left === 0) resolve();
      }, 1 + Math.floor(Math.random() * 100));
    }
  });
  const { user, system } = process.cpuUsage(start);
  return BigInt(user + system) * 1000n;
}

const workloads = {
  turns: turnsOf,
  ping,
  spawn_join: (operations) => timed(() => spawnJoin(operations)),
  spawn_detached: (operations) => timed(() => spawnDetached(operations)),
  fan_in: fanIn,
  turns_within: (operations, size) =>
    within(Array.from({ length: size }, (_, n) => stores[n % 4]), () => timed(() => turns(operations))),
  with: reads,
  execution_id: (operations) => repeat(operations, () => {
    sink += executionAsyncId();
  }),
  run_existing: (operations, size) => runs(operations, size, stores[0]),
  run_new: (operations, size) => runs(operations, size, stores[size]),
  enter_and_spawn: (operations) => timed(() => enterAndSpawn(operations)),
  turns_hooked: turnsHooked,
  microtasks: (operations) => timed(() => callbacks(operations, queueMicrotask)),
  ticks: (operations) => timed(() => callbacks(operations, process.nextTick)),
  immediates: (operations) => timed(() => callbacks(operations, setImmediate)),
  immediate_chain: immediateChain,
  sleeps,
  refresh,
  fire,
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, operations, size] = line.split(" ");
  let answer = null;
  try {
    answer = await workloads[name](Number(operations), Number(size));
  } catch (error) {
    console.error(`${name}: ${error}`);
  }
  process.stdout.write(`${answer ?? "-"}\n`);
}
process.stderr.write(sink === 0.5 ? "unreachable\n" : "");
