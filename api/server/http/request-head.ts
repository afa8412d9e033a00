import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../../machinery/clock.ts';
import { ApiError } from '../../machinery/errors.ts';
import type { Authentication } from '../authentication/authentication.ts';
import { impersonationOf } from '../authentication/impersonation.ts';
import type { Remote, ServerRequest } from '../request.ts';
import { fenceHeader, parseFence } from './headers.ts';
import { CertificateUsers } from './identity.ts';
import { limits } from './limits.ts';
import type { Incoming } from './message.ts';

/** A request without its body: what plain requests and upgrades have in common. */
export type RequestHead = Omit<ServerRequest, 'body' | 'signal'> & { remote: Remote };

export interface RequestHeadsOptions {
  authentication: Authentication;
  clock: Clock;
  /** Somebody whom we know has asked for something over this connection. */
  onKnown?: (socket: Socket) => void;
}

/** Longest Audit-ID that is taken from a client. */
const auditIdBound = 64;

/** Reads heads, and finds out who sent them. */
export class RequestHeads {
  readonly #options: RequestHeadsOptions;
  readonly #certificates = new CertificateUsers();

  constructor(options: RequestHeadsOptions) {
    this.#options = options;
  }

  /** What a request says of itself, without a look at who sent it. */
  plain({ headers, method = '', url = '/', socket }: Incoming): RequestHead {
    const queryAt = url.indexOf('?');
    const auditId = headers['audit-id'];
    return {
      method: method === 'HEAD' ? 'GET' : method,
      path: queryAt < 0 ? url : url.slice(0, queryAt),
      query: new URLSearchParams(queryAt < 0 ? '' : url.slice(queryAt + 1)),
      user: undefined,
      accept: headers.accept,
      contentType: headers['content-type'],
      ifNoneMatch: headers['if-none-match'],
      userAgent: headers['user-agent'],
      fence: undefined,
      remote: {
        address: socket.remoteAddress ?? '',
        auditId: typeof auditId === 'string' && isAuditId(auditId) ? auditId : undefined,
        impersonation: undefined,
      },
    };
  }

  /** Who sent it, and what else counts. Throws ApiError 400 for headers that make no sense, and what the store throws. */
  async read(request: Incoming, plain: RequestHead): Promise<RequestHead> {
    const { headers, rawHeaders, socket } = request;
    const { authentication, clock } = this.#options;
    // Node drops those beyond the bound in silence, and one of them may say on whose behalf this is.
    if (rawHeaders.length >= 2 * limits.headers) {
      throw new ApiError(
        'BadRequest',
        `the request has too many headers: fewer than ${limits.headers} are read`,
      );
    }
    const certificate =
      socket instanceof TLSSocket ? this.#certificates.userOf(socket, clock.now()) : undefined;
    const { authorization } = headers;
    const user = await authentication.identify({ certificate, authorization });
    if (user !== undefined) this.#options.onKnown?.(socket);
    const fence = parseFence(single(headers[fenceHeader]));
    const impersonation = impersonationOf(rawHeaders);
    return { ...plain, user, fence, remote: { ...plain.remote, impersonation } };
  }
}

function isAuditId(text: string): boolean {
  return text.length <= auditIdBound && /^[\x21-\x7e]+$/.test(text);
}

function single(value: string | string[] | undefined): string | undefined {
  if (!Array.isArray(value)) return value;
  if (value.length > 1) throw new ApiError('BadRequest', 'a header is given twice');
  return value[0];
}
