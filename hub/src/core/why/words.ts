// Words for amounts, as every reason uses them: one unit is enough ("3 min", not "3 min 12 s"). Pure.

export function durationInWords(ms: number): string {
  const seconds = ms / 1_000;
  if (seconds < 10) return `${Math.max(0, Math.round(seconds * 10) / 10)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

const MEBIBYTE = 1_048_576;

/** Rounded up: what is missing must not read as nothing. */
export const megabytes = (bytes: number): string => `${Math.ceil(bytes / MEBIBYTE)} MB`;

/** "3.4" for small amounts: a pull's rate over a slow link. */
export function megabytesExactly(bytes: number): string {
  const size = bytes / MEBIBYTE;
  return `${size < 10 ? Math.round(size * 10) / 10 : Math.round(size)} MB`;
}

/** "1.2 MB/s", and "40 KB/s" over a far-out link. */
export const rateText = (bytesPerSecond: number): string =>
  bytesPerSecond < MEBIBYTE ? `${Math.ceil(bytesPerSecond / 1_024)} KB/s` : `${megabytesExactly(bytesPerSecond)}/s`;

export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** "a", "a and b", "a, b and 3 more". */
export function listed(names: readonly string[], most = 3): string {
  if (names.length > most) return `${names.slice(0, most).join(", ")} and ${names.length - most} more`;
  return names.length < 2 ? (names[0] ?? "nobody") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** A sentence may end in what somebody else wrote: not with two full stops. */
export const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);
