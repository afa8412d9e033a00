import { once } from 'node:events';
import { createServer } from 'node:http';
import { z } from 'zod';

/** A loopback responder that serves files as a Mesos agent does: READ_FILE in JSON, 16 pages at most. */
export interface FileAgent {
  port: number;
  /** Path -> content; change it while it is read. */
  files: Map<string, Buffer>;
  reads: { path: string; offset: number }[];
  stop(): Promise<void>;
}

const callSchema = z.object({
  type: z.literal('READ_FILE'),
  read_file: z.object({ path: z.string(), offset: z.number(), length: z.number() }),
});

const cap = 65_536;

export async function startFileAgent(): Promise<FileAgent> {
  const files = new Map<string, Buffer>();
  const reads: FileAgent['reads'] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { path, offset, length } = callSchema.parse(
        JSON.parse(Buffer.concat(chunks).toString()),
      ).read_file;
      reads.push({ path, offset });
      const content = files.get(path);
      if (content === undefined) {
        response.writeHead(404).end();
        return;
      }
      const data = content.subarray(offset, offset + Math.min(length, cap)).toString('base64');
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ type: 'READ_FILE', read_file: { size: content.length, data } }),
      );
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    files,
    reads,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
