// Durations in words, for reasons. Pure. One unit is enough: "3 min", not "3 min 12 s".

export function durationInWords(ms: number): string {
  const seconds = ms / 1_000;
  if (seconds < 10) return `${Math.max(0, Math.round(seconds * 10) / 10)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
