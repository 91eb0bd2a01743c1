// Frames about values (secrets and configs): a node asks for those that its assignment names and it lacks, a few at a time; the hub gives
// each sealed to that node, or says why not.
import * as z from "zod/mini";
import { signatureSchema } from "../model/signature.ts";
import { valueRefSchema } from "../model/value.ts";

/** Of the largest there are, sealed and as base64, these are 2.8 MB: less than what may wait in a socket. */
export const MAX_VALUES_PER_ASK = 4;
/** 500 KiB and 48 bytes, as base64, with room. */
const MAX_BOX_CHARACTERS = 700_000;

/** `boxKey` is proven to be this node's by a signature of `boxKeyText`: nobody in between can put his own in its place. */
export const needValuesSchema = z.object({
  type: z.literal("need-values"),
  boxKey: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  signature: z.string().check(z.regex(/^[0-9a-f]{128}$/)),
  wanted: z.array(valueRefSchema).check(z.minLength(1), z.maxLength(MAX_VALUES_PER_ASK)),
});
export type NeedValues = z.infer<typeof needValuesSchema>;

/** `box`: base64 of a sealed box for that key, bound to installation, node and value. `signature`: of `valueText` by the hub's signing key. */
export const valueSchema = z.object({
  type: z.literal("value"),
  ref: valueRefSchema,
  box: z.string().check(z.maxLength(MAX_BOX_CHARACTERS), z.regex(/^[A-Za-z0-9+/]+={0,2}$/)),
  signature: signatureSchema,
});
/** `reason` goes on after "secret db: ". */
export const valueRefusedSchema = z.object({
  type: z.literal("value-refused"),
  ref: valueRefSchema,
  reason: z.string().check(z.maxLength(1_024)),
});
