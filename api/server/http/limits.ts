/** Every bound of the HTTPS server, in bytes and milliseconds. */
export const limits = {
  /** Request line and headers. */
  headerBytes: 64 * 1024,
  headers: 200,
  /** Body of a request; Kubernetes' own bound. */
  bodyBytes: 3 * 1024 * 1024,
  /** Bodies of all requests together; who would go beyond is asked to come again. */
  allBodiesBytes: 256 * 1024 * 1024,
  /** For TLS to be set up, headers to arrive, and the whole request to arrive. */
  handshakeMs: 10_000,
  headersMs: 20_000,
  requestMs: 60_000,
  /** client-go re-uses idle connections for about 90 s: closing earlier loses its next request. */
  keepAliveMs: 180_000,
  /** Of all clients, and of one address, which all have who come through the same proxy. */
  connections: { all: 10_000, perAddress: 5_000 },
  /** Requests of one connection of HTTP/1.1 that wait for their turn; whoever sends more is cut off. */
  pipelined: 64,
  /** Requests at a time on one connection of HTTP/2; Kubernetes' own bound. Go dials again for more. */
  streams: 250,
  /** What one connection of HTTP/2 may have waiting to be sent when it opens another stream. */
  sessionMebibytes: 64,
  /**
   * Between two pings of a connection of HTTP/2 that is quiet, and between two looks at whether it is; whoever
   * does not answer within `stalledMs` is cut off.
   */
  pingMs: 60_000,
  glanceMs: 10_000,
  /**
   * Requests of one connection of HTTP/2 that are given up before they are answered. Fewer than what
   * nghttp2 takes of resets (1,000 and 33 a second): it tells the other end, and nobody here.
   */
  brokenStreams: { burst: 500, perSecond: 30 },
  /** What is longer is sent in chunks, and gzipped for clients that take it; Kubernetes' own bound. */
  chunkBytes: 128 * 1024,
  /** A client that takes less than a chunk in this time is cut off, so that nothing is kept for it. */
  stalledMs: 30_000,
  /** A client that keeps a long answer waiting for so long in all takes its seat from it. */
  seatedMs: 5_000,
  /** What a long answer counts that goes on without a seat: what it has made, and keeps of what it is made of. */
  longAnswerBytes: 512 * 1024,
  /** Making a long answer pauses for other work after this much. */
  sliceMs: 10,
  /**
   * A watch writes at the latest when so much is waiting. A watcher costs no more than this, one event
   * (1.5 MiB at most) and what its socket holds of the last write: it reads from the events that the cache
   * keeps for all, and is told 410 when those that it has not read are dropped.
   */
  watchFlushBytes: 64 * 1024,
  /** Between refusing what is no HTTP, or not worth reading, and cutting the connection. */
  lingerMs: 500,
  /** What is taken in of a refused request meanwhile. */
  drainBytes: 8 * 1024 * 1024,
  /** For requests to finish when the server stops. */
  stopMs: 5_000,
} as const;
