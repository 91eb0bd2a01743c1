// How often fast-check tries a law. A check tries it as often as the test says; before a change lands there is time for more.
const TIMES = Number(process.env["SKERRY_LAW_TIMES"] ?? 1);

export const runs = (quick: number): { readonly numRuns: number } => ({ numRuns: quick * TIMES });
