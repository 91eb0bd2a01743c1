// Who is it, by name and password? A provider of people answers with a person and his bindings. The hub's own users are the first; one for LDAP
// would make the bindings from groups, and nothing behind it would change.
import type { Binding } from "../../core/permission.ts";
import type { SecondFactor } from "../../core/user.ts";
import type { Store } from "../../store/store.ts";
import type { Passwords } from "./passwords.ts";

export interface Person {
  readonly name: string;
  readonly bindings: readonly Binding[];
  readonly secondFactor: SecondFactor;
  /** Another one once what was checked has changed: looked at again when something is done with it. */
  readonly checkedSalt: string;
}

export interface PeopleProvider {
  /** null: no such person, not his password, or disabled: which of them must not show, nor in the time that it takes. */
  check(name: string, password: string): Promise<Person | null>;
}

export class LocalUsers implements PeopleProvider {
  readonly #store: Pick<Store, "user">;
  readonly #passwords: Passwords;
  constructor(store: Pick<Store, "user">, passwords: Passwords) {
    this.#store = store;
    this.#passwords = passwords;
  }

  async check(name: string, password: string): Promise<Person | null> {
    const user = this.#store.user(name);
    const isRight = await this.#passwords.check(password, user?.password ?? null);
    if (user === null || !isRight || user.disabled) return null;
    const { role, scope, secondFactor } = user;
    return { name, bindings: [{ role, scope }], secondFactor, checkedSalt: user.password.salt };
  }
}
