// Written by `python -m service.typescript`; do not edit.

/** An earlier session of the client's, of which another one goes on. */
export interface Continues {
  /** `session` of its `started` */
  session: string;
  /** `token` of its `started` */
  token: string;
}

/** The client's first message. */
export interface StartMessage {
  type: "start";
  /** what binary messages carry: pictures, or keypoints of the bundle's layout */
  input: "frames" | "keypoints";
  /** whether results inside a sign are wanted */
  interim?: boolean;
  /** glosses in a final: the best and top_k - 1 alternatives */
  top_k?: number;
  /** whether `landmarks` messages are wanted (input frames only) */
  landmarks?: boolean;
  /** frame width / height (input keypoints only; pictures have their own) */
  aspect?: number;
  /** name of the lexicon to read with, and to teach; null for none */
  lexicon?: string | null;
  /** an earlier session whose viewers go on with this one; one that is not known any more is left out, and `view` of `started` is then new */
  continues?: Continues | null;
}

/** The client's first message on a new connection, to go on with a session whose connection broke. */
export interface ResumeMessage {
  type: "resume";
  /** `session` of `started` */
  session: string;
  /** `token` of `started` */
  token: string;
  /** segment of the last `final` that was received, null where there was none */
  last_segment?: number | null;
}

/** Close the sign, or the utterance, that is under way now; the stream goes on. */
export interface FinalizeMessage {
  type: "finalize";
}

/**
 * Make the next signs examples of a gloss, until `teach_done` or another `teach`; for keys that may teach.
 *
 * Sent again with the same gloss it changes nothing, so a client may repeat it when it is not sure that it arrived.
 */
export interface TeachMessage {
  type: "teach";
  /** name of the sign, new or known, at most 64 characters */
  gloss: string;
  /** sign language, as the user calls it; empty leaves it as it is */
  language?: string;
}

/** The next signs are no examples any more; a sign that is under way is none. */
export interface TeachDoneMessage {
  type: "teach_done";
}

/** The client is still there, with nothing to send. */
export interface KeepaliveMessage {
  type: "keepalive";
}

/** No more frames will come: read those that wait, close the sign that is under way, say `ended`. */
export interface StopMessage {
  type: "stop";
}

/** The options in effect for a stream. */
export interface Config {
  /** as in `start` */
  input: "frames" | "keypoints";
  /** as in `start` */
  interim: boolean;
  /** as in `start`, and at most the size of the vocabulary where there is no lexicon, which may grow */
  top_k: number;
  /** as in `start` */
  landmarks: boolean;
  /** as in `start`; null for input frames */
  aspect: number | null;
  /** as in `start` */
  lexicon: string | null;
}

/** The limits of a stream. */
export interface Limits {
  /** largest number of frames per second; frames above it are dropped */
  max_fps: number;
  /** largest size of a binary message, bytes; a larger one ends the stream */
  max_frame_bytes: number;
  /** seconds within which a session whose connection broke can be resumed */
  resume_s: number;
}

/** What others need to read the captions of a session, and nothing else. */
export interface View {
  /** id for the address: of the session, or of the first one that this one goes on from */
  session: string;
  /** viewing token: it can neither resume, teach nor end the session */
  token: string;
}

/** The stream is set up, or goes on; frames may come. */
export interface StartedMessage {
  type: "started";
  /** random id of this session */
  session: string;
  /** secret of this session: a client that sends it may resume the session and read its captions */
  token: string;
  /** whether this answers `resume` */
  resumed: boolean;
  /** time of the last frame that was taken, null where there was none */
  last_t_ms: number | null;
  /** when the server will end it, ISO 8601, UTC */
  expires_at: string;
  /** what is in effect: what `start` requested, as far as the service grants it */
  config: Config;
  /** name and version, "asl-demo@1" */
  bundle: string;
  /** the gloss that stands for hands that sign nothing, null where there is none */
  no_sign: string | null;
  /** limits that the stream must keep within */
  limits: Limits;
  /** for viewers of the captions; null where the service has none */
  view: View | null;
}

