import { expect, it } from 'vitest';
import { startCommand } from './support/cosm.ts';

it.each([
  [['nosuch', '--help'], "unknown command 'nosuch'"],
  [['help', 'nosuch'], "unknown command 'nosuch'"],
  [['dlete', '-h'], 'Did you mean delete?'],
  [['framework', 'adpot', '--help'], 'Did you mean adopt?'],
])('%j is wrong usage', async (args, message) => {
  const { code, stdout, stderr } = await startCommand(args, '.', {}).done;
  expect(stderr).toContain(message);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});

it.each([[['--help']], [['help']], [['help', 'get']], [['get', '--help']], [['framework', '-h']]])(
  '%j helps',
  async (args) => {
    const { code, stdout } = await startCommand(args, '.', {}).done;
    expect(stdout).toContain('Usage: cosm');
    expect(code).toBe(0);
  },
);
