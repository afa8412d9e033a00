import { once } from 'node:events';
import { createServer } from 'node:http';
import { dirname } from 'node:path';
import { z } from 'zod';

/** A loopback responder that serves files as a Mesos agent does, in JSON: 16 pages of one at most. */
export interface FileAgent {
  port: number;
  /** Path -> content; change it while it is read. */
  files: Map<string, Buffer>;
  /** Path -> when it was last written, in milliseconds since the epoch; now if it is not there. */
  modified: Map<string, number>;
  reads: { path: string; offset: number }[];
  /** By executor: cores and bytes that its container uses all the time. */
  used: Map<string, { cores: number; bytes: number }>;
  stop(): Promise<void>;
}

const callSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('READ_FILE'),
    read_file: z.object({ path: z.string(), offset: z.number(), length: z.number() }),
  }),
  z.object({ type: z.literal('LIST_FILES'), list_files: z.object({ path: z.string() }) }),
  z.object({ type: z.literal('GET_CONTAINERS') }),
]);

const cap = 65_536;

export async function startFileAgent(): Promise<FileAgent> {
  const files = new Map<string, Buffer>();
  const modified = new Map<string, number>();
  const reads: FileAgent['reads'] = [];
  const readFile = ({ path, offset, length }: { path: string; offset: number; length: number }) => {
    reads.push({ path, offset });
    const content = files.get(path);
    if (content === undefined) return undefined;
    const data = content.subarray(offset, offset + Math.min(length, cap)).toString('base64');
    return { read_file: { size: content.length, data } };
  };
  const listFiles = ({ path }: { path: string }) => ({
    list_files: {
      file_infos: [...files]
        .filter(([file]) => dirname(file) === path)
        .map(([file, { length }]) => ({
          path: file,
          size: length,
          mtime: { nanoseconds: (modified.get(file) ?? Date.now()) * 1e6 },
        })),
    },
  });
  const used: FileAgent['used'] = new Map();
  const getContainers = () => {
    const timestamp = Date.now() / 1000;
    const containers = [...used].map(([executor, { cores, bytes }]) => ({
      framework_id: { value: 'F-1' },
      executor_id: { value: executor },
      container_id: { value: `C-${executor}` },
      resource_statistics: {
        timestamp,
        cpus_user_time_secs: cores * timestamp,
        cpus_system_time_secs: 0,
        mem_rss_bytes: bytes,
      },
    }));
    return { get_containers: { containers } };
  };
  const answer = (call: z.infer<typeof callSchema>) => {
    switch (call.type) {
      case 'READ_FILE':
        return readFile(call.read_file);
      case 'LIST_FILES':
        return listFiles(call.list_files);
      case 'GET_CONTAINERS':
        return getContainers();
    }
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const call = callSchema.parse(JSON.parse(Buffer.concat(chunks).toString()));
      const body = answer(call);
      response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' });
      response.end(body === undefined ? '' : JSON.stringify({ type: call.type, ...body }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    files,
    modified,
    reads,
    used,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
