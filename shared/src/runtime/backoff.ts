// Back-off with full jitter: the one formula for reconnects, pulls and restarts. Pure: chance is a number passed in.

export interface BackoffShape {
  readonly baseMs: number;
  readonly capMs: number;
}

/** Upper bound of the delay before attempt number `attempt` (1 = first retry): base · 2^(attempt−1), at most cap. */
export function backoffCeilingMs(shape: BackoffShape, attempt: number): number {
  const exponent = Math.min(Math.max(0, attempt - 1), 40);
  return Math.min(shape.capMs, shape.baseMs * 2 ** exponent);
}

/** Full jitter: uniform in [0, ceiling). `chance` is in [0, 1). For reconnecting, where spreading a herd is all that counts. */
export function fullJitterMs(shape: BackoffShape, attempt: number, chance: number): number {
  return Math.floor(chance * backoffCeilingMs(shape, attempt));
}

/** Half fixed, half jitter: in [ceiling/2, ceiling). For restarts, where a wait near zero would be a crash loop at full speed. */
export function equalJitterMs(shape: BackoffShape, attempt: number, chance: number): number {
  const ceiling = backoffCeilingMs(shape, attempt);
  return Math.floor(ceiling / 2 + (chance * ceiling) / 2);
}
