import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../../machinery/clock.ts';
import { ApiError } from '../../machinery/errors.ts';
import type { Authentication } from '../authentication/authentication.ts';
import { impersonationOf } from '../authentication/impersonation.ts';
import type { ServerRequest } from '../request.ts';
import { fenceHeader, parseFence } from './headers.ts';
import { CertificateUsers } from './identity.ts';
import { limits } from './limits.ts';

/** A request without its body: what plain requests and upgrades have in common. */
export type RequestHead = Omit<ServerRequest, 'body' | 'signal'>;

export interface RequestHeadsOptions {
  authentication: Authentication;
  clock: Clock;
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

  /** Throws ApiError 400 for headers that make no sense, and what the store throws. */
  async read(request: IncomingMessage): Promise<RequestHead> {
    const { headers, method = '', url = '/', socket } = request;
    const { authentication, clock } = this.#options;
    // Node drops those beyond the bound in silence, and one of them may say on whose behalf this is.
    if (request.rawHeaders.length >= 2 * limits.headers) {
      throw new ApiError(
        'BadRequest',
        `the request has too many headers: fewer than ${limits.headers} are read`,
      );
    }
    const queryAt = url.indexOf('?');
    const certificate =
      socket instanceof TLSSocket ? this.#certificates.userOf(socket, clock.now()) : undefined;
    const auditId = single(headers['audit-id']);
    return {
      method: method === 'HEAD' ? 'GET' : method,
      path: queryAt < 0 ? url : url.slice(0, queryAt),
      query: new URLSearchParams(queryAt < 0 ? '' : url.slice(queryAt + 1)),
      user: await authentication.identify({ certificate, authorization: headers.authorization }),
      accept: headers.accept,
      contentType: headers['content-type'],
      ifNoneMatch: headers['if-none-match'],
      userAgent: headers['user-agent'],
      fence: parseFence(single(headers[fenceHeader])),
      remote: {
        address: socket.remoteAddress ?? '',
        auditId: auditId === undefined || !isAuditId(auditId) ? undefined : auditId,
        impersonation: impersonationOf(request.rawHeaders),
      },
    };
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
