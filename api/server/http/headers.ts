import type { LeaseFence } from '../../client/transport.ts';
import { badRequest } from '../errors.ts';
import { dnsSubdomainErrors } from '../registry/names.ts';

/** Header that fences a leader's write: `<namespace>/<name>;<epoch>`. */
export const fenceHeader = 'mesocosm-fence';

/** The fence of a request. Throws 400: a fence that is not understood must never be ignored. */
export function parseFence(value: string | undefined): LeaseFence | undefined {
  if (value === undefined) return undefined;
  const found = /^\s*([^/;]+)\/([^/;]+);\s*(\d{1,15})\s*$/.exec(value);
  const [, namespace = '', name = '', epoch = ''] = found ?? [];
  const wrong = [...dnsSubdomainErrors(namespace), ...dnsSubdomainErrors(name)];
  if (found === null || wrong.length > 0) {
    throw badRequest(
      `header Mesocosm-Fence: ${JSON.stringify(value)} is not of the form <namespace>/<name>;<epoch>`,
    );
  }
  return { namespace, name, epoch: Number(epoch) };
}

/** RFC 7234 5.5, as client-go reads it. */
export function warningHeader(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&');
  return `299 - "${printable}"`;
}

/** Whether the client takes gzip. */
export function takesGzip(acceptEncoding: string | string[] | undefined): boolean {
  const text = Array.isArray(acceptEncoding) ? acceptEncoding.join(',') : (acceptEncoding ?? '');
  return text
    .split(',')
    .some((entry) => /^\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?$/i.test(entry));
}
