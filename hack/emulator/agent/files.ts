import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  statSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { basename, join } from 'node:path';
import type { AgentResponse, FileInfo } from '../../../proto/mesos/generated/messages.ts';
import { json, respond, text, type ApiResponse } from '../http/messages.ts';
import { resolveFile, type AgentPaths } from './process/paths.ts';

/** Where an agent's files are; simulated agents have none. */
export interface AgentFiles {
  readonly paths: AgentPaths | undefined;
  readonly agentId: string;
}

/** LIST_FILES; the text `not found` for a 404. */
export function listFiles(files: AgentFiles, path: string): AgentResponse | string {
  const infos = fileInfos(files, path);
  return infos === undefined
    ? 'not found'
    : { type: 'LIST_FILES', list_files: { file_infos: infos } };
}

function fileInfos({ paths, agentId }: AgentFiles, path: string): FileInfo[] | undefined {
  const directory = paths && resolveFile(paths, agentId, path);
  if (directory === undefined || !statSync(directory).isDirectory()) return undefined;
  const { username } = userInfo();
  return readdirSync(directory)
    .sort()
    .map((name): FileInfo => {
      const stat = statSync(join(directory, name));
      return {
        path: join(path, name),
        nlink: stat.nlink,
        size: stat.size,
        mtime: { nanoseconds: Math.floor(stat.mtimeMs / 1000) * 1e9 },
        mode: stat.mode,
        uid: username,
        gid: username,
      };
    });
}

/** Mesos gives at most this much of a file at once. */
const maxRead = 16 * 2 ** 20;

/** READ_FILE; the text of a 400, or `not found`. */
export function readFile(
  { paths, agentId }: AgentFiles,
  path: string,
  offset: number,
  length: number | undefined,
): AgentResponse | string {
  const file = paths && resolveFile(paths, agentId, path);
  if (file === undefined) return 'not found';
  if (statSync(file).isDirectory()) return 'Cannot read a directory';
  const { size, data } = readPart(file, offset, length);
  return { type: 'READ_FILE', read_file: { size, data: data.toString('base64') } };
}

function readPart(
  file: string,
  offset: number,
  length: number | undefined,
): { size: number; data: Buffer } {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const wanted = Math.max(0, Math.min(length ?? maxRead, maxRead, size - offset));
    const buffer = Buffer.alloc(wanted);
    const read = readSync(descriptor, buffer, 0, wanted, offset);
    return { size, data: buffer.subarray(0, read) };
  } finally {
    closeSync(descriptor);
  }
}

/** `/files/browse`, `/files/read` and `/files/download`; undefined for any other route. */
export function filesPage(
  files: AgentFiles,
  route: string,
  query: URLSearchParams,
): ApiResponse | undefined {
  if (!['/files/browse', '/files/read', '/files/download'].includes(route)) return undefined;
  const path = query.get('path');
  if (path === null) return text(400, "Expecting 'path=value' in query.\n");
  if (route === '/files/browse') {
    const infos = fileInfos(files, path);
    return infos === undefined ? text(404, '') : json(infos.map(browsed));
  }
  const { paths, agentId } = files;
  const file = paths && resolveFile(paths, agentId, path);
  if (file === undefined) return text(404, '');
  if (statSync(file).isDirectory()) {
    return text(
      400,
      route === '/files/read' ? 'Cannot read a directory.\n' : 'Cannot download a directory.\n',
    );
  }
  if (route === '/files/download') {
    const headers = {
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': `attachment; filename=${basename(path)}`,
    };
    return respond(200, headers, readFileSync(file));
  }
  const offset = Number(query.get('offset') ?? -1);
  // Without an offset only the size of the file is told.
  if (offset < 0) return json({ data: '', offset: statSync(file).size });
  const length = query.get('length');
  const { data } = readPart(file, offset, length === null ? undefined : Number(length));
  return json({ data: data.toString(), offset });
}

function browsed({ path, nlink, size, mtime, mode = 0, uid, gid }: FileInfo): object {
  const seconds = (mtime?.nanoseconds ?? 0) / 1e9;
  return { gid, mode: modeText(mode), mtime: seconds, nlink, path, size, uid };
}

/** As `ls -l` writes it. */
function modeText(mode: number): string {
  const bits = Array.from('rwxrwxrwx').map((letter, index) =>
    (mode & (0o400 >> index)) === 0 ? '-' : letter,
  );
  return `${(mode & 0o170000) === 0o040000 ? 'd' : '-'}${bits.join('')}`;
}
