import { Agent, request } from 'undici';
import { z } from 'zod';
import { CommandError } from '../errors.ts';

/** A piece of a file, and how long the file is now. */
export interface Piece {
  size: number;
  data: Buffer;
}

/** The files of Mesos agents, through their operator API. */
export interface AgentFiles {
  /** Up to `length` bytes from `offset`; undefined if there is no such file. */
  read(
    file: { agent: string; path: string },
    offset: number,
    length: number,
  ): Promise<Piece | undefined>;
  close(): Promise<void>;
}

/** Agents answer with at most 16 pages whatever is asked for. */
export const pieceBytes = 65_536;

const answerSchema = z.object({
  read_file: z.object({ size: z.coerce.number(), data: z.string().default('') }),
});

/** Reads with READ_FILE in JSON (mesos/v1/agent.proto). */
export function agentFiles(signal: AbortSignal): AgentFiles {
  const dispatcher = new Agent({
    connect: { timeout: 5000 },
    headersTimeout: 10_000,
    bodyTimeout: 10_000,
  });
  return {
    read: async ({ agent, path }, offset, length) => {
      const call = { type: 'READ_FILE', read_file: { path, offset, length } };
      const { code, text } = await post(`${agent}/api/v1`, call, dispatcher, signal);
      if (code === 404) return undefined;
      if (code === 401 || code === 403) {
        throw new CommandError('failed', `${agent} lets nobody read sandboxes without credentials`);
      }
      if (code !== 200) throw new CommandError('failed', `${agent} answered ${code}: ${text}`);
      const answer = answerSchema.safeParse(parseJson(text));
      if (!answer.success) {
        throw new CommandError('failed', `${agent} does not answer as a Mesos agent does`);
      }
      const { size, data } = answer.data.read_file;
      return { size, data: Buffer.from(data, 'base64') };
    },
    close: () => dispatcher.destroy(),
  };
}

async function post(
  url: string,
  call: unknown,
  dispatcher: Agent,
  signal: AbortSignal,
): Promise<{ code: number; text: string }> {
  try {
    const answer = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(call),
      dispatcher,
      signal,
    });
    return { code: answer.statusCode, text: await answer.body.text() };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CommandError('unreachable', `cannot reach the agent ${url}: ${message}`, error);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema refuses it.
    return undefined;
  }
}
