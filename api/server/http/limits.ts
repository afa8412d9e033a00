/** Every bound of the HTTPS server, in bytes and milliseconds. */
export const limits = {
  /** Request line and headers. */
  headerBytes: 64 * 1024,
  headers: 200,
  /** Body of a request; Kubernetes' own bound. */
  bodyBytes: 3 * 1024 * 1024,
  /** For TLS to be set up, headers to arrive, and the whole request to arrive. */
  handshakeMs: 10_000,
  headersMs: 20_000,
  requestMs: 60_000,
  /** client-go re-uses idle connections for about 90 s: closing earlier loses its next request. */
  keepAliveMs: 180_000,
  connections: 10_000,
  /** A client that takes nothing for this long is cut off. */
  stalledMs: 30_000,
  /** Answers above this are gzipped for clients that take it. */
  gzipFrom: 128 * 1024,
  /** Serialising pauses for other work after this much. */
  sliceBytes: 512 * 1024,
  /** A watch writes at the latest when so much is waiting. */
  watchFlushBytes: 64 * 1024,
  /** Between refusing what is no HTTP and cutting the connection. */
  lingerMs: 500,
  /** For requests to finish when the server stops. */
  stopMs: 5_000,
} as const;
