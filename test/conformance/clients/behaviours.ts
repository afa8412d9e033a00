import { expect } from 'vitest';
import { valueAt } from '../../../api/machinery/json.ts';
import { Refused, type Client, type ClientObject } from './client.ts';

/** What a behaviour is tried with. */
export interface Stage {
  /** Who may do everything. */
  client: Client;
  /** The same client for somebody who may only look. */
  viewer: Client;
  /** The same client for somebody whom the server does not know. */
  stranger: Client;
  /** A name, and value of the label `run`, of this behaviour and client alone. */
  name: string;
  /** How things are, past the client: undefined if there is no such object. */
  truth: (path: string) => Promise<ClientObject | undefined>;
  /** A write past the client. */
  write: (method: 'POST' | 'PATCH' | 'DELETE', path: string, body: object) => Promise<void>;
}

/** What a client may be able to do. */
export type Ability = Exclude<keyof Client, 'close'>;

export interface Behaviour {
  name: string;
  /** What a client must be able to do to be tried. */
  needs: readonly Ability[];
  run: (stage: Stage) => Promise<void>;
}

export const jobsPath = '/apis/mesocosm.dev/v1/namespaces/default/jobs';
const mapsPath = '/api/v1/namespaces/default/configmaps';

function job(name: string, spec: object = {}, labels: Record<string, string> = {}): ClientObject {
  const resources = { requests: { cpu: '100m', memory: '64Mi' } };
  const containers = [{ name: 'main', script: 'sleep 1000', resources }];
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name, namespace: 'default', labels: { run: name, ...labels } },
    spec: { replicas: 1, template: { spec: { containers } }, ...spec },
  };
}

const refusal = async (action: Promise<unknown> | undefined, words: RegExp): Promise<void> => {
  await expect(action).rejects.toThrow(Refused);
  await expect(action).rejects.toThrow(words);
};

const replicas = (object: ClientObject | undefined): unknown =>
  valueAt(object, ['spec', 'replicas']);

