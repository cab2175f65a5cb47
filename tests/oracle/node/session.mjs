// A live differential session: generates programs, runs each on this Node and on Lunation, both under a virtual clock,
// and stops at the first difference with a minimised program.
//   node session.mjs [--seed N] [--count N] [--size N,..] [--level N,..] [--keep FILE] [PROFILE..]
//   node session.mjs [--level N,..] --programs FILE          programs of a file, one per line
// Every profile (default: all) is run with every size at every level. At level 0 Lunation runs without hooks.
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { build, onLunation, onNode } from './engines.mjs';
import { PROFILES, generate } from './generate.mjs';
import { minimize } from './minimize.mjs';
import { difference, readJsonl } from './trace.mjs';

const BATCH = 100; // programs per process

const { values: options, positionals } = read({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '100' },
    size: { type: 'string', default: '40' },
    level: { type: 'string', default: '3' },
    programs: { type: 'string' },
    keep: { type: 'string' },
  },
});

function read(config) {
  try { return parseArgs(config); } catch (e) { usage(e.message); }
}

function usage(message) {
  console.error(`${message}\nprofiles: ${Object.keys(PROFILES).join(' ')}`);
  process.exit(2);
}

function number(option, word, most = Number.MAX_SAFE_INTEGER) {
  const n = Number(word);
  if (!/^\d+$/.test(word) || n > most) usage(`--${option} ${word}: expected a whole number from 0 to ${most}`);
  return n;
}

const seed = number('seed', options.seed);
const count = number('count', options.count);
const sizes = options.size.split(',').map((word) => number('size', word));
const levels = options.level.split(',').map((word) => number('level', word, 3));
const unknown = positionals.find((profile) => !(profile in PROFILES));
if (unknown) usage(`unknown profile ${unknown}`);
if (Number.parseInt(process.versions.node) < 26) usage(`Node ${process.version}: the reference is Node 26`);

// The sets to compare: a title, and the programs in batches.
function* sets() {
  if (options.programs) {
    yield [options.programs, '', [readJsonl(options.programs)]];
    return;
  }
  for (const profile of positionals.length ? positionals : Object.keys(PROFILES)) {
    for (const size of sizes) yield [profile, size, batches(profile, size)];
  }
}

function* batches(profile, size) {
  for (let from = 0; from < count; from += BATCH) {
    yield Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => generate(seed + from + i, { profile, size }));
  }
}

// A virtual clock makes every program deterministic: none is racy, and each is comparable at every level.
function underVirtualClock(program) {
  return { ...program, clock: 'virtual', level: 3 };
}

function compareBatch(programs, totals) {
  const expected = onNode(programs);
  for (const hooks of new Set(levels.map((level) => level >= 1))) {
    const actual = onLunation(programs, { hooks });
    for (const level of levels.filter((level) => level >= 1 === hooks)) {
      for (const [i, program] of programs.entries()) {
        totals.compared += 1;
        if (difference(expected[i].trace, actual[i]?.trace ?? [], level, program)) report(program, level);
        totals.equal += 1;
      }
    }
  }
  totals.programs += programs.length;
  totals.racy += expected.filter(({ meta }) => meta.racy).length;
  totals.fuel += expected.filter(({ trace }) => trace.some(([kind]) => kind === 'fuel')).length;
  totals.lines += expected.reduce((sum, { trace }) => sum + trace.length, 0);
}

function report(program, level) {
  console.log(`\n${program.name} differs at level ${level}; minimising ...`);
  if (options.keep) fs.writeFileSync(options.keep, JSON.stringify(program) + '\n');
  const { smallest, left, tried } = minimize(program, level);
  console.log(`${tried} candidates\nNode:\n  ${left.expected.join('\n  ')}\nLunation:\n  ${left.actual.join('\n  ')}`);
  console.log(JSON.stringify(smallest));
  process.exit(1);
}

build();
console.log(`Node ${process.version}, seeds from ${seed}, levels ${levels.join(' ')}\n`);
console.log('| profile | size | programs | trace lines | compared | equal | out of fuel | racy, dropped |');
console.log('|---|---|---|---|---|---|---|---|');
for (const [title, size, programs] of sets()) {
  const totals = { programs: 0, lines: 0, compared: 0, equal: 0, fuel: 0, racy: 0 };
  for (const batch of programs) compareBatch(batch.map(underVirtualClock), totals);
  console.log(`| ${[title, size, ...Object.values(totals)].join(' | ')} |`);
}
