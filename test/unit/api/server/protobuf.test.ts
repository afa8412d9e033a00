import fc from 'fast-check';
import protobuf from 'protobufjs/minimal.js';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../../../../api/server/decode.ts';
import { decodeProtobuf, UnknownProtobufKindError } from '../../../../api/server/protobuf.ts';

type Fill = (writer: protobuf.Writer) => void;

function bytesOf(fill: Fill): Uint8Array {
  const writer = protobuf.Writer.create();
  fill(writer);
  return writer.finish();
}

const nested = (writer: protobuf.Writer, field: number, fill: Fill): void => {
  writer.uint32((field << 3) | 2).bytes(bytesOf(fill));
};
const text = (writer: protobuf.Writer, field: number, value: string): void => {
  writer.uint32((field << 3) | 2).string(value);
};

/** As client-go wraps an object. */
function envelope(apiVersion: string, kind: string, fill: Fill): Uint8Array {
  const unknown = bytesOf((writer) => {
    nested(writer, 1, (type) => {
      text(type, 1, apiVersion);
      text(type, 2, kind);
    });
    nested(writer, 2, fill);
    text(writer, 3, '');
    text(writer, 4, '');
  });
  return Buffer.concat([Buffer.from('k8s\0'), unknown]);
}

const metadata: Fill = (writer) =>
  nested(writer, 1, (meta) => {
    text(meta, 1, 'leader');
    text(meta, 2, '');
    text(meta, 3, 'default');
    nested(meta, 8, () => undefined);
    for (const [key, value] of [
      ['a', 'b'],
      ['c', ''],
    ] as const) {
      nested(meta, 11, (entry) => {
        text(entry, 1, key);
        text(entry, 2, value);
      });
    }
    text(meta, 14, 'x.dev/one');
    text(meta, 14, 'x.dev/two');
    // A field that no version of ours knows.
    text(meta, 99, 'whatever');
  });

