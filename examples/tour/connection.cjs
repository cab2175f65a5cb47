const { createHook, executionAsyncId } = require('node:async_hooks');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');

let serverId;
const name = (id) => ({ 0: 'the loop', 1: 'main', [serverId]: 'the server' })[id] ?? 'something else';

const hook = createHook({
  init(id, kind, trigger) {
    if (!kind.startsWith('TCP')) return;
    fs.writeSync(1, `${kind}: made in ${name(executionAsyncId())}, triggered by ${name(trigger)}\n`);
    if (kind === 'TCPSERVERWRAP') serverId = id;
  },
}).enable();

const server = net.createServer((connection) => {
  connection.destroy();
  server.close();
  hook.disable();
}).listen(0, () => {
  spawn('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${server.address().port}`]); // unknown to the loop
});
