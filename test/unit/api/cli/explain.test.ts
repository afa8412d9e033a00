import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCosm, type Cosm } from './support/cosm.ts';

let cosm: Cosm;
beforeAll(async () => {
  cosm = await startCosm();
});
afterAll(() => cosm.stop());

async function explained(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cosm.run(['explain', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** The words of a text, wherever its lines were broken. */
function flat(text: string): string {
  return text.replace(/\s+/g, ' ');
}

describe('cosm explain', () => {
  it('describes a kind by any of its names, and its fields with their types', async () => {
    const text = await explained('job');
    expect(text).toMatch(
      /^GROUP: {6}mesocosm.dev\nKIND: {7}Job\nVERSION: {4}v1\n\nDESCRIPTION:\n {4}Desired tasks/,
    );
    expect(text).toContain('  metadata\t<ObjectMeta>\n    Standard metadata of an object.\n');
    expect(text).toContain('  spec\t<Object> -required-\n');
    expect(await explained('mj')).toBe(text);
    expect(await explained('jobs.mesocosm.dev'.split('.')[0] ?? '')).toBe(text);
  });

  it('goes down a path, through lists, and says what a field is', async () => {
    const text = await explained('job.spec.template.spec.containers.env');
    expect(text).toContain('FIELD: env <[]Object>\n\nDESCRIPTION:\n    Environment variables.');
    expect(text).toMatch(/ {2}name\t<string> -required-\n/);
    expect(await explained('job.spec.template.metadata.labels')).toContain('<map[string]string>');
    expect(await explained('job.spec.replicas')).toMatch(/FIELD: replicas <integer>\n[^]*\n$/);
    expect(await explained('job.metadata.name')).toContain('FIELD: name <string>');
  });

  it('shows what values a field may have', async () => {
    expect(await explained('job.spec.serverSet.family')).toContain('enum: IPv4, IPv6\n');
  });

  it('shows all fields below with --recursive, without descriptions', async () => {
    const text = await explained('job.spec.updateStrategy', '--recursive');
    expect(text).toContain('FIELDS:\n  maxUnavailable\t<integer>\n  minReadySeconds\t<number>\n');
    const whole = await explained('job', '--recursive');
    expect(whole).toMatch(
      /\n {10}livenessProbe\t<Object>\n {12}exec\t<Object>\n {14}command\t<\[\]string>/,
    );
  });

  it('knows core kinds, which have no group, and what cosm drift prints', async () => {
    expect(await explained('namespace')).toMatch(/^KIND: {7}Namespace\nVERSION: {4}v1\n/);
    expect(await explained('jobdrift.instances.findings.reason')).toContain('One CamelCase word');
  });

  it.each(['readinessProbe', 'livenessProbe'])(
    'says of %s where Mesos connects to, and what a server bound elsewhere needs',
    async (probe) => {
      const path = `job.spec.template.spec.containers.${probe}`;
      for (const check of ['httpGet', 'tcpSocket']) {
        const text = flat(await explained(`${path}.${check}`));
        expect(text).toContain('127.0.0.1');
        expect(text).toContain('inside the network namespace of the task');
        expect(text).toMatch(/::1/);
        expect(text).toMatch(/exec/);
      }
      expect(flat(await explained(`${path}.exec`))).toMatch(/gRPC/);
    },
  );

  it('points at the mistake in a path or a kind', async () => {
    expect(await cosm.run(['explain', 'job.spec.replicsa'])).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(
        'no field "spec.replicsa"; did you mean "replicas"?',
      ) as string,
    });
    expect(await cosm.run(['explain', 'jbo'])).toMatchObject({ code: 2 });
    expect(await cosm.run(['explain'])).toMatchObject({ code: 2 });
  });
});
