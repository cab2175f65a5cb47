// Makes the recorded sets (FORMAT.md, section 8).
//   node record.mjs --hand                                        data/programs/hand.jsonl -> data/golden/hand.jsonl
//   node record.mjs [--seed N] [--size N] [--to DIR] context:30 mixed:40 ...
// For each profile: generates programs, runs them on this Node under the virtual clock, drops those that are racy, that
// burn all fuel or are too long or too short, and (class "any") those whose trace changes on a slow machine, that is
// under a jittering clock. Writes DIR/programs/PROFILE.jsonl and DIR/golden/PROFILE.jsonl; DIR is data unless given.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { onNode } from './engines.mjs';
import { generate } from './generate.mjs';
import { difference, readJsonl } from './trace.mjs';

const JITTERS = [[20, 1], [50, 2], [100, 3], [200, 4], [300, 5], [500, 6]]; // microseconds per clock reading, seed

// The usable ones of some programs, with their traces.
export function record(programs, { most = 400, longest = 700 } = {}) {
  let kept = onNode(programs).map(({ trace, meta }, i) => ({ program: programs[i], trace, meta }));
  kept = kept.filter(({ program, trace, meta }) => {
    if (program.clock === 'any' && meta.group) program.level = 2;
    return !meta.racy && trace.length <= most && !trace.some(([kind]) => kind === 'fuel') &&
      (program.clock === 'virtual' || meta.ms <= longest);
  });
  for (const [jitter, seed] of JITTERS) {
    const any = kept.filter(({ program }) => program.clock === 'any');
    const again = onNode(any.map((k) => k.program), { VCLOCK_JITTER_US: String(jitter), VCLOCK_SEED: String(seed) });
    const bad = new Set(any.filter(({ program, trace }, i) =>
      !again[i].meta.late && (again[i].meta.racy || difference(trace, again[i].trace, program.level))).map((k) => k.program));
    if (bad.size) console.error(`jitter ${jitter}: ${[...bad].map((p) => p.name).join(' ')}`);
    kept = kept.filter(({ program }) => !bad.has(program));
  }
  return kept;
}

function write(file, lines) {
  fs.mkdirSync(file.slice(0, file.lastIndexOf('/')), { recursive: true });
  fs.writeFileSync(file, lines.map((l) => JSON.stringify(l) + '\n').join(''));
}

const option = (name, otherwise) => {
  const i = process.argv.indexOf(name);
  return i < 0 ? otherwise : process.argv.splice(i, 2)[1];
};
const to = option('--to', fileURLToPath(new URL('../data', import.meta.url)));
let seed = Number(option('--seed', 1));
const size = Number(option('--size', 40));
const golden = ({ program, trace }) => ({ name: program.name, level: program.level, trace });

if (process.argv.includes('--hand')) {
  const programs = readJsonl(`${to}/programs/hand.jsonl`);
  const levels = programs.map((p) => p.level);
  const kept = record(programs);
  const lost = programs.filter((p, i) => p.level !== levels[i] || !kept.some((k) => k.program === p));
  if (lost.length) throw new Error(`unusable: ${lost.map((p) => p.name).join(' ')}`);
  write(`${to}/golden/hand.jsonl`, kept.map(golden));
} else {
  for (const arg of process.argv.slice(2)) {
    const [profile, count] = arg.split(':');
    const kept = [];
    for (let next = seed; kept.length < Number(count); next += 100) {
      const programs = Array.from({ length: 100 }, (_, i) => generate(next + i, { profile, size }));
      kept.push(...record(programs, { most: size * 8 }).filter(({ trace }) => trace.length >= 20));
    }
    kept.length = Number(count);
    write(`${to}/programs/${profile}.jsonl`, kept.map((k) => k.program));
    write(`${to}/golden/${profile}.jsonl`, kept.map(golden));
  }
}
