// An Ed25519 signature as it is sent and stored: 64 bytes as lower-case hex. Made and checked in runtime/signature.
import * as z from "zod/mini";

export const signatureSchema = z.string().check(z.regex(/^[0-9a-f]{128}$/));
