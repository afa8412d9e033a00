import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressClaimResource, claimName } from '../../../../api/v1/address-claim.ts';
import {
  canonicalAddress,
  hexAddress,
  isAddress,
  isWithin,
  parseRange,
} from '../../../../api/v1/addresses.ts';
import { jobResource } from '../../../../api/v1/job.ts';
import { mayAskFor, networkResource, type Network } from '../../../../api/v1/network.ts';

describe('an address', () => {
  it.each([
    ['10.0.0.1', true],
    ['fd00::1', true],
    ['10.0.0.1/24', false],
    ['fe80::1%eth0', false],
    ['10.0.0', false],
    ['web', false],
  ])('%s: %s', (text, expected) => {
    expect(isAddress(text)).toBe(expected);
  });

  it('has one name however it is written', () => {
    expect(claimName('dev-net', '10.0.0.255')).toBe('dev-net-0a0000ff');
    const name = 'dev-net-fd290013000000000000000000000010';
    expect(claimName('dev-net', 'FD29:13:0::0010')).toBe(name);
    expect(claimName('dev-net', 'fd29:13::10')).toBe(name);
    expect(canonicalAddress('FD29:13:0::0010')).toBe('fd29:13::10');
    expect(hexAddress('::')).toBe('0'.repeat(32));
    expect(canonicalAddress('fe80::1%eth0')).toBe('fe80::1%eth0');
  });

  it('of either family has a name of its own', () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(address, address, (left, right) => {
        const same = canonicalAddress(left) === canonicalAddress(right);
        expect(hexAddress(left) === hexAddress(right)).toBe(same);
      }),
    );
  });
});

describe('a range', () => {
  it.each([
    ['10.0.0.16/28', ['10.0.0.16', '10.0.0.31'], ['10.0.0.15', '10.0.0.32', 'fd00::1']],
    ['10.0.0.5-10.0.0.9', ['10.0.0.5', '10.0.0.9'], ['10.0.0.4', '10.0.0.10']],
    ['10.0.0.7', ['10.0.0.7'], ['10.0.0.8']],
    ['fd00::10/124', ['fd00::10', 'fd00::1f'], ['fd00::20', '10.0.0.1']],
    ['0.0.0.0/0', ['255.255.255.255'], ['::']],
  ])('%s has its bounds', (text, inside, outside) => {
    const range = parseRange(text);
    if (range === undefined) throw new Error(`${text} is no range`);
    expect(inside.filter((ip) => !isWithin(ip, range))).toEqual([]);
    expect(outside.filter((ip) => isWithin(ip, range))).toEqual([]);
  });

  it.each([
    '',
    '10.0.0.0/33',
    '10.0.0.9-10.0.0.5',
    '10.0.0.1-fd00::1',
    '10.0.0.0/',
    'a-b',
    '1-2-3',
  ])('is not %j', (text) => {
    expect(parseRange(text)).toBeUndefined();
  });
});

