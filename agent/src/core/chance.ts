// Chance as data: one seed per process gives every key its own fixed number, so that planning twice gives the same plan. Pure.

/** FNV-1a, 32 bits: spreads short keys well enough for jitter. Never for secrets. */
export function chanceFrom(seed: number, key: string): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let index = 0; index < key.length; index += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193) >>> 0;
  }
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  return (mixed ^ (mixed >>> 13)) >>> 0 === 0 ? 0 : ((mixed ^ (mixed >>> 13)) >>> 0) / 4_294_967_296;
}
