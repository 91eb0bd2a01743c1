// Secrets and configs in rows: what is told of them apart from what is in them, which is sealed and read one at a time. A row that cannot be
// read as it stands stops the reading in plain words: nothing is guessed about who may use what.
import { type ValueRef, valueRefSchema } from "@skerry/shared/model/value.ts";
import type { Database, Statement } from "better-sqlite3";
import * as z from "zod/mini";
import type { DurableChange } from "../../core/change.ts";
import type { SealedContent, StoredValue } from "../../core/value.ts";
import type { Store } from "../store.ts";
import { json, parse } from "./load.ts";
import { storedValueSchema } from "./stored-value.ts";

export type ValueRows = Pick<Store, "values" | "sealedValue" | "valueKeys" | "givenTo" | "saveGiven">;

const valueIdSchema = z.omit(valueRefSchema, { version: true });

type Place = readonly [kind: string, app: string, name: string];
const placeOf = ({ kind, app, name }: Pick<ValueRef, "kind" | "app" | "name">): Place => [kind, app ?? "", name];

interface KeyRow {
  readonly kind: string;
  readonly app: string;
  readonly name: string;
  readonly version: string;
  readonly key: string;
  readonly wrapped: string;
}

export function prepareValueReads(db: Database): ValueRows {
  const all: Statement<[], { body: string }> = db.prepare("SELECT body FROM value ORDER BY kind, app, name");
  const content: Statement<string[], SealedContent> = db.prepare(
    "SELECT ring_key AS key, wrapped, sealed AS body FROM value_content WHERE kind = ? AND app = ? AND name = ? AND version = ?",
  );
  const keys: Statement<[], KeyRow> = db.prepare(
    "SELECT kind, app, name, version, ring_key AS key, wrapped FROM value_content ORDER BY kind, app, name, version",
  );
  const given: Statement<[string], { kind: string; app: string; name: string }> = db.prepare(
    "SELECT kind, app, name FROM value_given WHERE node = ? ORDER BY kind, app, name",
  );
  const wasGiven = db.prepare("SELECT 1 FROM value_given WHERE node = ? AND kind = ? AND app = ? AND name = ?");
  const saveGiven = db.prepare("INSERT OR IGNORE INTO value_given SELECT id, ?, ?, ? FROM node WHERE id = ?");
  return {
    givenTo: (node) =>
      given
        .all(node)
        .map(({ kind, app, name }) =>
          parse("given value", valueIdSchema, { kind, app: app === "" ? null : app, name }),
        ),
    saveGiven: (node, value) => {
      // A write takes the disk's time, also one that changes nothing.
      if (wasGiven.get(node, ...placeOf(value)) === undefined) saveGiven.run(...placeOf(value), node);
    },
    values: () =>
      all.all().map(({ body }): StoredValue => parse("secret or config", storedValueSchema, json("value", body))),
    sealedValue: (ref) => content.get(...placeOf(ref), ref.version) ?? null,
    valueKeys: () =>
      keys.all().map(({ kind, app, name, version, key, wrapped }) => ({
        ref: parse("secret or config", valueRefSchema, { kind, app: app === "" ? null : app, name, version }),
        key,
        wrapped,
      })),
  };
}

type ValueChange = Extract<DurableChange, { readonly kind: "value-set" | "value-removed" | "value-rewrapped" }>;

/** Runs inside the commit's transaction only. */
export function prepareValueWrites(db: Database): (change: ValueChange) => void {
  const set = db.prepare(
    "INSERT INTO value (kind, app, name, body) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
  );
  const add = db.prepare(
    "INSERT INTO value_content (kind, app, name, version, ring_key, wrapped, sealed) VALUES (?, ?, ?, ?, ?, ?, ?) " +
      "ON CONFLICT DO UPDATE SET ring_key = excluded.ring_key, wrapped = excluded.wrapped, sealed = excluded.sealed",
  );
  const dropOthers = db.prepare(
    "DELETE FROM value_content WHERE kind = ? AND app = ? AND name = ? AND version NOT IN (SELECT value FROM json_each(?))",
  );
  const remove = db.prepare("DELETE FROM value WHERE kind = ? AND app = ? AND name = ?");
  const removeContents = db.prepare("DELETE FROM value_content WHERE kind = ? AND app = ? AND name = ?");
  const rewrap = db.prepare(
    "UPDATE value_content SET ring_key = ?, wrapped = ? WHERE kind = ? AND app = ? AND name = ? AND version = ?",
  );
  return (change) => {
    switch (change.kind) {
      case "value-set": {
        const { value, sealed } = change;
        const place = placeOf(value);
        set.run(...place, JSON.stringify(value));
        if (sealed !== null) add.run(...place, sealed.version, sealed.key, sealed.wrapped, sealed.body);
        dropOthers.run(...place, JSON.stringify(value.versions.map(({ version }) => version)));
        return;
      }
      case "value-removed":
        remove.run(...placeOf(change.value));
        removeContents.run(...placeOf(change.value));
        return;
      case "value-rewrapped":
        rewrap.run(change.key, change.wrapped, ...placeOf(change.ref), change.ref.version);
        return;
    }
  };
}
