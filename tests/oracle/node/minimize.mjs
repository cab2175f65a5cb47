// Shrinks a program on which Lunation differs from Node: removes statements, unwraps bodies, simplifies fields, and
// keeps what leaves a difference.
import { onLunation, onNode } from './engines.mjs';
import { difference, lists } from './trace.mjs';

// The smallest program found that differs at the level, the difference that is left, and how many candidates were tried.
export function minimize(start, level) {
  let program = start;
  let tried = 0;
  const left = () => differs(program, level);

  // Tries a change to a copy of the program; keeps it when a difference stays.
  function attempt(change) {
    const copy = structuredClone(program);
    if (change(copy) === false) return false;
    tried += 1;
    if (!differs(copy, level)) return false;
    program = copy;
    return true;
  }

  function removeStatements() {
    let progress = false;
    for (let l = 0; l < lists(program).length; l++) {
      for (let size = lists(program)[l].length; size >= 1; size = Math.floor(size / 2)) {
        for (let at = 0; lists(program)[l] && at < lists(program)[l].length;) {
          if (attempt((p) => { lists(p)[l].splice(at, size); })) progress = true;
          else at += size;
        }
      }
    }
    return progress;
  }

  function unwrapStatements() {
    let progress = false;
    for (let l = 0; l < lists(program).length; l++) {
      for (let at = 0; lists(program)[l] && at < lists(program)[l].length; at++) {
        progress = attempt((p) => {
          const list = lists(p)[l];
          const s = list[at];
          if (!s.body || s.op === 'spawn') return false;
          list.splice(at, 1, ...s.body);
        }) || progress;
      }
    }
    return progress;
  }

  function simplifyFields() {
    let progress = false;
    const smaller = { times: [1, 2], value: [1], als: [0], add: [null], slot: [null, 0], ms: [1, 2] };
    for (let l = 0; l < lists(program).length; l++) {
      for (let at = 0; at < lists(program)[l].length; at++) {
        for (const [key, values] of Object.entries(smaller)) {
          for (const v of values) {
            const s = lists(program)[l][at];
            if (!(key in s) || s[key] === v || s.op === 'throw' || (typeof s[key] === 'number' && v > s[key])) continue;
            if (v === null && key === 'slot' && !['timeout', 'interval', 'immediate'].includes(s.op)) continue;
            if (attempt((p) => { lists(p)[l][at][key] = v; })) { progress = true; break; }
          }
        }
      }
    }
    const highest = Math.max(0, ...lists(program).flat().map((s) => s.als ?? 0));
    attempt((p) => p.als.length > highest + 1 && p.als.splice(highest + 1).length > 0);
    for (let i = 0; i < program.als.length; i++) attempt((p) => 'default' in p.als[i] && delete p.als[i].default);
    return progress;
  }

  while ([removeStatements(), unwrapStatements(), simplifyFields()].some(Boolean));
  return { smallest: program, left: left(), tried };
}

// Programs that burn all fuel are no candidates: they would be another difference.
function differs(program, level) {
  const [{ trace }] = onNode([program]);
  if (trace.some(([kind]) => kind === 'fuel')) return null;
  return difference(trace, onLunation([program], { hooks: level >= 1 })[0]?.trace ?? [['crashed']], level, program);
}