/** A sign has begun. */
export interface SignStartedMessage {
  type: "sign_started";
  /** number of the sign: 0, 1, 2 ... within the stream */
  segment: number;
  /** time at which the sign begins; in sentences, as far as known */
  t_ms: number;
  /** number of the utterance: 0, 1, 2 ... within the stream; null where the bundle reads single signs */
  utterance: number | null;
}

/**
 * The likeliest gloss inside a sign so far; replaced by the next revision or the final. Unsent ones are left out.
 *
 * Early ones are often wrong: show the gloss of a stable one only, until another stable one or the final comes.
 */
export interface InterimMessage {
  type: "interim";
  /** number of the sign, as in `sign_started` */
  segment: number;
  /** number of the interim within the sign: 1, 2, 3 ... */
  revision: number;
  /** the most probable gloss */
  gloss: string;
  /** its probability, 0..1 */
  confidence: number;
  /** whether the revision before has the same gloss, its confidence is high enough, and a final could report it */
  stable: boolean;
  /** time at which the sign begins */
  start_ms: number;
  /** time at which the sign ends, as far as known */
  end_ms: number;
}

/** Another gloss that the sign may be. */
export interface Alternative {
  /** name of the gloss */
  gloss: string;
  /** its probability, 0..1 */
  confidence: number;
}

/** The reading of a sign; it never changes. */
export interface FinalMessage {
  type: "final";
  /** number of the sign, as in `sign_started` */
  segment: number;
  /** number of the utterance, as in `sign_started` */
  utterance: number | null;
  /** the gloss of the sign, or the no-sign class */
  gloss: string;
  /** its probability, 0..1 */
  confidence: number;
  /** why the gloss is the no-sign class: `no_sign`, it is surely none of the signs; `unsure`, it may be one, and the guess leads `alternatives`; `continued`, the sign before goes on and was reported; `example`, it was signed to teach; null where the gloss is a sign's */
  reason: "no_sign" | "unsure" | "continued" | "example" | null;
  /** time at which the sign begins */
  start_ms: number;
  /** time at which the sign ends */
  end_ms: number;
  /** the next best top_k - 1 glosses */
  alternatives: Alternative[];
  /** glosses that this one is easily taken for, whatever was signed */
  confusable_with: string[];
  /** from the arrival of what ended the sign to this message */
  latency_ms: number;
}

/** Another sign that a taught one is easily read as. */
export interface LookAlike {
  /** name of the other sign */
  gloss: string;
  /** whether it is of the lexicon; otherwise it is of the bundle */
  taught: boolean;
  /** probability that the taught sign is read as this one, 0..1 */
  risk: number;
}

/** The reason for which a sign became no example. */
export type Refusal = "no_signer" | "no_shoulders" | "no_hands" | "several_people" | "too_long" | "too_many" | "unknown_lexicon" | "disk_full" | "not_stored";

/** A sign that was signed as an example, after its `final`: stored in the lexicon, or the reason why not. */
export interface TaughtMessage {
  type: "taught";
  /** number of the sign, as in `sign_started` */
  segment: number;
  /** name of the sign, as it is stored */
  gloss: string;
  /** whether it is stored as an example */
  accepted: boolean;
  /** id of the example, null where it is not stored */
  example: string | null;
  /** number of examples that the sign has now, 0 where it is not stored */
  examples: number;
  /** mean similarity of each example to the others, -1..1; null for a single one, or where it is not stored */
  consistency: number | null;
  /** whether this example is unlike the others */
  outlier: boolean;
  /** signs that the sign is easily read as, the likeliest first */
  look_alikes: LookAlike[];
  /** what is doubtful about the example, for a person to read */
  warnings: string[];
  /** why it is not stored, see the reasons of refusals; null where it is */
  reason: Refusal | null;
  /** why it is not stored, for a person to read; null where it is */
  message: string | null;
}

