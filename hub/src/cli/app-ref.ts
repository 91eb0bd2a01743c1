// An app as the user names it. Wrong words are told here, before the hub is asked.
import { type AppName, appNameSchema } from "@skerry/shared/model/ids.ts";
import { usage } from "./failure.ts";

export function appRef(text: string): AppName {
  const name = appNameSchema.safeParse(text);
  if (name.success) return name.data;
  throw usage(`${JSON.stringify(text)} is not an app's name.`, "skerry apps lists them.");
}
