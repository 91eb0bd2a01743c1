// Signatures: the published test vectors, and that anything that is not one is just not one.

import { describe, expect, test } from "vitest";
import type { PublicKey } from "../model/ids.ts";
import { isSignedBy, publicKeyOf, signText } from "./signature.ts";

// RFC 8032, 7.1: tests 1 (an empty message) and 2 (the byte 0x72, "r").
const VECTORS = [
  {
    privateKey: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    text: "",
    signature:
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  },
  {
    privateKey: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    text: "r",
    signature:
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  },
] as const;

describe("Ed25519", () => {
  test.each(VECTORS)("[L86] is the one of RFC 8032", ({ privateKey, publicKey, text, signature }) => {
    expect(publicKeyOf(privateKey)).toBe(publicKey);
    expect(signText(privateKey, text)).toBe(signature);
    expect(isSignedBy(publicKeyOf(privateKey), text, signature)).toBe(true);
  });

  test("[L86] another text, key or signature is not signed, and what is no key or signature is refused without a throw", () => {
    const [{ privateKey, text, signature }, other] = VECTORS;
    const mine = publicKeyOf(privateKey);
    expect(isSignedBy(mine, `${text}x`, signature)).toBe(false);
    expect(isSignedBy(publicKeyOf(other.privateKey), text, signature)).toBe(false);
    expect(isSignedBy(mine, text, other.signature)).toBe(false);
    for (const none of ["", "0".repeat(128), "zz", signature.toUpperCase(), `${signature}00`])
      expect(isSignedBy(mine, text, none)).toBe(false);
    for (const none of ["", "f".repeat(64), "zz"]) expect(isSignedBy(none as PublicKey, text, signature)).toBe(false);
    expect(() => signText("short", text)).toThrow(RangeError);
    expect(() => signText("short", text)).not.toThrow("short");
  });
});