/**
 * The signer's points, for an overlay; at most 8 a second.
 *
 * Points are [x, y] in 0..1 of the frame, x to the right and y down, null where unseen.
 */
export interface LandmarksMessage {
  type: "landmarks";
  /** time of the frame */
  t_ms: number;
  /** 25 upper-body points in MediaPipe's order, nose to hips */
  pose: ([number, number] | null)[];
  /** 21 points in MediaPipe's order, or null where no hand was seen */
  left_hand: [number, number][] | null;
  /** as left_hand; left and right are the signer's own */
  right_hand: [number, number][] | null;
  /** people in view, counted about once a second, 1 at most where the extractor cannot tell; the points are those of one of them */
  people: number;
}

/**
 * Frames were left out.
 *
 * They came faster than they could be read (`frames_dropped`), all streams of pictures are read at a lower rate under
 * load (`rate_lowered`), or the extractor had to be restarted (`tracker_restarted`).
 */
export interface StreamWarningMessage {
  type: "warning";
  /** why frames were left out */
  code: "frames_dropped" | "rate_lowered" | "tracker_restarted";
  /** frames since the last warning of this code */
  count: number;
}

/** The subject of an `error` message. */
export type ErrorCode = "bad_time" | "bad_keypoints" | "undecodable" | "too_large" | "out_of_memory" | "bad_message" | "unsupported_input" | "lexicons_off" | "unknown_lexicon" | "other_bundle" | "lexicon_unreadable" | "lexicon_required" | "bad_gloss" | "frame_too_big" | "not_authenticated" | "not_allowed" | "too_many_requests" | "too_many_streams" | "overloaded" | "slow_reader" | "idle" | "session_expired" | "no_session" | "resumed" | "shutting_down" | "internal";

/** Something went wrong. A retryable one leaves the stream open, or means that a new one may succeed. */
export interface ErrorMessage {
  type: "error";
  /** stable, for a program to decide by; see the error codes */
  code: ErrorCode;
  /** what happened, for a person to read */
  message: string;
  /** whether the stream goes on, or a new one may succeed */
  retryable: boolean;
  /** time to wait before a new attempt, seconds; null where it does not matter */
  retry_after_s: number | null;
}

/** The counts of a stream. */
export interface Summary {
  /** from `start` to `ended`, by the server's clock */
  duration_ms: number;
  /** number of frames received */
  frames: number;
  /** number of frames received that were left out because they came faster than they could be read */
  dropped: number;
  /** number of frames received that were left out because they could not be used */
  faulty: number;
  /** number of finals */
  signs: number;
}

/** The last message of a stream that ends in order. */
export interface EndedMessage {
  type: "ended";
  /** the stream in numbers */
  summary: Summary;
}

/** The signer is there: a session has begun, or another one of the same client goes on with its captions. */
export interface StartedEvent {
  /** id of the session */
  session: string;
  /** when the service sent it, ISO 8601, UTC */
  at: string;
  type: "started";
}

/** A sign has begun. */
export interface SignStartedEvent {
  /** id of the session */
  session: string;
  /** when the service sent it, ISO 8601, UTC */
  at: string;
  type: "sign_started";
  /** number of the sign: 0, 1, 2 ... within the session */
  segment: number;
}

/** The likeliest gloss inside a sign so far; show a stable one, until another stable one or the final comes. */
export interface InterimEvent {
  /** id of the session */
  session: string;
  /** when the service sent it, ISO 8601, UTC */
  at: string;
  type: "interim";
  /** number of the sign */
  segment: number;
  /** the most probable gloss */
  gloss: string;
  /** its probability, 0..1 */
  confidence: number;
  /** as in the message `interim` */
  stable: boolean;
}

/** The reading of a sign; it never changes and is never the no-sign class. */
export interface FinalEvent {
  /** id of the session */
  session: string;
  /** when the service sent it, ISO 8601, UTC */
  at: string;
  type: "final";
  /** number of the sign */
  segment: number;
  /** the gloss of the sign */
  gloss: string;
  /** its probability, 0..1 */
  confidence: number;
  /** the next best glosses, as many as the session asked for */
  alternatives: Alternative[];
  /** glosses that this one is easily taken for, whatever was signed */
  confusable_with: string[];
  /** when the sign began, ISO 8601, UTC */
  started_at: string;
  /** when the sign ended, ISO 8601, UTC */
  ended_at: string;
}

