// What is in a registry credential: the user and password that a registry is shown. The door for it on hub and node; never logged, never
// part of an error's text.
import * as z from "zod/mini";

/** Tokens of cloud registries have 3 KB, a key file as password 2.5; registries take headers of 8 KB. */
export const MAX_REGISTRY_PASSWORD = 6_144;

export const registryLoginSchema = z.object({
  /** No colon: HTTP's basic authentication ends the user at the first one. */
  user: z
    .string()
    .check(z.minLength(1), z.maxLength(255), z.regex(/^[^:\p{Cc}]+$/u, "no colon and no control characters")),
  password: z.string().check(z.minLength(1), z.maxLength(MAX_REGISTRY_PASSWORD)),
});
export type RegistryLogin = z.infer<typeof registryLoginSchema>;

/** Always the same text for the same login: by it the hub sees that nothing changed. */
export const registryLoginText = ({ user, password }: RegistryLogin): string => JSON.stringify({ user, password });

/** null: it is none. */
export function readRegistryLogin(text: string): RegistryLogin | null {
  try {
    const read = registryLoginSchema.safeParse(JSON.parse(text));
    return read.success ? read.data : null;
  } catch {
    return null;
  }
}
