// Sealed boxes against what a thief, a mixer-up and a meddler would try.
import { describe, expect, test } from "vitest";
import { seededRandom, systemRandom } from "./random.ts";
import { boxKeyOf, boxPublicKeyOf, openBox, sealBox } from "./sealed-box.ts";

const node = boxKeyOf("11".repeat(32));
const other = boxKeyOf("22".repeat(32));
const content = Buffer.from("canary\0\xff", "latin1");
const box = sealBox(boxPublicKeyOf(node), "ctx", content, systemRandom) ?? "";

describe("a sealed box", () => {
  test("[L260] is opened by the key that it was sealed for, and by no other", () => {
    expect(openBox(node, "ctx", box)).toEqual(content);
    expect(openBox(other, "ctx", box)).toBeNull();
  });

  test("[L260] opens only in its own context, and only whole", () => {
    expect(openBox(node, "other", box)).toBeNull();
    const bytes = Buffer.from(box, "base64");
    for (let at = 0; at < bytes.length; at += 1) {
      const bent = Buffer.from(bytes);
      bent[at] = (bent[at] ?? 0) ^ 1;
      // The last bit of an X25519 key means nothing by its definition, but it is in what the key is derived from.
      expect(openBox(node, "ctx", bent.toString("base64"))).toBeNull();
    }
    for (const text of ["", "AAAA", box.slice(0, 40)]) expect(openBox(node, "ctx", text)).toBeNull();
  });

  test("[L260] shows nothing of its content, and is another each time", () => {
    expect(Buffer.from(box, "base64").includes(content)).toBe(false);
    expect(sealBox(boxPublicKeyOf(node), "ctx", content, systemRandom)).not.toBe(box);
  });

  test("[L260] is not made for a key that agrees on nothing", () => {
    expect(sealBox("0".repeat(64), "ctx", content, systemRandom)).toBeNull();
    expect(sealBox("", "ctx", content, systemRandom)).toBeNull();
  });

  test("[L260] the key for boxes says nothing of the node's own, and needs one", () => {
    expect(boxKeyOf("11".repeat(32))).toBe(node);
    expect(node).not.toContain("1111");
    expect(() => boxKeyOf("x")).toThrow(RangeError);
    expect(() => sealBox(boxPublicKeyOf(node), "c", content, { ...seededRandom(1), hex: () => "" })).toThrow(
      RangeError,
    );
  });
});
