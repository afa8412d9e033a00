import type { Status } from '../../machinery/errors.ts';
import type { AuditLevel } from './policy.ts';

/** Who, as audit.k8s.io/v1 writes it. */
export interface AuditUser {
  username?: string;
  uid?: string;
  groups?: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

/** audit.k8s.io/v1 Event, as far as we know its fields. */
export interface AuditEvent {
  kind: 'Event';
  apiVersion: 'audit.k8s.io/v1';
  level: Exclude<AuditLevel, 'None'>;
  auditID: string;
  /** ResponseStarted: of what lasts, such as watches, when it began. */
  stage: 'ResponseStarted' | 'ResponseComplete';
  requestURI: string;
  verb: string;
  /** Without a name: the request brought nothing that counts. */
  user: AuditUser;
  impersonatedUser?: AuditUser;
  sourceIPs?: readonly string[];
  userAgent?: string;
  objectRef?: {
    resource: string;
    namespace?: string;
    name?: string;
    uid?: string;
    apiGroup?: string;
    apiVersion: string;
    subresource?: string;
  };
  responseStatus: Partial<Pick<Status, 'status' | 'message' | 'reason' | 'details'>> & {
    metadata: object;
    code: number;
  };
  requestObject?: unknown;
  /** With microseconds. */
  requestReceivedTimestamp: string;
  stageTimestamp: string;
  annotations?: Readonly<Record<string, string>>;
}
