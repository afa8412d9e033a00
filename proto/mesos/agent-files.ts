/** The files of one agent's sandboxes, over one connection that is kept. */
import { codec } from './codec.ts';
import { httpClient, refusal, requestError } from './http.ts';
import type { HttpOptions } from './http.ts';
import { MesosRequestError } from './transport.ts';
import type { MesosAddress } from './transport.ts';

/** A piece of a file, and how long the file is now. */
export interface Piece {
  readonly size: number;
  readonly data: Buffer;
}

export interface AgentFiles {
  /**
   * Up to `length` bytes of a (virtual) path from `offset`; undefined if there is no such file.
   * Rejects with MesosRequestError.
   */
  read(path: string, offset: number, length: number): Promise<Piece | undefined>;
  /** When a file of a directory was last written, in milliseconds since the epoch, if it is there. */
  modified(directory: string, name: string): Promise<number | undefined>;
  close(): Promise<void>;
}

/** READ_FILE and LIST_FILES (mesos/v1/agent.proto). The signal ends what is under way. */
export function agentFiles(
  options: HttpOptions & { agent: MesosAddress; signal: AbortSignal },
): AgentFiles {
  const { agent, signal } = options;
  const http = httpClient(options);
  const calls = codec('mesos.v1.agent.Call', http.format);
  const responses = codec('mesos.v1.agent.Response', http.format);
  const client = http.connect(agent);

  type Call = Parameters<typeof calls.encode>[0];
  const ask = async (call: Call): Promise<ReturnType<typeof responses.decode> | undefined> => {
    try {
      return await http.withDeadline(signal, async (deadline) => {
        const answer = await http.post(client, '/api/v1', calls.encode(call), { signal: deadline });
        if (answer.status === 404) {
          await http.read(answer);
          return undefined;
        }
        if (answer.status !== 200) throw await refusal(http, answer, agent);
        return responses.decode(await http.read(answer));
      });
    } catch (error) {
      throw signal.aborted ? signal.reason : requestError(error, agent);
    }
  };
  return {
    read: async (path, offset, length) => {
      const answer = await ask({ type: 'READ_FILE', read_file: { path, offset, length } });
      if (answer === undefined) return undefined;
      if (answer.read_file === undefined) {
        throw new MesosRequestError('BadAnswer', 'the answer has no read_file');
      }
      const { size, data } = answer.read_file;
      return { size, data: Buffer.from(data, 'base64') };
    },
    modified: async (directory, name) => {
      const answer = await ask({ type: 'LIST_FILES', list_files: { path: directory } });
      const file = answer?.list_files?.file_infos?.find(({ path }) => path.endsWith(`/${name}`));
      const nanoseconds = file?.mtime?.nanoseconds;
      return nanoseconds === undefined ? undefined : nanoseconds / 1e6;
    },
    close: () => client.destroy(),
  };
}
