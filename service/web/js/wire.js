/** How frames are packed into messages, and where the stream is. */

const HEADER_LENGTH_BYTES = 4;

/**
 * The function returns a frame as a message: uint32 little-endian length of the header, the header as JSON, the picture or
 * the keypoints.
 *
 * @param {number} seq
 * @param {number} tMs
 * @param {ArrayBuffer} payload
 */
export function encodeFrame(seq, tMs, payload) {
  const header = new TextEncoder().encode(JSON.stringify({ seq, t_ms: tMs }));
  const message = new Uint8Array(HEADER_LENGTH_BYTES + header.length + payload.byteLength);
  new DataView(message.buffer).setUint32(0, header.length, true);
  message.set(header, HEADER_LENGTH_BYTES);
  message.set(new Uint8Array(payload), HEADER_LENGTH_BYTES + header.length);
  return message;
}

/**
 * The function returns where the stream lives, seen from a page that may itself live below a path.
 *
 * @param {string} base the address of the page
 */
export function streamUrl(base) {
  const url = new URL("v1/stream", base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
