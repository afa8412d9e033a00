import { request, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type { Agent } from './agent/agent.ts';
import type { MasterNode } from './master/api.ts';
import { toAgent, toMaster, type Link, type ToAgent, type ToMaster } from './protocol.ts';

/** Where agents upgrade a connection to a master, on the port of its API. */
const path = '/emulator/agent';
const protocol = 'mesocosm-emulator';

/** Takes agents' connections on the master's HTTP port while it leads. */
export function acceptAgents(server: Server, node: MasterNode): void {
  server.on('upgrade', (message: IncomingMessage, socket: Duplex) => {
    const master = node.leading;
    if (message.url !== path || master === undefined) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n');
      return;
    }
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${protocol}\r\nConnection: Upgrade\r\n\r\n`,
    );
    const session = master.agentConnected(socketLink<ToAgent>(socket));
    readLines(socket, (line) => {
      session.receive(toMaster.parse(JSON.parse(line)));
    });
    socket.once('close', () => {
      session.closed();
    });
  });
}

/** Keeps an agent connected to whichever master leads, until stopped. */
export class AgentConnector {
  readonly #agent: Agent;
  readonly #masters: readonly string[];
  readonly #retry: number;
  #socket: Duplex | undefined;
  #timer: NodeJS.Timeout | undefined;
  #next = 0;
  #stopped = false;

  /** `masters` are `host:port`; any of them may name the leader. */
  constructor(agent: Agent, masters: readonly string[], retryMs = 200) {
    this.#agent = agent;
    this.#masters = masters;
    this.#retry = retryMs;
  }

  start(): void {
    const master = this.#masters[this.#next++ % this.#masters.length] ?? '';
    leaderOf(master)
      .then((leader) => upgrade(leader))
      .then(
        (socket) => {
          if (this.#stopped) socket.destroy();
          else this.#attach(socket);
        },
        () => {
          // No leader there now; masters come and go.
          this.#again();
        },
      );
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
  }

  #attach(socket: Duplex): void {
    this.#socket = socket;
    const session = this.#agent.connected(socketLink<ToMaster>(socket));
    readLines(socket, (line) => {
      session.receive(toAgent.parse(JSON.parse(line)));
    });
    socket.once('close', () => {
      session.closed();
      this.#again();
    });
  }

  #again(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.start();
    }, this.#retry);
  }
}

/** `host:port` of the master that leads, as `master` says; throws while it knows none. */
export async function leaderOf(master: string): Promise<string> {
  const response = await fetch(`http://${master}/master/redirect`, {
    redirect: 'manual',
    signal: AbortSignal.timeout(2000),
  });
  const location = response.headers.get('location');
  if (location === null) throw new Error(`${master} knows no leader`);
  return location.replace(/^\/\//, '');
}

function upgrade(leader: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const attempt = request(`http://${leader}${path}`, {
      headers: { Connection: 'Upgrade', Upgrade: protocol },
      timeout: 2000,
    });
    attempt.once('upgrade', (_response, socket) => {
      resolve(socket);
    });
    attempt.once('response', (response) => {
      response.resume();
      reject(new Error(`${leader} does not lead`));
    });
    attempt.once('timeout', () => {
      attempt.destroy(new Error(`${leader} does not answer`));
    });
    attempt.once('error', reject);
    attempt.end();
  });
}

function socketLink<Out>(socket: Duplex): Link<Out> {
  // A broken connection shows as 'close'; what was under way is lost, as with Mesos.
  socket.on('error', () => undefined);
  // HTTP's sockets may stay half open; a peer that said its last word is gone.
  socket.on('end', () => {
    socket.destroy();
  });
  return {
    send: (message) => {
      if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
    },
    close: () => {
      socket.destroy();
    },
  };
}

function readLines(socket: Duplex, take: (line: string) => void): void {
  let rest = '';
  const decoder = new StringDecoder('utf8');
  socket.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
}
