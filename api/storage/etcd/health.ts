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

/** What operators must know about the cluster, asked of every endpoint. */
export async function etcdProblems(client: EtcdClient): Promise<StorageProblem[]> {
  const members = await Promise.all(
    client.endpoints.map(async ({ url, etcd }) => {
      try {
        const status = await etcd.maintenance.status(client.deadline(client.requestTimeoutMs));
        return { url, version: status.version };
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
    } else if (hasWatchBugs(member.version)) {
      problems.push({
        severity: 'warning',
        reason: 'OldVersion',
        message: `${member.url} runs etcd ${member.version}, whose watches may lose or repeat events; run 3.4.36, 3.5.33 or newer`,
      });
    }
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
      message: `etcd member ${member} is over its quota and refuses writes: compact, defragment, then "etcdctl alarm disarm"`,
    };
  }
  return {
    severity: 'fatal',
    reason: 'Corrupt',
    message: `etcd member ${member} raised the alarm ${alarm}: its data differs from the other members'`,
  };
}
