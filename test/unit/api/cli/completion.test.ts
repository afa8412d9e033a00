import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { complete, type Lookups } from '../../../../api/cli/completion/candidates.ts';
import { shells } from '../../../../api/cli/completion/scripts.ts';
import { builtInKinds } from '../../../../api/cli/kinds.ts';
import { buildProgram } from '../../../../api/cli/program.ts';
import { startCommand, startCosm } from './support/cosm.ts';
import { jobYaml } from './support/objects.ts';

const lookups: Lookups = {
  kinds: () => Promise.resolve(builtInKinds.all),
  namespaces: () => Promise.resolve(['default', 'prod']),
  names: ({ singular }) => Promise.resolve([`${singular}-a`, `${singular}-b`]),
};

async function offered(line: string): Promise<string[]> {
  const program = buildProgram(startless());
  const { candidates, files } = await complete(program, line.split(' '), lookups);
  return files ? [':files'] : candidates.map(({ word }) => word);
}

/** The program is only read. */
function startless(): Parameters<typeof buildProgram>[0] {
  const nothing = { write: () => undefined, isTerminal: false };
  return { stdout: nothing, stderr: nothing } as unknown as Parameters<typeof buildProgram>[0];
}

describe('what may come next', () => {
  it.each([
    ['ap', ['apply', 'api-resources', 'api-versions']],
    ['serverset ', ['release', 'purge']],
    ['get ser', ['serversets', 'serviceaccounts']],
    ['get jobs ', ['job-a', 'job-b']],
    ['get jobs job-a ', ['job-a', 'job-b']],
    ['describe mj/', ['mj/job-a', 'mj/job-b']],
    ['scale ', ['job/job-a', 'job/job-b']],
    ['logs ', ['task-a', 'task-b']],
    ['logs job/', ['job/job-a', 'job/job-b']],
    ['-n ', ['default', 'prod']],
    ['get -n p', ['prod']],
    ['get -n prod jobs ', ['job-a', 'job-b']],
    ['get jobs -o j', ['json']],
    ['apply -f ', [':files']],
    ['sync ', [':files']],
    ['apply --fo', ['--force-conflicts']],
    ['get --kubec', ['--kubeconfig']],
    ['apply --dry-run ', ['server', 'client']],
    ['completion ', ['bash', 'zsh', 'fish']],
    ['rollout ', ['status', 'history', 'undo', 'restart']],
    ['rollout undo ', ['job/job-a', 'job/job-b']],
    ['label jobs ', ['job-a', 'job-b']],
    ['patch job/', ['job/job-a', 'job/job-b']],
    ['patch --type ', ['strategic', 'merge', 'json']],
    ['create ', ['token']],
    ['create token ', ['serviceaccount-a', 'serviceaccount-b']],
    ['auth ', ['can-i', 'whoami']],
    ['auth can-i del', ['delete', 'deletecollection']],
    ['auth can-i get ser', ['serversets', 'serviceaccounts']],
    ['auth can-i get job/', ['job/job-a', 'job/job-b']],
    ['auth can-i get jobs ', []],
    ['replace --dry-run ', ['server']],
    ['nothing ', []],
  ])('after "%s"', async (line, words) => {
    expect(await offered(line)).toEqual(words);
  });
});

describe('cosm __complete', () => {
  it('knows the kinds, names and namespaces of the server', async () => {
    const cosm = await startCosm();
    try {
      await cosm.run(['apply', '-f', '-'], { stdin: jobYaml('web', 'replicas: 1') });
      const words = async (...line: string[]): Promise<string> =>
        (await cosm.run(['__complete', '--', ...line])).stdout;
      expect(await words('get', 'job', '')).toBe('web\t\n');
      expect(await words('-n', 'kube-system', 'get', 'job', '')).toBe('');
      expect(await words('get', '-n', 'def')).toBe('default\t\n');
      expect(await words('get', 'jo')).toContain('jobs\tmesocosm.dev\n');
    } finally {
      await cosm.stop();
    }
  });

  it('says nothing if the server is away', async () => {
    const env = { KUBECONFIG: '' };
    const args = ['__complete', '--', '--server', 'http://127.0.0.1:1', 'get', 'jobs', ''];
    const outcome = await startCommand(args, '/', { env }).done;
    expect(outcome).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});

describe('cosm completion', () => {
  it('prints bash that fills COMPREPLY with what cosm answers', () => {
    const script = `${shells.bash}
      cosm() { printf '%s\\n' "get-$*" $'job/\\tkind'; }
      COMP_WORDS=(cosm get j); COMP_CWORD=2; _cosm; printf '%s|' "\${COMPREPLY[@]}"`;
    const printed = execFileSync('bash', ['-c', script], { encoding: 'utf8' });
    expect(printed).toBe('get-__complete -- get j|job/|');
  });

  it('refuses shells that it does not know', async () => {
    const outcome = await startCommand(['completion', 'tcsh'], '/', {}).done;
    expect(outcome).toMatchObject({ code: 2 });
    expect((await startCommand(['completion', 'fish'], '/', {}).done).stdout).toBe(shells.fish);
  });
});