/** The sign under way came to nothing. */
export interface NoSignEvent {
  /** id of the session */
  session: string;
  /** when the service sent it, ISO 8601, UTC */
  at: string;
  type: "no_sign";
  /** number of the sign */
  segment: number;
}

/** The session has ended; another one may go on with its captions. */
export interface EndedEvent {
  /** id of the session */
  session: string;
  /** when the service sent it, ISO 8601, UTC */
  at: string;
  type: "ended";
}

/** One sign in the clip. */
export interface ClipSign {
  /** may be the no-sign class */
  gloss: string;
  /** 0..1 */
  confidence: number;
  /** from the clip's first frame */
  start_ms: number;
  end_ms: number;
  /** number of the utterance that it belongs to; null where the bundle reads single signs */
  utterance: number | null;
}

/** A gloss that the clip may show. */
export interface Prediction {
  /** may be the no-sign class, see `no_sign` of the bundle */
  gloss: string;
  /** 0..1 */
  confidence: number;
  /** glosses that it is easily taken for, the most similar first */
  confusable_with: string[];
}

/** The time of each step, in ms. */
export interface Timings {
  decode: number;
  keypoints: number;
  inference: number;
}

/** The reading of a clip: taken as one sign, or as sentences, by the bundle's task. */
export interface Classification {
  /** name and version */
  bundle: string;
  /** from the first to the last frame */
  duration_ms: number;
  /** frames that were looked at */
  frames: number;
  /** whether a known sign was found; where none was, `predictions` are guesses, and none of them is to be shown as what was signed */
  known: boolean;
  /** confidence, 0..1, from which a sign is reported */
  threshold: number;
  /** the gloss that stands for hands that say nothing */
  no_sign: string | null;
  /** best first; of the clip taken as one sign; empty where sentences are read */
  predictions: Prediction[];
  /** where signs were found, in order; empty where the clip was read whole */
  signs: ClipSign[];
  /** the glosses of the signs, in order, without the no-sign class */
  glosses: string[];
  /** what makes the reading doubtful; `several_people`: more than one person is in view in half of the clip or more, and the signs of one of them were read */
  warnings: "several_people"[];
  timings_ms: Timings;
}

/** The limits of `POST /v1/classify`. */
export interface ClipLimits {
  max_upload_bytes: number;
  max_clip_s: number;
}

/** The timing of a model's window; part of the bundle manifest. */
export interface ClipSpec {
  /** length of a window, ms */
  window_ms: number;
  /** frame rate of the fast pathway */
  fps: number;
  /** the slow pathway takes every alpha-th frame of the fast one */
  alpha: number;
}

/** Two glosses that the model tends to take for each other; similarity 0..1. */
export interface ConfusablePair {
  glosses: [string, string];
  similarity: number;
}

/** One gloss of the vocabulary, with its figures. */
export interface GlossEntry {
  gloss: string;
  /** signers that it was learned from */
  signers: number;
  /** share recognised on signers left out of training; null: not measured */
  accuracy: number | null;
  /** clips behind that figure */
  clips: number;
  confusable_with: string[];
  /** whether there is an example of it, see `/v1/bundle/signs/{gloss}/example` */
  example: boolean;
}

/** The keypoints that websocket clients must send, and those that the model was trained on. */
export interface KeypointLayout {
  layout: string;
  points: number;
  /** x, y, z, presence; x and y in 0..1 of the frame */
  channels: number;
  /** done by the service */
  normalisation: string;
  extractor: string;
}

