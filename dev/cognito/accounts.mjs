// The user table. It is live: changes take effect at the next sign-in or refresh, as in a real pool.

/** Test accounts; the sub of an account never changes, so that what an app stored under it is found again after a restart. */
export const TEST_ACCOUNTS = {
  'alice@example.com': {
    sub: 'a1c30000-0000-4000-8000-00000000a11c',
    username: 'a1c30000-0000-4000-8000-00000000a11c',
    email: 'alice@example.com',
    password: 'Passw0rd!',
    name: 'Alice Kim',
    groups: ['admin'],
    enabled: true,
  },
  'bob@example.com': {
    sub: 'b0b00000-0000-4000-8000-000000000b0b',
    username: 'b0b00000-0000-4000-8000-000000000b0b',
    email: 'bob@example.com',
    password: 'Passw0rd!',
    name: 'Bob Lee',
    enabled: true,
  },
};

/** An account signs in with its e-mail address or its username. Disabled accounts are found too: the caller decides. */
export function accountByLogin(users, login) {
  const wanted = login.trim().toLowerCase();
  return Object.values(users).find((user) => user.email.toLowerCase() === wanted || user.username === login.trim());
}

/** Undefined for deleted and disabled accounts alike: their sessions and refresh tokens are worth nothing. */
export function enabledAccount(users, sub) {
  return Object.values(users).find((user) => user.sub === sub && user.enabled !== false);
}

/** What the scopes let the client read. `attributes` of a user (custom:…, picture, …) go where profile goes. */
export function readableAttributes(user, scopes) {
  const { email, phone_number: phone } = user;
  return {
    ...(scopes.has('email') && { email, email_verified: user.email_verified ?? true }),
    ...(scopes.has('phone') && phone && { phone_number: phone, phone_number_verified: user.phone_number_verified ?? true }),
    ...(scopes.has('profile') && { ...(user.name && { name: user.name }), ...user.attributes }),
  };
}
