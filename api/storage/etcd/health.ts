import { AlarmAction } from 'etcd3';
import type { StorageProblem } from '../storage.ts';
import type { EtcdClient } from './client.ts';
import { storageErrorOf } from './errors.ts';

/**
 * The first patch of a release line without known bugs in watches: lost and repeated events, and from
 * 3.5.33 on also a leak between users. Newer lines have them fixed.
 */
const soundPatch: Readonly<Record<string, number>> = { '3.4': 36, '3.5': 33 };

/** Whether an etcd of this version may lose or repeat events of a watch. */
export function hasWatchBugs(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.+-]/).map(Number);
  const sound = soundPatch[`${major}.${minor}`];
  if (sound !== undefined) return patch < sound;
  return major < 3 || (major === 3 && minor < 4);
}

/** What etcd takes for its quota if it is told none (--quota-backend-bytes), in bytes. */
export const defaultQuotaBytes = 2 * 2 ** 30;

/** From this share of its quota on a database deserves attention: at the quota no write is taken. */
const nearQuota = 0.8;

/** Free pages are worth giving back from so many bytes on, and if they are so much of the file. */
const leastFreeBytes = 64 * 2 ** 20;
const fragmented = 0.5;

/** Size of the database of one member, in bytes: of its file, and of what is in it. */
export interface DatabaseSize {
  url: string;
  file: number;
  inUse: number;
}

/** What to do about the size of a database before etcd refuses writes over it. */
export function sizeProblems(
  { url, file, inUse }: DatabaseSize,
  quotaBytes: number,
): StorageProblem[] {
  const free = Math.max(0, file - inUse);
  const isFragmented = free >= leastFreeBytes && free >= file * fragmented;
  const defragment = `"etcdctl defrag --endpoints=${url}" gives back ${sizeText(free)} (it stops the member meanwhile: one at a time, the leader last)`;
  if (file >= quotaBytes * nearQuota) {
    const mend = isFragmented
      ? defragment
      : `delete what is not needed, wait ten minutes for the compaction and defragment, or raise --quota-backend-bytes of etcd and etcd.quotaBytes here`;
    const message = `the database of ${url} has ${sizeText(file)} of a quota of ${sizeText(quotaBytes)}, at which etcd takes no writes: ${mend}`;
    return [{ severity: 'warning', reason: 'NearQuota', message }];
  }
  if (!isFragmented) return [];
  const message = `the database of ${url} has ${sizeText(file)}, of which ${sizeText(inUse)} are in use: ${defragment}`;
  return [{ severity: 'warning', reason: 'Fragmented', message }];
}

function sizeText(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

/** What operators must know about the cluster, asked of every endpoint. */
export async function etcdProblems(
  client: EtcdClient,
  quotaBytes: number,
): Promise<StorageProblem[]> {
  const members = await Promise.all(
    client.endpoints.map(async ({ url, etcd }) => {
      try {
        const status = await etcd.maintenance.status(client.deadline(client.requestTimeoutMs));
        const size = { url, file: Number(status.dbSize), inUse: Number(status.dbSizeInUse) };
        return { url, version: status.version, size };
      } catch (error) {
        return { url, error: storageErrorOf(error) };
      }
    }),
  );
  const problems: StorageProblem[] = [];
  const reachable = members.filter((member) => 'version' in member);
  for (const member of members) {
    if ('error' in member) {
      problems.push({
        severity: reachable.length === 0 ? 'fatal' : 'warning',
        reason: 'Unreachable',
        message: `${member.url} does not answer: ${member.error.message}`,
      });
      continue;
    }
    if (hasWatchBugs(member.version)) {
      problems.push({
        severity: 'warning',
        reason: 'OldVersion',
        message: `${member.url} runs etcd ${member.version}, whose watches may lose or repeat events; run 3.4.36, 3.5.33 or newer`,
      });
    }
    problems.push(...sizeProblems(member.size, quotaBytes));
  }
  return reachable.length === 0 ? problems : [...problems, ...(await alarms(client))];
}

async function alarms(client: EtcdClient): Promise<StorageProblem[]> {
  try {
    const response = await client.read((etcd, options) =>
      etcd.maintenance.alarm({ action: AlarmAction.Get }, options),
    );
    return response.alarms.map(({ alarm, memberID }) => problemOf(alarm, memberID));
  } catch (error) {
    const message = `the alarms of etcd cannot be read: ${storageErrorOf(error).message}`;
    return [{ severity: 'warning', reason: 'Unreachable', message }];
  }
}

function problemOf(alarm: string, member: string): StorageProblem {
  if (alarm.toUpperCase() === 'NOSPACE') {
    return {
      severity: 'fatal',
      reason: 'NoSpace',
      message: `etcd member ${member} is over its quota and refuses writes: nothing is launched or acknowledged. Raise --quota-backend-bytes or free space ("etcdctl compact", then "etcdctl defrag" for each member), then "etcdctl alarm disarm"`,
    };
  }
  return {
    severity: 'fatal',
    reason: 'Corrupt',
    message: `etcd member ${member} raised the alarm ${alarm}: its data differs from the other members'. Stop it, remove it with "etcdctl member remove", and add it anew with an empty data directory; then "etcdctl alarm disarm"`,
  };
}