describe('Kubernetes protobuf', () => {
  it('reads what a recorder writes to events.k8s.io', () => {
    const bytes = envelope('events.k8s.io/v1', 'Event', (writer) => {
      metadata(writer);
      nested(writer, 2, (time) =>
        time.uint32(8).int64(1_767_225_600).uint32(16).int32(123_456_000),
      );
      text(writer, 4, 'example.dev/ctl');
      nested(writer, 8, (reference) => text(reference, 3, 'web'));
      text(writer, 10, 'did launch');
      // A time that is not set is sent as an empty one.
      nested(writer, 12, () => undefined);
      nested(writer, 13, () => undefined);
    });
    expect(decodeProtobuf(bytes)).toMatchObject({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      eventTime: '2026-01-01T00:00:00.123456Z',
      reportingController: 'example.dev/ctl',
      regarding: { name: 'web' },
      note: 'did launch',
    });
  });

  it('reads a Lease: empty texts are absent, given zeros are not, times have their precision', () => {
    const bytes = envelope('coordination.k8s.io/v1', 'Lease', (writer) => {
      metadata(writer);
      nested(writer, 2, (spec) => {
        text(spec, 1, 'me');
        spec.uint32(2 << 3).int32(15);
        nested(spec, 4, (time) => {
          time.uint32(1 << 3).int64(1_767_225_600);
          time.uint32(2 << 3).int32(123_456_000);
        });
        spec.uint32(5 << 3).int32(0);
      });
    });
    expect(decodeProtobuf(bytes)).toEqual({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        name: 'leader',
        namespace: 'default',
        labels: { a: 'b', c: '' },
        finalizers: ['x.dev/one', 'x.dev/two'],
      },
      spec: {
        holderIdentity: 'me',
        leaseDurationSeconds: 15,
        renewTime: '2026-01-01T00:00:00.123456Z',
        leaseTransitions: 0,
      },
    });
  });

  it('reads DeleteOptions of any version', () => {
    const bytes = envelope('meta.k8s.io/v1', 'DeleteOptions', (writer) => {
      text(writer, 4, 'Foreground');
      nested(writer, 2, (preconditions) => text(preconditions, 1, 'the-uid'));
    });
    expect(decodeProtobuf(bytes)).toMatchObject({
      propagationPolicy: 'Foreground',
      preconditions: { uid: 'the-uid' },
    });
  });

  it('reads a Secret: bytes become base64, empty values stay', () => {
    const bytes = envelope('v1', 'Secret', (writer) => {
      metadata(writer);
      nested(writer, 2, (entry) => {
        text(entry, 1, 'key');
        entry.uint32((2 << 3) | 2).bytes(Buffer.from([0, 255]));
      });
      nested(writer, 2, (entry) => text(entry, 1, 'empty'));
      text(writer, 3, 'Opaque');
      nested(writer, 4, (entry) => {
        text(entry, 1, 'plain');
        text(entry, 2, 'text');
      });
      writer.uint32(5 << 3).bool(false);
    });
    expect(decodeProtobuf(bytes)).toMatchObject({
      data: { key: 'AP8=', empty: '' },
      type: 'Opaque',
      stringData: { plain: 'text' },
      immutable: false,
    });
  });

  it('reads a ResourceQuota: quantities are texts', () => {
    const bytes = envelope('v1', 'ResourceQuota', (writer) => {
      nested(writer, 2, (spec) => {
        nested(spec, 1, (entry) => {
          text(entry, 1, 'cpu');
          nested(entry, 2, (quantity) => text(quantity, 1, '200m'));
        });
      });
    });
    expect(decodeProtobuf(bytes)).toMatchObject({ spec: { hard: { cpu: '200m' } } });
  });

  it('reads a SubjectAccessReview: extra values are lists', () => {
    const bytes = envelope('authorization.k8s.io/v1', 'SubjectAccessReview', (writer) => {
      nested(writer, 2, (spec) => {
        nested(spec, 1, (attributes) => {
          text(attributes, 1, 'default');
          text(attributes, 2, 'get');
          text(attributes, 5, 'jobs');
          nested(attributes, 9, (selector) => {
            nested(selector, 2, (requirement) => {
              text(requirement, 1, 'app');
              text(requirement, 2, 'In');
              text(requirement, 3, 'web');
            });
          });
        });
        text(spec, 3, 'bob');
        text(spec, 4, 'ops');
        nested(spec, 5, (entry) => {
          text(entry, 1, 'scopes');
          nested(entry, 2, (values) => {
            text(values, 1, 'a');
            text(values, 1, '');
          });
        });
        nested(spec, 5, (entry) => text(entry, 1, 'none'));
      });
      nested(writer, 3, (status) => status.uint32(1 << 3).bool(true));
    });
    expect(decodeProtobuf(bytes)).toEqual({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        resourceAttributes: {
          namespace: 'default',
          verb: 'get',
          resource: 'jobs',
          labelSelector: { requirements: [{ key: 'app', operator: 'In', values: ['web'] }] },
        },
        user: 'bob',
        groups: ['ops'],
        extra: { scopes: ['a', ''], none: [] },
      },
    });
  });

  it('reads a ClusterRole with what it aggregates', () => {
    const bytes = envelope('rbac.authorization.k8s.io/v1', 'ClusterRole', (writer) => {
      nested(writer, 2, (rule) => {
        text(rule, 1, 'get');
        text(rule, 2, '');
        text(rule, 3, 'pods');
        text(rule, 5, '/healthz');
      });
      nested(writer, 3, (aggregation) => {
        nested(aggregation, 1, (selector) => {
          nested(selector, 1, (entry) => {
            text(entry, 1, 'to');
            text(entry, 2, 'view');
          });
        });
      });
    });
    expect(decodeProtobuf(bytes)).toMatchObject({
      rules: [
        { verbs: ['get'], apiGroups: [''], resources: ['pods'], nonResourceURLs: ['/healthz'] },
      ],
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to: 'view' } }] },
    });
  });

  it('reads a list of many items in time that follows their number', () => {
    const many = 300_000;
    const bytes = envelope('v1', 'Namespace', (writer) => {
      nested(writer, 2, (spec) => {
        for (let index = 0; index < many; index += 1) text(spec, 1, '');
      });
    });
    const { spec } = decodeProtobuf(bytes) as { spec: { finalizers: string[] } };
    expect(spec.finalizers).toHaveLength(many);
  });

  it('says which kinds it does not take', () => {
    const pod = envelope('v1', 'Pod', metadata);
    expect(() => decodeProtobuf(pod)).toThrow(UnknownProtobufKindError);
    const inherited = envelope('toString', '', metadata);
    expect(() => decodeProtobuf(inherited)).toThrow(UnknownProtobufKindError);
  });

  it('never throws anything but its own error on cut or changed messages', () => {
    const whole = envelope('v1', 'Namespace', metadata);
    fc.assert(
      fc.property(
        fc.nat(whole.length),
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }),
        (length, changes) => {
          const bytes = Buffer.from(whole.subarray(0, length));
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          try {
            decodeProtobuf(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
        },
      ),
    );
  });
});
