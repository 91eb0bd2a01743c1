// Fit: whether an image finds room on the engine's disk, from what a registry or a pull says of its size. Pure.
import { diskReserveBytes } from "./conditions.ts";

const MEBIBYTE = 1_048_576;
/** Archives of programs unpack to two to two and a half times their size, and the archive itself is there until they have. */
const UNPACKED = 3;
/** A pull may go into the reserve by half: an update that frees a full disk must still be possible. */
const OF_RESERVE = 0.5;

export interface Room {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** `sentBytes`: of the layers that are not there yet, as they are sent. null: it fits. */
export function misfit(image: string, sentBytes: number, { freeBytes, totalBytes }: Room): string | null {
  const keepBytes = Math.floor(diskReserveBytes(totalBytes) * OF_RESERVE);
  const needBytes = sentBytes * UNPACKED;
  if (sentBytes === 0 || needBytes <= freeBytes - keepBytes) return null;
  return (
    `${image} does not fit: ${megabytes(sentBytes)} to fetch need about ${megabytes(needBytes)} on the engine's disk, where ` +
    `${megabytes(freeBytes)} of ${megabytes(totalBytes)} are free and ${megabytes(keepBytes)} are kept back; remove unused images or ` +
    "files there, or use a smaller image"
  );
}

/** Layers that are there already cost nothing. */
export function sentBytes(
  layers: readonly { readonly id: string | null; readonly bytes: number }[],
  there: ReadonlySet<string>,
): number {
  return layers.reduce((sum, { id, bytes }) => (id !== null && there.has(id) ? sum : sum + bytes), 0);
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / MEBIBYTE)} MB`;
