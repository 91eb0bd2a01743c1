// Names and ids, branded so that one cannot stand for another. Schemas are for the doors; core imports the types only.
import * as z from "zod/mini";

/** 63: fits a DNS label, so an app or service name can be a network alias. */
export const MAX_NAME_LENGTH = 63;
const NAME = /^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$/;
const name = () => z.string().check(z.minLength(1), z.maxLength(MAX_NAME_LENGTH), z.regex(NAME));

export const appNameSchema = name().brand<"AppName">();
export type AppName = z.infer<typeof appNameSchema>;

/** Compose allows capitals, dots and underscores in service names. */
export const serviceNameSchema = z
  .string()
  .check(z.minLength(1), z.maxLength(MAX_NAME_LENGTH), z.regex(/^[a-zA-Z0-9](?:[a-zA-Z0-9._-]*[a-zA-Z0-9])?$/))
  .brand<"ServiceName">();
export type ServiceName = z.infer<typeof serviceNameSchema>;

/** `n` + 16 lower-case hex digits, made by the hub at join; never reused. */
export const nodeIdSchema = z
  .string()
  .check(z.regex(/^n[0-9a-f]{16}$/))
  .brand<"NodeId">();
export type NodeId = z.infer<typeof nodeIdSchema>;

/** What people call a node (its host name unless told otherwise); unique in an installation. */
export const nodeNameSchema = z
  .string()
  .check(z.minLength(1), z.maxLength(MAX_NAME_LENGTH), z.regex(/^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?$/))
  .brand<"NodeName">();
export type NodeName = z.infer<typeof nodeNameSchema>;

/** A copy's number ("1", "2", …) for replicated services, the node's id for global ones. */
export const slotSchema = z
  .string()
  .check(z.regex(/^(?:[1-9][0-9]{0,4}|n[0-9a-f]{16})$/))
  .brand<"Slot">();
export type Slot = z.infer<typeof slotSchema>;

/** `app/service/slot`. Unique in an installation, save that a replaced copy may still stand on an unreachable node. */
export const workloadIdSchema = z
  .string()
  .check(z.maxLength(160), z.regex(/^[^/]+\/[^/]+\/[^/]+$/))
  .brand<"WorkloadId">();
export type WorkloadId = z.infer<typeof workloadIdSchema>;

export const specHashSchema = z
  .string()
  .check(z.regex(/^[0-9a-f]{64}$/))
  .brand<"SpecHash">();
export type SpecHash = z.infer<typeof specHashSchema>;

/** An Ed25519 public key: its 32 bytes. */
export const publicKeySchema = z
  .string()
  .check(z.regex(/^[0-9a-f]{64}$/))
  .brand<"PublicKey">();
export type PublicKey = z.infer<typeof publicKeySchema>;

/** An app's revision: 1, 2, … never reused for other content. */
export const revisionSchema = z.int().check(z.gte(1), z.lte(2 ** 48));
export type Revision = number;

/** Counters stay below 2^48 so that no peer can push one to where adding stops working. */
export const MAX_COUNTER = 2 ** 48;
export const counterSchema = z.int().check(z.gte(0), z.lte(MAX_COUNTER));

/** One installation of Skerry: made at the hub's first start, kept for ever. */
export const installationIdSchema = z
  .string()
  .check(z.regex(/^i[0-9a-f]{16}$/))
  .brand<"InstallationId">();
export type InstallationId = z.infer<typeof installationIdSchema>;
