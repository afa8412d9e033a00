import { microTimestamp, type Clock } from '../../machinery/clock.ts';
import { isObject } from '../../machinery/json.ts';
import type { Resource } from '../../machinery/resource.ts';
import type { Decision } from '../authorizer.ts';
import type { User } from '../registry/context.ts';
import type { RequestInfo } from '../request-info.ts';
import type { Answer, ServerRequest } from '../request.ts';
import type { AuditEvent, AuditUser } from './event.ts';
import { auditLevel, type AuditLevel, type AuditRule } from './policy.ts';

export interface AuditorOptions {
  rules: readonly AuditRule[];
  record: (event: AuditEvent) => void;
  clock: Clock;
}

/** Writes down who did what, on whose behalf, when, and how it ended. */
export class Auditor {
  readonly #options: AuditorOptions;

  constructor(options: AuditorOptions) {
    this.#options = options;
  }

  /** The trail of a request that is about to be handled; undefined: none is kept. */
  begin(
    id: string,
    request: ServerRequest,
    about: { verb: string; info: RequestInfo | undefined; resource: Resource | undefined },
  ): AuditTrail | undefined {
    const { user, path } = request;
    const { verb, info, resource } = about;
    const level = auditLevel({ user, verb, info, path }, this.#options.rules);
    if (level === 'None') return undefined;
    const secret = isConfidential(info, resource);
    return new AuditTrail(this.#options, {
      id,
      request,
      verb,
      info,
      level: secret ? 'Metadata' : level,
      confidential: secret,
    });
  }
}

/** Groups whose requests have tokens and names of others in them. */
const reviewGroups = new Set(['authentication.k8s.io', 'authorization.k8s.io']);

/** Whether what is sent or answered may hold a secret. */
function isConfidential(info: RequestInfo | undefined, resource: Resource | undefined): boolean {
  if (info?.kind !== 'resource') return false;
  const token = info.plural === 'serviceaccounts' && info.subresource === 'token';
  return resource?.confidential === true || reviewGroups.has(info.group) || token;
}

interface Subject {
  id: string;
  request: ServerRequest;
  verb: string;
  info: RequestInfo | undefined;
  level: Exclude<AuditLevel, 'None'>;
  confidential: boolean;
}

/** What is found out about one request on its way, and the events that come of it. */
export class AuditTrail {
  readonly #options: AuditorOptions;
  readonly #subject: Subject;
  readonly #received: string;
  #impersonated: User | undefined;
  #decision: Decision | undefined;
  #sent: unknown;

  constructor(options: AuditorOptions, subject: Subject) {
    this.#options = options;
    this.#subject = subject;
    this.#received = microTimestamp(options.clock);
  }

  /** Somebody else is acted for. */
  impersonates(user: User): void {
    this.#impersonated = user;
  }

  /** A refusal is not covered up by what is allowed besides. */
  decided(decision: Decision): void {
    if (this.#decision?.allowed !== false) this.#decision = decision;
  }

  /** The same request, whose body is remembered if the level wants it. */
  listening<T extends ServerRequest>(request: T): T {
    if (this.#subject.level !== 'Request') return request;
    return {
      ...request,
      body: (format) => {
        const value = request.body(format);
        this.#sent = value;
        return value;
      },
    };
  }

  /** Records the answer; what lasts is recorded when it begins and when it ends. */
  answered(answer: Answer): Answer {
    switch (answer.kind) {
      case 'value':
      case 'list':
      case 'bytes':
        this.#record('ResponseComplete', answer);
        return answer;
      case 'watch':
        return { ...answer, frames: untilEnd(answer.frames, this.#lasting(answer)) };
      case 'stream':
      case 'connect':
        this.#lasting(answer);
        return answer;
    }
  }

  /** Records the beginning, and the end when whoever asked has gone or when the result is called. */
  #lasting(answer: Answer): () => void {
    this.#record('ResponseStarted', answer);
    const { signal } = this.#subject.request;
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      signal.removeEventListener('abort', end);
      this.#record('ResponseComplete', answer);
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    return end;
  }

  #record(stage: AuditEvent['stage'], answer: Answer): void {
    const { id, request, verb, level } = this.#subject;
    const { remote, userAgent } = request;
    const query = request.query.toString();
    this.#options.record({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level,
      auditID: id,
      stage,
      requestURI: query === '' ? request.path : `${request.path}?${query}`,
      verb,
      user: auditUser(request.user),
      ...(this.#impersonated === undefined
        ? {}
        : { impersonatedUser: auditUser(this.#impersonated) }),
      ...(remote === undefined ? {} : { sourceIPs: [remote.address] }),
      ...(userAgent === undefined ? {} : { userAgent }),
      ...this.#objectRef(answer),
      responseStatus: this.#status(answer),
      ...(this.#sent === undefined ? {} : { requestObject: this.#sent }),
      requestReceivedTimestamp: this.#received,
      stageTimestamp: microTimestamp(this.#options.clock),
      ...this.#annotations(),
    });
  }

  #objectRef(answer: Answer): Pick<AuditEvent, 'objectRef'> {
    const { info } = this.#subject;
    if (info?.kind !== 'resource') return {};
    const { group, version, plural, namespace, subresource } = info;
    const created = createdBy(answer);
    const name = info.name ?? created?.name;
    return {
      objectRef: {
        resource: plural,
        ...(namespace === undefined ? {} : { namespace }),
        ...(name === undefined ? {} : { name }),
        ...(created?.uid === undefined ? {} : { uid: created.uid }),
        ...(group === '' ? {} : { apiGroup: group }),
        apiVersion: version,
        ...(subresource === undefined ? {} : { subresource }),
      },
    };
  }

  #status(answer: Answer): AuditEvent['responseStatus'] {
    const { code } = answer;
    if (answer.kind !== 'value' || code < 400 || !isObject(answer.value)) {
      return { metadata: {}, code };
    }
    const { reason, message } = answer.value;
    return {
      metadata: {},
      status: 'Failure',
      ...(typeof reason === 'string' ? { reason } : {}),
      // A message may quote what was sent.
      ...(typeof message === 'string' && !this.#subject.confidential ? { message } : {}),
      code,
    };
  }

  #annotations(): Pick<AuditEvent, 'annotations'> {
    if (this.#decision === undefined) return {};
    const { allowed } = this.#decision;
    const reason = 'reason' in this.#decision ? this.#decision.reason : undefined;
    return {
      annotations: {
        'authorization.k8s.io/decision': allowed ? 'allow' : 'forbid',
        'authorization.k8s.io/reason': reason ?? '',
      },
    };
  }
}

function auditUser(user: User | undefined): AuditUser {
  if (user === undefined) return {};
  const { name, uid, groups, extra } = user;
  return {
    username: name,
    ...(uid === undefined ? {} : { uid }),
    groups,
    ...(extra === undefined ? {} : { extra }),
  };
}

/** Name and uid of the object that an answer brings; a generated name is known only then. */
function createdBy(answer: Answer): { name?: string; uid?: string } | undefined {
  if (answer.kind !== 'value' || answer.code >= 400 || !isObject(answer.value)) return undefined;
  const { metadata } = answer.value;
  if (!isObject(metadata)) return undefined;
  const { name, uid } = metadata;
  return {
    ...(typeof name === 'string' ? { name } : {}),
    ...(typeof uid === 'string' ? { uid } : {}),
  };
}

async function* untilEnd<T>(frames: AsyncIterable<T>, end: () => void): AsyncIterable<T> {
  try {
    yield* frames;
  } finally {
    end();
  }
}