function networkOf(spec: Network['spec'], name = 'dev-net') {
  const parsed = networkResource.parse({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Network',
    metadata: { name },
    spec,
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return parsed.value;
}

describe('a Network', () => {
  it('lends addresses of its static ranges only, and none without', () => {
    const network = networkOf({ staticRanges: ['10.0.0.16/28', '10.0.1.5'] });
    const asked = ['10.0.0.20', '10.0.1.5', '10.0.1.6'];
    expect(asked.map((ip) => mayAskFor(network, ip))).toEqual([true, true, false]);
    expect(mayAskFor(networkOf({}), '10.0.0.20')).toBe(false);
  });

  it('is refused with a range that is none, or of a family that it has not', () => {
    const bad = networkOf({ ipFamilies: ['IPv4'], staticRanges: ['10.0.0.0/40', 'fd00::/64'] });
    expect(networkResource.validate(bad, {}).map(({ field }) => field)).toEqual([
      'spec.staticRanges[0]',
      'spec.staticRanges[1]',
    ]);
    const long = networkOf({}, 'n'.repeat(221));
    expect(networkResource.validate(long, {})).toHaveLength(1);
  });
});

function refusals(network: object, more: object = {}, replicas = 1): string[] {
  const container = {
    name: 'web',
    script: 'sleep 1',
    resources: { requests: { cpu: 1, memory: '32Mi' } },
  };
  const parsed = jobResource.parse({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name: 'web', namespace: 'prod' },
    spec: {
      replicas,
      template: {
        spec: { networks: [{ name: 'dev-net', ...network }], containers: [container], ...more },
      },
    },
  });
  const errors = parsed.ok ? jobResource.validate(parsed.value, {}) : parsed.errors;
  return errors.map(
    ({ field, message }) => `${field.replace('spec.template.spec.', '')}: ${message}`,
  );
}

describe('an attachment', () => {
  it.each([
    [{ ips: ['10.0.0.1'] }, 1],
    [{ ips: ['10.0.0.1', 'fd00::1'] }, 1],
    [{ ipsByInstance: [['10.0.0.1'], ['10.0.0.2'], ['10.0.0.3']] }, 2],
    [{ sticky: true }, 5],
  ])('may ask for %j', (network, replicas) => {
    expect(refusals(network, {}, replicas)).toEqual([]);
  });

  it.each([
    [{ ips: ['10.0.0.300'] }, 1, /^networks\[0\]\.ips\[0\]: .*must be an IPv4 or IPv6 address/],
    [{ ips: ['10.0.0.1'] }, 2, /^networks\[0\]\.ips: Forbidden: 2 replicas cannot share/],
    [{ ips: ['10.0.0.1', '10.0.0.2'] }, 1, /^networks\[0\]\.ips\[1\]: .*at most one IPv4/],
    [{ ips: ['fd00::1', 'fd00:0::1'] }, 1, /^networks\[0\]\.ips\[1\]: Duplicate value/],
    [{ ips: ['fd00::1'], ipFamilies: ['IPv4'] }, 1, /does not expect IPv6/],
    [{ ipsByInstance: [['10.0.0.1']] }, 2, /ipsByInstance: .*1 entries for 2 replicas/],
    [
      { ipsByInstance: [['10.0.0.1'], ['10.0.0.1']] },
      2,
      /^networks\[0\]\.ipsByInstance\[1\]\[0\]: Duplicate value/,
    ],
    [{ ips: ['10.0.0.1'], sticky: true }, 1, /sticky: Forbidden: give one of/],
    [{ ips: ['10.0.0.1'], ipsByInstance: [['10.0.0.2']] }, 1, /ipsByInstance: Forbidden/],
  ])('may not ask for %j in %i replicas', (network, replicas, message) => {
    expect(refusals(network, {}, replicas)[0]).toMatch(message);
  });

  it('has a deadline only where something follows from it', () => {
    expect(refusals({}, { onMissingAddress: 'Fail', addressDeadlineSeconds: 5 })).toEqual([]);
    expect(refusals({}, { addressDeadlineSeconds: 5 })[0]).toMatch(/^addressDeadlineSeconds: Forb/);
    expect(refusals({}, { onMissingAddress: 'Fail', networks: [] })[0]).toMatch(
      /^onMissingAddress: Forbidden/,
    );
  });
});

describe('a claim', () => {
  const holder = {
    namespace: 'prod',
    job: 'web',
    jobUid: 'j',
    instance: 0,
    task: 'web-0-a',
    taskUid: 't',
  };
  const claim = (name: string, ip: string) => {
    const parsed = addressClaimResource.parse({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'AddressClaim',
      metadata: { name },
      spec: { network: 'dev-net', ip, holder },
    });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
    return parsed.value;
  };

  it('bears the name of its address, so that there is one at most', () => {
    const good = claim('dev-net-0a000001', '10.0.0.1');
    expect(addressClaimResource.validate(good, {})).toEqual([]);
    expect(addressClaimResource.validate(claim('mine', '10.0.0.1'), {})).toHaveLength(1);
    const loose = claim(claimName('dev-net', 'fd00::1'), 'fd00:0::1');
    expect(addressClaimResource.validate(loose, {})).toHaveLength(1);
  });

  it('never becomes the claim of another address', () => {
    const old = claim('dev-net-0a000001', '10.0.0.1');
    const other = claim('dev-net-0a000002', '10.0.0.2');
    expect(addressClaimResource.validate(other, { old }).map(({ field }) => field)).toEqual([
      'spec',
    ]);
  });
});
