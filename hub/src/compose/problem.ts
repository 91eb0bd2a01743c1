// What is wrong, or worth knowing, in a Compose file: in plain words, with the place in the file.
// It must never hold a variable's value: a problem may be shown, logged and stored, and variables carry passwords.

export type ProblemCode =
  | "yaml-invalid"
  | "limit-exceeded"
  | "variable-invalid"
  | "variable-required"
  | "variable-unset"
  | "key-unknown"
  | "key-refused"
  | "key-without-effect"
  | "key-missing"
  | "value-invalid"
  | "value-refused"
  | "value-changed"
  | "reference-unknown"
  | "file-missing"
  | "conflict";

export interface Problem {
  readonly code: ProblemCode;
  /** What is wrong, and with what. */
  readonly message: string;
  /** What to do next; "" when the message says it. */
  readonly hint: string;
  /** `services.web.ports[0]`; "" for the file as a whole. */
  readonly path: string;
  /** From 1; null when there is no place to point at. */
  readonly line: number | null;
  readonly column: number | null;
}
