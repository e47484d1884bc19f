// Written by `python -m service.typescript`; do not edit.

export const SUBPROTOCOL = "glosscast.v1";

/** Why the server closes a stream. */
export const CloseCode = Object.freeze({
  /** The client said stop; everything was read. */
  DONE: 1000,
  /** The service is shutting down. */
  SHUTTING_DOWN: 1001,
  /** A message was larger than max_frame_bytes. */
  TOO_BIG: 1009,
  /** Something went wrong in the service. */
  INTERNAL: 1011,
  /** The service has no place or no tracker free, or the client does not read what it is sent. */
  OVERLOADED: 1013,
  /** The client does not keep to the protocol; the error before says how. */
  BAD_MESSAGE: 4000,
  /** There is no key or token, or none that may open streams; the error before says which. */
  NOT_AUTHENTICATED: 4001,
  /** The session lasted as long as a session may, or there is none to resume. */
  EXPIRED: 4008,
  /** The session goes on over another connection. */
  RESUMED: 4009,
  /** The key has as many streams open as it may have, or asks too often. */
  TOO_MANY_STREAMS: 4029,
  /** Nothing was received for too long. */
  IDLE: 4031,
});
