// A moment as people and Docker write it. Not by toISOString: its first call makes Node look for the machine's time zone, and 0.8 MB of
// tables stay in an agent's memory. It must give the same text for every year from 0 to 9999.

/** `wallMs`: since 1970 in UTC. "2026-11-21T09:05:03.007Z". */
export function isoTime(wallMs: number): string {
  const at = new Date(wallMs);
  const date = [digits(at.getUTCFullYear(), 4), digits(at.getUTCMonth() + 1, 2), digits(at.getUTCDate(), 2)];
  const time = [digits(at.getUTCHours(), 2), digits(at.getUTCMinutes(), 2), digits(at.getUTCSeconds(), 2)];
  return `${date.join("-")}T${time.join(":")}.${digits(at.getUTCMilliseconds(), 3)}Z`;
}

const digits = (value: number, count: number): string => String(value).padStart(count, "0");
