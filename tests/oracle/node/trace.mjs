// Traces: levels and comparison (FORMAT.md, section 6).
import fs from 'node:fs';

const HOOKS = ['init', 'before', 'after'];
const WITH_IDS = ['log', 'catch', 'uncaught', 'recv', 'done', 'fail']; // these end with: stores, id, trigger

// The lines of a trace that count at a level.  0: order and stores; 1: + ids; 2: + init/before/after; 3: + destroy.
export function project(trace, level = 3, blanked = new Set()) {
  return trace
    .filter(([kind]) => kind === 'destroy' ? level >= 3 : HOOKS.includes(kind) ? level >= 2 : true)
    .map((entry) => {
      if (!WITH_IDS.includes(entry[0])) return JSON.stringify(entry);
      const stores = entry.at(-3).map((value, i) => blanked.has(i) ? null : value);
      return JSON.stringify([...entry.slice(0, -3), stores, ...(level < 1 ? [] : entry.slice(-2))]);
    });
}

// null when equal, else the index of the first differing line and what surrounds it on both sides. The stores of
// instances that the program disables are not compared (README.md, "What differs").
export function difference(expected, actual, level = 3, program = { main: [] }) {
  const disabled = new Set(lists(program).flat().filter((s) => s.op === 'disable').map((s) => s.als));
  const a = project(expected, level, disabled);
  const b = project(actual, level, disabled);
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  if (i === a.length && i === b.length) return null;
  const around = (lines) => lines.slice(Math.max(0, i - 3), i + 2).map((l, k) => `${k === Math.min(3, i) ? '>' : ' '} ${l}`);
  return { at: i, expected: around(a), actual: around(b) };
}

// Every list of statements of a program.
export function lists(program) {
  const found = [];
  const visit = (list) => {
    found.push(list);
    for (const s of list) for (const key of ['body', 'catch']) if (s[key]) visit(s[key]);
  };
  visit(program.main);
  return found;
}

export const readJsonl = (file) =>
  fs.readFileSync(file === '-' ? 0 : file, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