export const behaviours: readonly Behaviour[] = [
  {
    name: 'reads the version',
    needs: ['serverVersion'],
    run: async ({ client }) => expect(await client.serverVersion?.()).toMatch(/^v1\.\d+\./),
  },
  {
    name: 'discovers kinds',
    needs: ['resources'],
    run: async ({ client }) =>
      expect(await client.resources?.()).toEqual(expect.arrayContaining(['jobs'])),
  },
  {
    name: 'creates and reads back',
    needs: ['create', 'get'],
    run: async ({ client, name, truth }) => {
      await client.create?.(job(name));
      expect(replicas(await truth(`${jobsPath}/${name}`))).toBe(1);
      expect(await client.get?.(name)).toMatchObject({ kind: 'Job', metadata: { name } });
    },
  },
  {
    name: 'is told what exists already',
    needs: ['create', 'replace'],
    run: async ({ client, name }) => {
      await client.create?.(job(name));
      await refusal(client.create?.(job(name)), /AlreadyExists|already exists/);
    },
  },
  {
    name: 'is told what does not exist',
    needs: ['get'],
    run: ({ client, name }) => refusal(client.get?.(name), /not found/i),
  },
  {
    name: 'is told which field is wrong',
    needs: ['create'],
    run: async ({ client, name, truth }) => {
      await refusal(client.create?.(job(name, { replicas: -1 })), /spec\.replicas/);
      expect(await truth(`${jobsPath}/${name}`)).toBeUndefined();
    },
  },
  {
    name: 'lists by label in pages',
    needs: ['list'],
    run: async ({ client, name, write }) => {
      const names = Array.from({ length: 5 }, (_none, index) => `${name}-${index}`);
      for (const one of names) await write('POST', jobsPath, job(one, {}, { pages: name }));
      expect(await client.list?.({ labels: `pages=${name}`, pageSize: 2 })).toEqual(names);
      expect(await client.list?.({ labels: `pages=${name},run=${name}-3` })).toEqual([`${name}-3`]);
    },
  },
  {
    name: 'prints the columns of the server',
    needs: ['table'],
    run: async ({ client, name, write }) => {
      await write('POST', jobsPath, job(name, { replicas: 7 }));
      const rows = await client.table?.();
      expect(rows?.find((row) => row.startsWith(`${name} `))).toMatch(/ 0\/7 /);
    },
  },
  {
    name: 'replaces what it has read, and nothing newer',
    needs: ['get', 'replace'],
    run: async ({ client, name, write, truth }) => {
      await write('POST', jobsPath, job(name));
      const read = await client.get?.(name);
      const changed = { ...job(name, { replicas: 2 }), metadata: read?.metadata ?? { name } };
      await client.replace?.(changed);
      expect(replicas(await truth(`${jobsPath}/${name}`))).toBe(2);
      await refusal(client.replace?.(changed), /Conflict|has been modified/);
    },
  },
  {
    name: 'patches by merging',
    needs: ['mergePatch'],
    run: async ({ client, name, write, truth }) => {
      await write('POST', jobsPath, job(name));
      await client.mergePatch?.(name, {
        spec: { replicas: 3 },
        metadata: { labels: { run: null } },
      });
      const patched = await truth(`${jobsPath}/${name}`);
      expect(replicas(patched)).toBe(3);
      expect(patched?.metadata['labels']).toBeUndefined();
    },
  },
  {
    name: 'patches by operations',
    needs: ['jsonPatch'],
    run: async ({ client, name, write, truth }) => {
      await write('POST', jobsPath, job(name));
      const replace = { op: 'replace', path: '/spec/replicas', value: 4 };
      await client.jsonPatch?.(name, [{ op: 'test', path: '/spec/replicas', value: 1 }, replace]);
      expect(replicas(await truth(`${jobsPath}/${name}`))).toBe(4);
    },
  },
  {
    name: 'patches strategically',
    needs: ['strategicPatch'],
    run: async ({ client, name, write, truth }) => {
      const map = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name },
        data: { a: '1', b: '2' },
      };
      await write('POST', mapsPath, map);
      await client.strategicPatch?.(name, { data: { a: null, c: '3' } });
      expect((await truth(`${mapsPath}/${name}`))?.['data']).toEqual({ b: '2', c: '3' });
    },
  },
  {
    name: 'applies on the server',
    needs: ['apply'],
    run: async ({ client, name, write, truth }) => {
      await client.apply?.(job(name, { replicas: 2 }));
      const first = await truth(`${jobsPath}/${name}`);
      await client.apply?.(job(name, { replicas: 2 }));
      expect(await truth(`${jobsPath}/${name}`)).toEqual(first);
      await write('PATCH', `${jobsPath}/${name}`, { spec: { replicas: 5 } });
      await refusal(client.apply?.(job(name, { replicas: 2 })), /conflict/i);
      await client.apply?.(job(name, { replicas: 2 }), true);
      expect(replicas(await truth(`${jobsPath}/${name}`))).toBe(2);
    },
  },
  {
    name: 'applies with its own memory',
    needs: ['applyClientSide'],
    run: async ({ client, name, truth }) => {
      await client.applyClientSide?.(job(name, { replicas: 2 }, { extra: 'yes' }));
      await client.applyClientSide?.(job(name, { replicas: 3 }));
      const applied = await truth(`${jobsPath}/${name}`);
      expect(replicas(applied)).toBe(3);
      expect(applied?.metadata['labels']).toEqual({ run: name });
    },
  },
  {
    name: 'tries without storing',
    needs: ['dryRun'],
    run: async ({ client, name, truth }) => {
      await client.dryRun?.(job(name));
      expect(await truth(`${jobsPath}/${name}`)).toBeUndefined();
      await refusal(client.dryRun?.(job(name, { replicas: -1 })), /spec\.replicas/);
    },
  },
  {
    name: 'scales',
    needs: ['scale'],
    run: async ({ client, name, write, truth }) => {
      await write('POST', jobsPath, job(name));
      await client.scale?.(name, 6);
      expect(replicas(await truth(`${jobsPath}/${name}`))).toBe(6);
    },
  },
  {
    name: 'watches',
    needs: ['watch'],
    run: async ({ client, name, write }) => {
      const watching = await client.watch?.();
      const seen: string[] = [];
      const until = async (type: string): Promise<void> => {
        for (let last = ''; last !== type;) {
          const change = await watching?.next();
          if (change?.name !== name) continue;
          last = change.type;
          seen.push(last);
        }
      };
      await write('POST', jobsPath, job(name));
      await until('ADDED');
      await write('PATCH', `${jobsPath}/${name}`, { spec: { replicas: 2 } });
      await until('MODIFIED');
      await write('DELETE', `${jobsPath}/${name}`, {});
      await until('DELETED');
      await watching?.stop();
      expect(seen).toEqual(['ADDED', 'MODIFIED', 'DELETED']);
    },
  },
  {
    name: 'waits for a condition',
    needs: ['untilReady'],
    run: async ({ client, name, write }) => {
      await write('POST', jobsPath, job(name));
      const waiting = client.untilReady?.(name);
      const ready = {
        type: 'Ready',
        status: 'True',
        reason: 'Counted',
        message: '',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      };
      await write('PATCH', `${jobsPath}/${name}/status`, {
        status: { observedGeneration: 1, conditions: [ready] },
      });
      await waiting;
    },
  },
  {
    name: 'creates Secrets',
    needs: ['createSecret'],
    run: async ({ client, name, truth }) => {
      await client.createSecret?.(name, { password: 'hunter2' });
      const secret = await truth(`/api/v1/namespaces/default/secrets/${name}`);
      expect(secret?.['data']).toEqual({ password: 'aHVudGVyMg==' });
    },
  },
  {
    name: 'deletes one',
    needs: ['remove'],
    run: async ({ client, name, write, truth }) => {
      await write('POST', jobsPath, job(name));
      await client.remove?.(name);
      expect(await truth(`${jobsPath}/${name}`)).toBeUndefined();
    },
  },
  {
    name: 'deletes by label',
    needs: ['removeAll'],
    run: async ({ client, name, write, truth }) => {
      await write('POST', jobsPath, job(`${name}-a`, {}, { all: name }));
      await write('POST', jobsPath, job(`${name}-b`));
      await client.removeAll?.(`all=${name}`);
      expect(await truth(`${jobsPath}/${name}-a`)).toBeUndefined();
      expect(await truth(`${jobsPath}/${name}-b`)).toBeDefined();
    },
  },
  {
    name: 'learns who it is',
    needs: ['whoAmI'],
    run: async ({ viewer }) => expect(await viewer.whoAmI?.()).toBe('viewer'),
  },
  {
    name: 'asks what it may do',
    needs: ['mayI'],
    run: async ({ client, viewer }) => {
      expect(await client.mayI?.('create', 'jobs')).toBe(true);
      expect(await viewer.mayI?.('list', 'jobs')).toBe(true);
      expect(await viewer.mayI?.('create', 'jobs')).toBe(false);
    },
  },
  {
    name: 'is held to its role',
    needs: ['create', 'list'],
    run: async ({ viewer, name, truth }) => {
      await viewer.list?.({ labels: `run=${name}` });
      await refusal(
        viewer.create?.(job(name)),
        /forbidden: User .*viewer.* cannot create resource .*jobs/,
      );
      expect(await truth(`${jobsPath}/${name}`)).toBeUndefined();
    },
  },
  {
    name: 'is turned away unknown',
    needs: ['list'],
    run: ({ stranger }) => refusal(stranger.list?.({}), /Unauthorized/),
  },
];
