import type { Acl, CreateOptions, NodeChildren, NodeData, Stat } from './client.ts';
import type { JuteReader, JuteWriter } from './jute.ts';
import { decodeStat, encodeAcl, opcode } from './records.ts';

/** One request and how to read its reply. Paths are the server's, chroot included. */
export interface Operation<T> {
  /** For error messages: `getData /a`. */
  readonly description: string;
  readonly path?: string;
  readonly opcode: number;
  readonly encode: (writer: JuteWriter) => void;
  readonly decode: (reader: JuteReader) => T;
  /** The result when the server answers NO_NODE; without it that is an error. */
  readonly missing?: () => T;
}

const openAcl: readonly Acl[] = [{ permissions: 31, scheme: 'world', id: 'anyone' }];

export function encodeCreate(
  writer: JuteWriter,
  path: string,
  data: Uint8Array,
  options: CreateOptions,
): void {
  writer.string(path).buffer(data);
  encodeAcl(writer, options.acl ?? openAcl);
  writer.int((options.ephemeral === true ? 1 : 0) + (options.sequential === true ? 2 : 0));
}

export function create(path: string, data: Uint8Array, options: CreateOptions): Operation<string> {
  return {
    description: `create ${path}`,
    path,
    opcode: opcode.create,
    encode: (writer) => encodeCreate(writer, path, data, options),
    decode: (reader) => reader.string(),
  };
}

export function remove(path: string, version: number): Operation<void> {
  return {
    description: `delete ${path}`,
    path,
    opcode: opcode.delete,
    encode: (writer) => void writer.string(path).int(version),
    decode: () => undefined,
  };
}

export function exists(path: string, watch: boolean): Operation<Stat | undefined> {
  return {
    description: `exists ${path}`,
    path,
    opcode: opcode.exists,
    encode: (writer) => void writer.string(path).boolean(watch),
    decode: decodeStat,
    missing: () => undefined,
  };
}

export function getData(path: string, watch: boolean): Operation<NodeData> {
  return {
    description: `getData ${path}`,
    path,
    opcode: opcode.getData,
    encode: (writer) => void writer.string(path).boolean(watch),
    decode: (reader) => ({ data: reader.buffer(), stat: decodeStat(reader) }),
  };
}

export function setData(path: string, data: Uint8Array, version: number): Operation<Stat> {
  return {
    description: `setData ${path}`,
    path,
    opcode: opcode.setData,
    encode: (writer) => void writer.string(path).buffer(data).int(version),
    decode: decodeStat,
  };
}

export function getChildren(path: string, watch: boolean): Operation<NodeChildren> {
  return {
    description: `getChildren ${path}`,
    path,
    opcode: opcode.getChildren2,
    encode: (writer) => void writer.string(path).boolean(watch),
    decode: (reader) => ({
      children: reader.vector(() => reader.string()),
      stat: decodeStat(reader),
    }),
  };
}

export function sync(path: string): Operation<void> {
  return {
    description: `sync ${path}`,
    path,
    opcode: opcode.sync,
    encode: (writer) => void writer.string(path),
    decode: () => undefined,
  };
}

export function closeSession(): Operation<void> {
  return {
    description: 'closeSession',
    opcode: opcode.closeSession,
    encode: () => undefined,
    decode: () => undefined,
  };
}

export interface WatchedPaths {
  readonly data: readonly string[];
  /** Paths that did not exist when they were asked for. */
  readonly exist: readonly string[];
  readonly child: readonly string[];
}

/**
 * Sets watches again on a resumed connection. What changed after `relativeZxid` is reported at once,
 * before the reply.
 */
export function setWatches(relativeZxid: bigint, paths: WatchedPaths): Operation<void> {
  return {
    description: 'setWatches',
    opcode: opcode.setWatches,
    encode: (writer) => {
      const list = (items: readonly string[]): void =>
        void writer.vector(items, (path) => writer.string(path));
      writer.long(relativeZxid);
      list(paths.data);
      list(paths.exist);
      list(paths.child);
    },
    decode: () => undefined,
  };
}
