// Choices drawn from one seeded generator. Each part of a simulated world has a generator of its own, so that a change in one
// part does not reshuffle the others.
import { type Random, seededRandom } from "@skerry/shared/runtime/random.ts";

export interface Chance {
  readonly random: Random;
  /** true with probability `p`. */
  yes(p: number): boolean;
  /** A whole number from `least` to `most`, both included. */
  int(least: number, most: number): number;
  /** Uniform in [least, most). */
  between(least: number, most: number): number;
  pick<T>(items: readonly T[]): T;
  /** Mostly near `mean`, sometimes far above. */
  exponential(mean: number): number;
}

export function createChance(seed: number, part: string): Chance {
  const random = seededRandom(mix(seed, part));
  const between = (least: number, most: number): number => least + random.next() * (most - least);
  const int = (least: number, most: number): number => Math.floor(between(least, most + 1));
  return {
    random,
    yes: (p) => random.next() < p,
    int,
    between,
    pick<T>(items: readonly T[]): T {
      const index = int(0, items.length - 1);
      const item = items[index];
      if (item === undefined && index >= items.length) throw new Error("nothing to pick from");
      // The index is within the list; an item may itself be undefined only if T allows it.
      return item as T;
    },
    exponential: (mean) => -mean * Math.log(1 - random.next()),
  };
}

/** FNV-1a over the part's name, started from the seed. */
function mix(seed: number, part: string): number {
  let hash = (seed ^ 0x811c9dc5) >>> 0;
  for (const character of part) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
}
