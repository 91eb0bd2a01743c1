// The door for stored JSON: what a ledger reads back is checked before it is trusted, because a disk may give back anything.
// These schemas may grow, never tighten: an agent must be able to read what its older self wrote.
import { assignmentSchema, previousSchema } from "@skerry/shared/model/assignment.ts";
import { nodeEventSchema } from "@skerry/shared/model/event.ts";
import {
  counterSchema,
  installationIdSchema,
  nodeIdSchema,
  publicKeySchema,
  specHashSchema,
  workloadIdSchema,
} from "@skerry/shared/model/ids.ts";
import { markSchema } from "@skerry/shared/model/mark.ts";
import { exitSchema, pullFailureSchema } from "@skerry/shared/model/report.ts";
import { signatureSchema } from "@skerry/shared/model/signature.ts";
import * as z from "zod/mini";
import type { WorkloadMemory } from "../core/memory.ts";
import type { BootRecord } from "../core/safe-mode.ts";
import type { AssignmentSeal, Identity, StoredEvent } from "./ledger.ts";

const identitySchema = z.object({
  node: nodeIdSchema,
  name: z.string(),
  installation: installationIdSchema,
  privateKey: z.string(),
  hubUrl: z.string(),
  hubKey: z._default(z.nullable(publicKeySchema), null),
  mark: z._default(z.nullable(markSchema), null),
  pins: z._default(z.array(z.string()), []),
  binding: z._default(z.enum(["tls-exporter", "none"]), "none"),
  tokens: z._default(z.array(z.string()), []),
  nextKey: z._default(z.nullable(z.string()), null),
  keyStep: z._default(counterSchema, 0),
  labelSecret: z._default(z.nullable(z.string()), null),
  formerBoxKeys: z._default(z.array(z.string()), []),
});

const sealSchema = z.object({ signature: signatureSchema, carried: z.array(workloadIdSchema) });

/** The side file beside the database: who this node is, and which event numbers it may have used. */
export const identityFileSchema = z.object({ identity: identitySchema, seqReserved: counterSchema });

const spentSchema = z.object({
  spentMs: z.number(),
  since: z.nullable(z.object({ bootId: z.string(), atMs: z.number() })),
});

const gateMemorySchema = z.object({
  specHash: specHashSchema,
  attempt: z.int(),
  verdict: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("open") }),
    z.object({ kind: z.literal("passed") }),
    z.object({ kind: z.literal("failed"), reason: z.string(), revertedTo: z.nullable(previousSchema) }),
  ]),
  own: spentSchema,
  good: z.nullable(z.object({ bootId: z.string(), run: z.string(), atMs: z.number() })),
  held: spentSchema,
  heldBy: z.nullable(z.string()),
});

const memorySchema = z.object({
  specHash: specHashSchema,
  failures: z.int(),
  nextTry: z.nullable(z.object({ bootId: z.string(), atMs: z.number(), delayMs: z.number() })),
  during: z.nullable(z.enum(["pull", "create", "start", "run"])),
  reason: z.string(),
  lastExit: z.nullable(exitSchema),
  restarts: z.int(),
  ended: z.nullable(
    z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("completed"), exit: exitSchema }),
      z.object({ kind: z.literal("failed"), reason: z.string() }),
    ]),
  ),
  pullFailure: z._default(z.nullable(pullFailureSchema), null),
  refusedWith: z._default(z.nullable(z.string()), null),
  pulled: z._default(z.boolean(), false),
  countedExit: z.nullable(z.string()),
  gate: z._default(z.nullable(gateMemorySchema), null),
  restartsDone: z._default(z.nullable(z.int()), null),
  endRun: z._default(z.nullable(z.string()), null),
  stoppedRun: z._default(z.nullable(z.string()), null),
  stopped: z._default(z.boolean(), false),
  runs: z._default(
    z.array(
      z.object({
        exit: exitSchema,
        words: z.string(),
        tail: z.array(z.string()),
        failures: z.int(),
        bootId: z.string(),
        atMs: z.number(),
      }),
    ),
    [],
  ),
});

const bootsSchema = z.object({ bootId: z.string(), seenAtMs: z.number(), quickBefore: z.int(), steady: z.boolean() });

const storedEventSchema = z.object({
  seq: counterSchema,
  bootId: z.string(),
  atMs: z.number(),
  wallMs: z.number(),
  event: nodeEventSchema,
});

/** All throw on what does not fit: the caller takes the ledger for damaged. */
export const parseIdentity = (text: string): Identity => identitySchema.parse(JSON.parse(text));
export const parseMemory = (text: string): WorkloadMemory => memorySchema.parse(JSON.parse(text));
export const parseEvent = (text: string): StoredEvent => storedEventSchema.parse(JSON.parse(text));
export const parseSeal = (text: string): AssignmentSeal | null => z.nullable(sealSchema).parse(JSON.parse(text));
export const parseAssignment = (text: string) => assignmentSchema.parse(JSON.parse(text));
export const parseBoots = (text: string): BootRecord => bootsSchema.parse(JSON.parse(text));
