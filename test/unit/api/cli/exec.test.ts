import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sessionInput } from '../../../../api/cli/exec/input.ts';
import type { TaskStatus } from '../../../../api/v1/task.ts';
import { encodeRecord } from '../../../../proto/mesos/recordio.ts';
import { startCosm, type Cosm } from './support/cosm.ts';
import { makeAgent, makeTask } from './support/objects.ts';

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('what is typed', () => {
  it('is sent in order, with each new size of the window, and ends with the input', async () => {
    let resized = (): void => undefined;
    let rows = 0;
    let watched = 0;
    const terminal = {
      setRaw: () => undefined,
      size: () => ({ rows: (rows += 1), columns: 80 }),
      onResize: (callback: () => void) => {
        watched += 1;
        resized = callback;
        return () => void (watched -= 1);
      },
    };
    async function* typed(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a');
      resized();
      resized();
      await Promise.resolve();
      yield Buffer.from('b');
    }
    const { signal } = new AbortController();
    const sent = await all(sessionInput(typed(), terminal, signal));
    expect(
      sent.map((piece) => ('data' in piece ? piece.data.toString() : piece.size.rows)),
    ).toEqual(['a', 1, 2, 'b']);
    expect(watched).toBe(0);
  });

  it('fails as its source fails', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(Buffer.from('a'));
      throw new Error('the pipe is broken');
    }
    const { signal } = new AbortController();
    await expect(all(sessionInput(broken(), undefined, signal))).rejects.toThrow('pipe is broken');
  });
});

describe('cosm exec', () => {
  let cosm: Cosm;
  let port: number;
  /** What the agent answers, by type of call. */
  let answers: Record<string, (response: ServerResponse) => void>;
  const agent = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const type = /"type":"([A-Z_]+)"/.exec(Buffer.concat(chunks).toString())?.[1] ?? '';
      answers[type]?.(response);
    });
  });
  beforeAll(async () => {
    cosm = await startCosm();
    agent.listen(0, '127.0.0.1');
    await once(agent, 'listening');
    const address = agent.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    port = address.port;
    await makeAgent(cosm.client, 'node-1', { id: 'A-1', port });
    await makeAgent(cosm.client, 'node-2', { id: 'A-2', port: 1 });
    await makeTask(cosm.client, 'web-0-a', { status: on('web-0-a') });
  });
  afterAll(async () => {
    agent.closeAllConnections();
    agent.close();
    await cosm.stop();
  });

  function on(name: string, agentId = 'A-1'): TaskStatus {
    return {
      phase: 'Running',
      mesos: {
        taskId: `default.${name}`,
        containerId: 'C-1',
        agentId,
      },
    };
  }
  const says = (code: number, text: string) => (response: ServerResponse) =>
    void response.writeHead(code).end(text);
  const output = (text: string): Buffer => {
    const data = Buffer.from(text).toString('base64');
    const record = { type: 'DATA', data: { type: 'STDOUT', data } };
    return Buffer.from(encodeRecord(Buffer.from(JSON.stringify(record))));
  };
  const exec = (...args: string[]) => cosm.run(['exec', ...args, '--', 'date']);

  it('counts what the command wrote, though its end was too quick for its input', async () => {
    answers = {
      LAUNCH_NESTED_CONTAINER_SESSION: (response) => {
        response.writeHead(200).write(output('one '));
        setTimeout(() => response.end(output('two')), 100);
      },
      ATTACH_CONTAINER_INPUT: says(404, 'cannot be found'),
      WAIT_NESTED_CONTAINER: says(
        200,
        '{"type":"WAIT_NESTED_CONTAINER","wait_nested_container":{"exit_status":768}}',
      ),
    };
    expect(await exec('web-0-a')).toMatchObject({ code: 3, stdout: 'one two' });
  });

  it('takes a container that the agent has forgotten for killed with its task', async () => {
    answers = {
      LAUNCH_NESTED_CONTAINER_SESSION: says(200, ''),
      ATTACH_CONTAINER_INPUT: says(200, ''),
      WAIT_NESTED_CONTAINER: says(404, 'cannot be found'),
    };
    expect(await exec('web-0-a')).toMatchObject({ code: 137 });
  });

  it('fails, and does not wait for ever, if the running command cannot be given its input', async () => {
    answers = {
      LAUNCH_NESTED_CONTAINER_SESSION: (response) => {
        response.writeHead(200).flushHeaders();
      },
      ATTACH_CONTAINER_INPUT: says(500, 'no input today'),
      WAIT_NESTED_CONTAINER: () => undefined,
    };
    const { code, stderr } = await exec('web-0-a', '-i');
    expect(code).toBe(1);
    expect(stderr).toContain('answers 500: no input today');
  });

  it('repeats what the agent says when it refuses', async () => {
    answers = { LAUNCH_NESTED_CONTAINER_SESSION: says(400, 'not supported') };
    expect(await exec('web-0-a')).toEqual({
      code: 1,
      stdout: '',
      stderr: `error: InternalError (500): the agent 127.0.0.1:${port} answers 400: not supported\n`,
    });
    answers = { LAUNCH_NESTED_CONTAINER_SESSION: says(403, '') };
    expect((await exec('web-0-a')).stderr).toBe(
      `error: InternalError (500): the agent 127.0.0.1:${port} answers 403. Check mesos.principal of the server, and what it may do\n`,
    );
  });

  it('says why a task cannot be entered', async () => {
    await makeTask(cosm.client, 'new-0-a', { job: 'new' });
    expect(await exec('new-0-a')).toMatchObject({
      code: 1,
      stderr:
        'error: BadRequest (400): cannot enter a container of pod new-0-a, which does not run yet: it is Pending\n',
    });
    const status: TaskStatus = { ...on('old-0-a'), phase: 'Finished' };
    await makeTask(cosm.client, 'old-0-a', { job: 'old', status });
    expect((await exec('old-0-a')).stderr).toBe(
      'error: BadRequest (400): cannot enter a container of pod old-0-a, which has ended: it is Finished\n',
    );
    await makeTask(cosm.client, 'far-0-a', { job: 'far', status: on('far-0-a', 'A-2') });
    expect((await exec('far-0-a')).code).toBe(4);
    expect((await exec('network/x')).code).toBe(2);
    expect((await exec('job/none')).code).toBe(1);
  });
});
