import type { ContainerID } from '../../../../proto/mesos/generated/messages.ts';
import { text, type ApiAnswer } from '../../http/messages.ts';
import { containerName } from './containers.ts';

export const recordio = 'application/recordio';

export function noSwitchboard(): ApiAnswer {
  return text(500, 'I/O switchboard server was disabled for this container');
}

export function cannotBeFound(id: ContainerID): ApiAnswer {
  return text(404, `Container ${containerName(id)} cannot be found`);
}
