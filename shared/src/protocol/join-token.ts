// A join token as people carry it from the hub to a machine: `skj1.PIN.ID.SECRET`. The pin says which hub may have the secret, so that the
// machine that joins needs nothing else to tell it from an impostor. Hex throughout: nothing in it can be taken for something else.

/** In place of a pin, from a hub without TLS: good only for a hub on the same machine. */
export const PLAIN = "plain";

const JOIN_TOKEN = /^skj1\.([0-9a-f]{64}|plain)\.([0-9a-f]{8,32})\.([0-9a-f]{64})$/;

export interface JoinTokenText {
  /** null: of a hub without TLS. */
  readonly pin: string | null;
  readonly id: string;
  readonly secret: string;
}

export const writeJoinToken = ({ pin, id, secret }: JoinTokenText): string => `skj1.${pin ?? PLAIN}.${id}.${secret}`;

/** null: not a join token. */
export function readJoinToken(text: string): JoinTokenText | null {
  const [, pin, id, secret] = JOIN_TOKEN.exec(text) ?? [];
  if (pin === undefined || id === undefined || secret === undefined) return null;
  return { pin: pin === PLAIN ? null : pin, id, secret };
}