/** The bundle in use, and the inputs that the service takes for it. */
export interface BundleDescription {
  name: string;
  version: string;
  task: string;
  vocabulary: GlossEntry[];
  /** the gloss that stands for hands that say nothing */
  no_sign: string | null;
  confusable: ConfusablePair[];
  /** figures of the whole bundle */
  metrics: Record<string, number>;
  clip: ClipSpec;
  keypoints: KeypointLayout;
  /** what streams may send, as `start` names it */
  inputs: ("frames" | "keypoints")[];
  limits: ClipLimits;
  /** ONNX Runtime execution providers in use, best first */
  providers: string[];
  /** in which they compute */
  precision: "fp32" | "bf16" | "int8";
}

/** A token that opens one stream. */
export interface StreamToken {
  token: string;
  /** ISO 8601, UTC; it must be used before, and can be used once */
  expires_at: string;
}

/** One lexicon. */
export interface LexiconSummary {
  name: string;
  /** number of signs */
  signs: number;
  /** of all signs */
  examples: number;
  /** name and version of the bundle that it was last taught with */
  bundle: string;
  /** ISO 8601, UTC */
  changed_at: string;
}

/** The lexicons of the key. */
export interface LexiconList {
  /** by name */
  lexicons: LexiconSummary[];
}

/** One example of a taught sign. */
export interface TaughtExample {
  /** stays as long as the example */
  id: string;
  /** of the sign in it */
  duration_ms: number;
}

/** One taught sign, and what is known of its examples. */
export interface TaughtSign {
  gloss: string;
  /** sign language, as its teacher calls it; may be empty */
  language: string;
  /** in the order in which they were taught */
  examples: TaughtExample[];
  /** how alike the examples are, -1..1; null for a single one */
  consistency: number | null;
  /** ids of examples that the others would hardly read as their sign */
  outliers: string[];
  /** signs that it is easily read as, the likeliest first */
  look_alikes: LookAlike[];
}

/** The signs of a lexicon. */
export interface TaughtSigns {
  /** in the order in which they were taught */
  signs: TaughtSign[];
}

/** A sign that has just been taught. */
export interface TeachingAnswer {
  gloss: string;
  /** sign language, as its teacher calls it; may be empty */
  language: string;
  /** in the order in which they were taught */
  examples: TaughtExample[];
  /** how alike the examples are, -1..1; null for a single one */
  consistency: number | null;
  /** ids of examples that the others would hardly read as their sign */
  outliers: string[];
  /** signs that it is easily read as, the likeliest first */
  look_alikes: LookAlike[];
  /** ids of the examples that were not there before */
  added: string[];
  /** what to look at, for a person to read */
  warnings: string[];
}

/**
 * The points of an example, for drawing a skeleton.
 *
 * Points are [x, y] in shoulder widths from the middle between the shoulders, x to the right and y down, null where
 * unseen.
 */
export interface ExampleMotion {
  /** times of the frames, from the first one */
  t_ms: number[];
  /** where the sign starts */
  start_ms: number;
  /** where it ends */
  end_ms: number;
  /** for each frame 25 upper-body points, as in `landmarks` */
  pose: (([number, number] | null)[])[];
  /** for each frame 21 points, or null where no hand was seen */
  left_hand: ([number, number][] | null)[];
  /** as left_hand; left and right are the signer's own */
  right_hand: ([number, number][] | null)[];
}

/** An RFC 9457 problem document. */
export interface Problem {
  /** where the code is explained, relative to this service */
  type: string;
  title: string;
  status: number;
  /** what happened, for a person to read */
  detail: string;
  /** stable, for a program to decide by */
  code: string;
}

export type ClientMessage = StartMessage | ResumeMessage | FinalizeMessage | TeachMessage | TeachDoneMessage | KeepaliveMessage | StopMessage;

export type ServerMessage = StartedMessage | SignStartedMessage | InterimMessage | FinalMessage | TaughtMessage | LandmarksMessage | StreamWarningMessage | ErrorMessage | EndedMessage;

export type ViewEvent = StartedEvent | SignStartedEvent | InterimEvent | FinalEvent | NoSignEvent | EndedEvent;
