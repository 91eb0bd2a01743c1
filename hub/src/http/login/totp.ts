// Codes by time (RFC 6238), as every authenticator app makes them: SHA-1, six digits, half a minute. By otpauth, loaded when it is first
// needed. And recovery codes, for who lost his phone. Secrets and codes must never be logged.
import type { SpecHash } from "@skerry/shared/model/ids.ts";
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { RECOVERY_CODES } from "../../core/user.ts";

/** As long as SHA-1's own output: what RFC 4226 recommends. */
const SECRET_BYTES = 20;
const STEP_SECONDS = 30;
/** A phone's clock may be half a minute off, and a person slow. */
const WINDOW = 1;
const CODE = /^[0-9]{6}$/;
/** 80 bits as 16 letters of base 32 without those that look alike (l, o, 0, 1). */
const RECOVERY_BYTES = 10;
const LETTERS = "abcdefghijkmnpqrstuvwxyz23456789";

const SETTINGS = { algorithm: "SHA1", digits: 6, period: STEP_SECONDS } as const;

/** Base 32, as it is typed into an app. */
export async function freshTotpSecret(random: Random): Promise<string> {
  const { Secret } = await import("otpauth");
  return new Secret({ buffer: new Uint8Array(Buffer.from(random.hex(SECRET_BYTES), "hex")).buffer }).base32;
}

/** "otpauth://totp/…": what an app reads from a picture, or takes as a link. */
export async function otpauthUri(secret: string, user: string, hub: string): Promise<string> {
  const { TOTP } = await import("otpauth");
  return new TOTP({ ...SETTINGS, secret, issuer: "Skerry", label: `${user}@${hub}` }).toString();
}

/** The step that the code is of, near to now; null: it is none of them. */
export async function stepOfCode(secret: string, code: string, wallMs: WallMillis): Promise<number | null> {
  if (!CODE.test(code)) return null;
  const { TOTP } = await import("otpauth");
  const delta = new TOTP({ ...SETTINGS, secret }).validate({ token: code, timestamp: wallMs, window: WINDOW });
  return delta === null ? null : Math.floor(wallMs / 1_000 / STEP_SECONDS) + delta;
}

/** Shown once; ten of them. */
export function freshRecoveryCodes(random: Random): string[] {
  return Array.from({ length: RECOVERY_CODES }, () => recoveryCode(random.hex(RECOVERY_BYTES)));
}

/** Five bits a letter. */
function recoveryCode(hex: string): string {
  const bits = [...hex].map((digit) => Number.parseInt(digit, 16).toString(2).padStart(4, "0")).join("");
  const letters = (bits.match(/.{5}/g) ?? []).map((five) => LETTERS[Number.parseInt(five, 2)] ?? "").join("");
  return (letters.match(/.{4}/g) ?? []).join("-");
}

/** null: not of that form. A SHA-256, once: 80 random bits cannot be tried through, and no hash need make that slower. */
export function recoveryHash(typed: string): SpecHash | null {
  const plain = typed.toLowerCase().replaceAll(/[\s-]/g, "");
  // 64 hex digits is what the brand says.
  return /^[a-z0-9]{16}$/.test(plain) ? (sha256Hex(`skerry recovery ${plain}`) as SpecHash) : null;
}
