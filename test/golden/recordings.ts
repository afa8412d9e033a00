import { readFileSync, readdirSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import type { Format, MessageName } from '../../proto/mesos/codec.ts';
import { RecordDecoder } from '../../proto/mesos/recordio.ts';

/** A body is text or base64; a streamed one is the RecordIO without HTTP's chunking. */
const body = z.union([
  z.strictObject({ text: z.string() }),
  z.strictObject({ base64: z.string() }),
]);

const exchange = z.strictObject({
  name: z.string(),
  req: z.strictObject({
    method: z.string(),
    /** 5050 and 5052 are masters, 5051 is the agent. */
    port: z.number(),
    path: z.string(),
    raw_head: z.string(),
    /** Milliseconds since the scenario's start, here and below. */
    t_ms: z.number(),
    body,
  }),
  res: z.strictObject({
    status: z.number().optional(),
    reason: z.string().optional(),
    http: z.string().optional(),
    raw_headers: z.array(z.string()).optional(),
    t_ms: z.number(),
    /** When each chunk arrived, and how long it was. */
    chunks: z.array(z.tuple([z.number(), z.number()])).optional(),
    end: z.string().optional(),
    end_t_ms: z.number().optional(),
    error: z.string().optional(),
    body,
  }),
});

const recording = z.strictObject({
  format: z.enum(['json', 'protobuf']),
  scenario: z.string(),
  exchanges: z.array(exchange),
  /** Events (`ev`), calls, and what was done from outside. */
  timeline: z.array(z.strictObject({ t: z.number(), k: z.string(), v: z.unknown() })),
  /** Files kept beside the exchanges, by name. */
  other: z.record(z.string(), z.unknown()).optional(),
});

export type Recording = z.infer<typeof recording>;
export type Exchange = z.infer<typeof exchange>;

const folder = new URL('data/mesos/', import.meta.url);

export function scenarios(format: Format): string[] {
  const names = readdirSync(new URL(`${format}/`, folder));
  return names.map((name) => name.replace(/\.json\.gz$/, '')).sort();
}

export function loadRecording(format: Format, scenario: string): Recording {
  const packed = readFileSync(new URL(`${format}/${scenario}.json.gz`, folder));
  return recording.parse(JSON.parse(gunzipSync(packed).toString('utf8')));
}

export function bodyBytes(content: z.infer<typeof body>): Buffer {
  return 'text' in content ? Buffer.from(content.text) : Buffer.from(content.base64, 'base64');
}

/** A response header by its name in any case. */
export function responseHeader(response: Exchange['res'], name: string): string | undefined {
  const headers = response.raw_headers ?? [];
  const index = headers.findIndex((text, at) => at % 2 === 0 && text.toLowerCase() === name);
  return index < 0 ? undefined : headers[index + 1];
}

/** True if the response is a RecordIO stream. */
export function isStream({ name, res }: Exchange): boolean {
  const type = responseHeader(res, 'content-type') ?? '';
  const subscribed = responseHeader(res, 'mesos-stream-id') ?? /SUBSCRIBE/.exec(name)?.[0];
  return res.status === 200 && (subscribed !== undefined || type.endsWith('recordio'));
}

/** One message on the wire, and what kind of message its place says it is. */
export interface Frame {
  readonly where: string;
  readonly direction: 'request' | 'response';
  readonly message: MessageName;
  readonly bytes: Uint8Array;
}

/** Every message of a recording's v1 exchanges, in order. */
export function framesOf({ format, scenario, exchanges }: Recording): Frame[] {
  const frames: Frame[] = [];
  for (const item of exchanges) {
    const { req, res } = item;
    if (req.method !== 'POST' || !req.path.startsWith('/api/v1')) continue;
    const where = `${format}/${scenario}/${item.name}`;
    const api = req.path.endsWith('scheduler') ? 'scheduler' : operatorApi(req.port);
    const sent = bodyBytes(req.body);
    const streamed = /content-type: *application\/recordio/i.test(req.raw_head);
    for (const bytes of streamed ? recordsOf(sent) : [sent]) {
      frames.push({ where, direction: 'request', message: `mesos.v1.${api}.Call`, bytes });
    }
    const answered = bodyBytes(res.body);
    if (res.status !== 200 || answered.length === 0) continue;
    const message = responseMessage(api, isStream(item));
    for (const bytes of isStream(item) ? recordsOf(answered) : [answered]) {
      frames.push({ where, direction: 'response', message, bytes });
    }
  }
  return frames;
}

function operatorApi(port: number): 'agent' | 'master' {
  return port === 5051 ? 'agent' : 'master';
}

function responseMessage(api: 'scheduler' | 'agent' | 'master', stream: boolean): MessageName {
  if (api === 'scheduler') return 'mesos.v1.scheduler.Event';
  if (!stream) return `mesos.v1.${api}.Response`;
  return api === 'agent' ? 'mesos.v1.agent.ProcessIO' : 'mesos.v1.master.Event';
}

/** The records of a stream; one that was cut in the middle of a record gives those before. */
export function recordsOf(stream: Uint8Array): Uint8Array[] {
  const decoder = new RecordDecoder();
  const records = decoder.push(stream);
  if (decoder.failure !== undefined) throw decoder.failure;
  return records;
}
