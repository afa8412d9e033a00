import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../controllers/cosmd/config.ts';

function parsed(listen: string, authorization?: string): string | undefined {
  const lines = [
    'clusterName: test',
    'storage: memory',
    'api:',
    `  listen: "${listen}"`,
    '  certFile: /x',
    '  keyFile: /x',
    '  clientCaFile: /x',
    ...(authorization === undefined ? [] : [`  authorization: ${authorization}`]),
  ];
  return parseConfig(lines.join('\n'), 'cosmd.yaml', ['api']).api?.authorization;
}

describe('api.authorization', () => {
  it('is RBAC', () => {
    expect(parsed('0.0.0.0:6443')).toBe('RBAC');
  });

  it.each(['127.0.0.1:6443', '127.1.2.3:1', '[::1]:6443', 'localhost:6443'])(
    'may be AlwaysAllow on %s',
    (listen) => {
      expect(parsed(listen, 'AlwaysAllow')).toBe('AlwaysAllow');
    },
  );

  it.each(['0.0.0.0:6443', '[::]:6443', '10.0.0.1:6443', '127.0.0.1.example.com:6443', 'api:1'])(
    'is refused to be AlwaysAllow on %s',
    (listen) => {
      expect(() => parsed(listen, 'AlwaysAllow')).toThrow(
        'cosmd.yaml: api.authorization: AlwaysAllow is for trials: api.listen must be an address of loopback',
      );
    },
  );
});
