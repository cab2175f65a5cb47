// The two sides of a comparison: real Node (oracle.mjs) and Lunation (examples/replay.rs), both under a virtual clock.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const REPOSITORY = here('../../../');
const ORACLE = here('oracle.mjs');
const TIMEOUT = 120_000; // ms for one batch: more means that it hangs

let replay; // the built example

// Builds Lunation's side. Cargo says where it is.
export function build() {
  const args = ['build', '--release', '--quiet', '--example', 'replay', '--message-format', 'json'];
  const r = spawnSync('cargo', args, { cwd: REPOSITORY, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 28 });
  if (r.status !== 0) throw new Error(`cargo ${args.join(' ')} failed`);
  const messages = jsonLines(r.stdout);
  replay = messages.find((m) => m.target?.name === 'replay' && m.executable)?.executable;
  if (!replay) throw new Error('cargo did not say where the example is');
}

// The traces of programs on Node: {name, trace, meta} for each.
export function onNode(programs, env = {}) {
  const r = feed(process.execPath, [ORACLE, '--virtual', '--batch', '-'], programs, env);
  if (r.status !== 0 || r.stderr) throw new Error(r.stderr || `node: status ${r.status} signal ${r.signal}`);
  return jsonLines(r.stdout);
}

// The traces of programs on Lunation: {name, trace} for each, up to the first program at which it crashed or hung.
export function onLunation(programs, { hooks = true } = {}) {
  const r = feed(replay, ['--batch', '-', ...(hooks ? [] : ['--no-hooks'])], programs);
  if (r.stderr) console.error(r.stderr);
  return jsonLines(r.stdout);
}

function feed(command, args, programs, env = {}) {
  const input = programs.map((p) => JSON.stringify(p) + '\n').join('');
  const options = { input, encoding: 'utf8', timeout: TIMEOUT, maxBuffer: 1 << 30, env: { ...process.env, ...env } };
  return spawnSync(command, args, options);
}

function jsonLines(text) {
  return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
}
